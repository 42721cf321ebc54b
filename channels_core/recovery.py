"""
What a hub does so that nobody misses a change: it knows how far each group has come, and asks for what is missing.

A broadcast may be lost, late or come twice. Where an application numbers the changes of a group (``after`` and
``head`` of ``broadcast``) and says where they are kept (``register``), each process delivers them whole and in
order: a gap is filled from the source, once for all sockets of the process, and a look at the heads finds the
loss of a last one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

Event = dict[str, Any]

GAP_S = 0.05  # how long a missing change may be late before it is asked for


@dataclass(frozen=True, slots=True)
class Source:
    """
    Where the changes of groups are kept.

    ``heads(groups)`` gives the number of each group's last change. ``fetch(group, after)`` gives what has changed
    after the change ``after`` as one event, and the number that it reaches: less than the head if not all fits.
    ``missed()`` is for what is told without numbers: it may have been lost. It is awaited after the heads, that is
    every few seconds, each second while the layer is away, and when it is back.
    """

    heads: Callable[[Collection[str]], Awaitable[Mapping[str, int]]]
    fetch: Callable[[str, int], Awaitable[tuple[Event, int]]]
    missed: Callable[[], Awaitable[None]] | None = None


_sources: dict[str, Source] = {}


def register(prefix: str, source: Source) -> None:
    """From now on groups whose names begin with ``prefix`` have this source."""
    _sources[prefix] = source


def source_of(group: str) -> Source | None:
    return next((source for prefix, source in _sources.items() if group.startswith(prefix)), None)


@dataclass(slots=True)
class _Waiting:
    """A change that came before those that it follows."""

    after: int
    head: int
    text: str


class Positions:
    """
    How far the groups of one process have come.

    ``write`` delivers to all sockets of a group, ``hold`` to those that are still reading what was before.
    """

    def __init__(
        self,
        write: Callable[[str, str], None],
        hold: Callable[[str, str], None],
        encode: Callable[[Event], str],
    ) -> None:
        self._write = write
        self._hold = hold
        self._encode = encode
        # Everything after the one and up to the other has been delivered.
        self._bases: dict[str, int] = {}
        self._heads: dict[str, int] = {}
        self._wanted: dict[str, int] = {}  # the highest number that was heard of
        self._waiting: dict[str, list[_Waiting]] = {}
        self._filling: dict[str, asyncio.Task[None]] = {}

    def start_at(self, group: str, head: int) -> None:
        """Somebody has read the group up to ``head``, and needs everything after it."""
        if not self._begin(group, head):
            return
        wanted = max(head, self._heads[group])  # what one has read, the others may have missed
        if head < self._bases[group]:
            # What comes before the first that was delivered here; to the others it says nothing new.
            self._bases[group] = self._heads[group] = head
        if self._heads[group] < wanted and source_of(group):
            self._fill_soon(group, wanted)

    def forget(self, group: str) -> None:
        """Nobody here listens to the group any more."""
        self._bases.pop(group, None)
        self._heads.pop(group, None)
        self._wanted.pop(group, None)
        self._waiting.pop(group, None)
        if filling := self._filling.pop(group, None):
            filling.cancel()

    def take(self, group: str, text: str, after: int | None, head: int | None) -> None:
        """Deliver what was broadcast: now, or after what it follows; what was delivered before is dropped."""
        if head is None:
            return self._write(group, text)
        # A state, which has no ``after``, follows whatever is known.
        self._begin(group, head - 1 if after is None else after)
        known = self._heads[group]
        if head <= known:
            # What somebody has read may be older than what was delivered to the others.
            return self._hold(group, text)
        if after is not None and after > known and source_of(group):
            self._waiting.setdefault(group, []).append(_Waiting(after, head, text))
            return self._fill_soon(group, head)
        self._deliver(group, text, head)
        self._release(group)

    async def compare(self, groups: Collection[str]) -> None:
        """Ask the sources for the heads of ``groups``, for what is missing, and to look after the rest."""
        sources = {id(source): source for source in _sources.values()}
        for source in sources.values():
            names = [group for group in groups if source_of(group) is source]
            try:
                for group, head in (await source.heads(names) if names else {}).items():
                    if self._heads.get(group, head) < head:
                        self._fill_soon(group, head)
                if source.missed:
                    await source.missed()
            except Exception:
                logger.exception("What was told could not be compared with its source; it will be again.")

    def _begin(self, group: str, head: int) -> bool:
        """Whether the group was known before; if not, it is known up to ``head`` now."""
        is_known = group in self._heads
        if not is_known:
            self._bases[group] = self._heads[group] = head
        return is_known

    def _deliver(self, group: str, text: str, head: int) -> None:
        self._heads[group] = head
        self._write(group, text)

    def _release(self, group: str) -> None:
        """Deliver what has waited and fits now."""
        waiting = sorted(self._waiting.pop(group, ()), key=lambda each: each.after)
        for number, each in enumerate(waiting):
            if each.after > self._heads[group]:
                self._waiting[group] = waiting[number:]
                return
            if each.head > self._heads[group]:
                self._deliver(group, each.text, each.head)

    def _fill_soon(self, group: str, wanted: int) -> None:
        self._wanted[group] = max(wanted, self._wanted.get(group, 0))
        if group not in self._filling:
            self._filling[group] = asyncio.create_task(self._fill(group))

    async def _fill(self, group: str) -> None:
        """Give what is missing a moment to arrive, then fetch it, until all that was heard of is delivered."""
        source = source_of(group)
        try:
            while source and (known := self._heads[group]) < self._wanted[group]:
                await asyncio.sleep(GAP_S)
                if self._heads[group] != known:  # something has arrived
                    continue
                event, head = await source.fetch(group, known)
                if head <= known:  # there is no such change
                    self._wanted[group] = known
                elif self._heads[group] == known:
                    self._deliver(group, self._encode(event), head)
                    self._release(group)
        except Exception:
            # The database may be away; the next comparison asks again.
            logger.exception("What is missing in %s could not be fetched.", group)
        finally:
            if self._filling.get(group) is asyncio.current_task():
                del self._filling[group]

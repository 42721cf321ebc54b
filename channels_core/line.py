"""
The line of a hub to its channel layer: it joins the groups that have members, and comes back by itself.

Nobody fails or waits long because the layer is away. Whether it is there shows by an echo: what the hub sends
to a group of its own. While no echo comes the layer is left alone, and what is to be joined and left waits
until it is back; every membership of before is renewed then, for a server that was restarted knows of none.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, KeysView
from typing import Any

from .layers import BaseChannelLayer, InMemoryChannelLayer
from .layers.memory import HUB
from .types import Message

logger = logging.getLogger(__name__)

LAYER_PREFIX = "broadcast."  # of the groups that hubs use on the channel layer
ECHO = "broadcast.echo"  # the type of what a hub sends itself
RETRY_S = 1.0
LIMIT_S = 1.0  # the longest that the layer may take to be told who joins and leaves
WATCH_S = 0.5  # between two echoes,
HURRY_S = 0.1  # and at least, where the layer is suspected
COMPARE_S = 5.0  # between two comparisons while nothing seems wrong
SILENCES = 4  # echoes that were taken and not brought, after which the channel is given up for a new one
LEFT = -1  # instead of an era: the layer is being told that we have left


class Line:
    """
    The memberships of one hub on its layer.

    ``groups`` are those that have members now: the hub changes it and calls ``settle``. ``take`` is given what
    arrives; ``compare`` is awaited every few seconds, and every second as long as the layer is away.
    """

    def __init__(
        self,
        layer: Any,
        groups: KeysView[str],
        take: Callable[[Message], None],
        compare: Callable[[], Awaitable[None]],
    ) -> None:
        self.is_heard = True  # the layer brought the last echo, and took what it was told since
        self._layer = layer
        self._is_memory = isinstance(layer, InMemoryChannelLayer)
        self._groups = groups
        self._take = take
        self._compare = compare
        # Group -> the era in which the layer was told; a new era begins when that may be forgotten.
        self._joined: dict[str, int] = {}
        self._era = 0
        self._settling = asyncio.Lock()
        self._unsettled: set[str] = set()
        self._is_told_lost = False  # the log says that the layer is away
        self._channel: str | None = None
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._echo = asyncio.Event()
        self._suspected = asyncio.Event()
        self._echo_group = layer_group(f"echo.{secrets.token_hex(8)}")
        self._echo_era = -1
        self._silences = 0  # echoes that were taken since one was brought
        self._says_when_it_missed = hasattr(layer, "add_missed_hook")
        if self._says_when_it_missed:
            layer.add_missed_hook(self.suspect)

    def suspect(self) -> None:
        """The layer may be away: do not wait for the next echo to find out, nor with comparing."""
        self._suspected.set()

    async def settle(self, *groups: str) -> None:
        """Make the layer's membership of these fit ``groups``: now, or as soon as the layer is there."""
        if self._is_settled(groups):
            return
        self._unsettled.update(groups)
        # One at a time, as joining and leaving cross; what gathers meanwhile goes together.
        async with self._settling:
            unsettled, self._unsettled = self._unsettled, set()
            try:
                await self._settle(unsettled)
            except BaseException:  # who is cancelled leaves it to the next, who waits for the same
                self._unsettled |= unsettled
                raise

    def _is_settled(self, groups: Collection[str]) -> bool:
        """Whether they have members, and the layer knows it, as it nearly always does."""
        if not groups or not self.is_heard:  # without groups it may be time to rest
            return False
        return all(group in self._groups and self._joined.get(group) == self._era for group in groups)

    async def _settle(self, groups: set[str]) -> None:
        joining = {group for group in groups & self._groups if self._joined.get(group) != self._era}
        leaving = (groups & self._joined.keys()) - self._groups
        if joining and not self._watching:
            self._watching = _start(self._watch())
        if self.is_heard and (joining or leaving):
            try:
                async with asyncio.timeout(LIMIT_S):
                    await self._fit(joining, leaving)
            except Exception as error:
                self._lose(error)
        if not self._groups and not self._joined:
            await self._rest()

    async def _fit(self, joining: set[str], leaving: set[str]) -> None:
        """
        Tell the layer who joins and who leaves.

        With several hosts one may refuse what is its own: the others are told all the same, before that comes out.
        """
        outcomes: list[BaseException | None] = []
        if joining:
            channel, era = await self._open(), self._era
            outcomes += await _all(self._layer.group_add(layer_group(group), channel) for group in joining)
            took = [group for group, outcome in zip(joining, outcomes, strict=True) if outcome is None]
            self._joined.update(dict.fromkeys(took, era))
        leaving = leaving - self._groups  # somebody may have come meanwhile
        # Who comes from now on joins anew. Who is cancelled leaves it to the next.
        self._joined.update(dict.fromkeys(leaving, LEFT))
        outcomes += await _all(self._layer.group_discard(layer_group(group), self._channel) for group in leaving)
        for group in leaving:  # tried once: what still comes for the group finds no member
            del self._joined[group]
        for outcome in outcomes:
            if outcome is not None:
                raise outcome

    async def _open(self) -> str:
        """The channel of this hub, with somebody who reads it."""
        is_echo_due = self._echo_era != self._era and not self._is_memory
        if is_echo_due:  # a first question: channels_redis keeps a mailbox for each new channel that fails
            await self._send_echo()
        if self._channel is None:
            # In our layers a prefix of its own gives the hub room for a burst. Elsewhere it has the common one:
            # channels_redis reads all channels of a process together, as long as they share it.
            prefix = [HUB] if self._is_memory or self._says_when_it_missed else []
            self._channel = await self._layer.new_channel(*prefix)
            self._reading = _start(self._read(self._channel))
        if is_echo_due:
            await self._layer.group_add(self._echo_group, self._channel)
            self._echo_era = self._era
        return self._channel

    async def _rest(self) -> None:
        """Nobody listens: give the channel back. Cancelling its reader is what ends it on every layer."""
        if self._channel and not self._is_memory and self.is_heard:
            try:
                async with asyncio.timeout(LIMIT_S):
                    await self._layer.group_discard(self._echo_group, self._channel)
            except Exception as error:
                logger.info("The channel layer did not take our leave: %r", error)
        watching, self._watching = self._watching, None
        await self._drop_channel()
        self.is_heard, self._is_told_lost = True, False  # as far as anybody knows
        if watching and watching is not asyncio.current_task():
            await _end(watching)

    async def _drop_channel(self) -> None:
        reading, self._reading = self._reading, None
        channel, self._channel = self._channel, None
        self._joined.clear()
        self._silences = 0
        self._era += 1
        if reading:
            await _end(reading)
        if channel and self._says_when_it_missed:
            self._layer.forget_channel(channel)

    def _lose(self, error: BaseException) -> None:
        if self.is_heard:
            self.is_heard = False
            self._era += 1
        if not self._is_told_lost:
            self._is_told_lost = True
            told = str(error) or type(error).__name__
            logger.warning("The channel layer does not answer (%s); it is asked again every %g s.", told, WATCH_S)

    async def _read(self, channel: str) -> None:
        while True:
            try:
                message = await self._layer.receive(channel)
            except Exception as error:
                self._lose(error)
                logger.exception("The channel layer cannot be read; trying again in %g s.", RETRY_S)
                await asyncio.sleep(RETRY_S)
                continue
            try:
                if message.get("type") == ECHO:
                    self._silences = 0
                    self._echo.set()
                else:
                    self._take(message)
            except Exception:  # the next one may be better
                logger.exception("What the channel layer brought makes no sense, and is dropped.")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        # A layer whose memberships expire hears of us in time.
        renew_s = getattr(self._layer, "group_expiry", None) or float("inf")
        begun = compared = renewed = loop.time()
        while self._watching is asyncio.current_task():
            await self._pause(begun + WATCH_S)
            begun, was_heard = loop.time(), self.is_heard
            if begun - renewed > renew_s / 3:
                self._era, renewed = self._era + 1, begun
            is_suspected = self._suspected.is_set()
            is_away = is_suspected or not was_heard
            self._suspected.clear()
            if is_away:  # before the echo, which may take its time not to come
                compared = begun
                await self._compare()
            await self._listen()
            if is_suspected and self._says_when_it_missed:
                # Another of its hosts than the one of the echo may be away: then it refuses what is renewed.
                self._era += 1
            if self.is_heard:
                await self.settle(*self._groups, *self._joined)
            if self.is_heard and self._is_told_lost:  # not before: one that takes only some of them is not back
                self._is_told_lost = False
                logger.warning("The channel layer is there again.")
            is_back = self.is_heard and is_away
            is_gone = not self.is_heard and not is_away
            if is_back or is_gone or begun - compared >= COMPARE_S:
                compared = begun
                await self._compare()

    async def _pause(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._suspected.wait()
                await asyncio.sleep(HURRY_S)
        except TimeoutError:
            pass

    async def _listen(self) -> None:
        """Whether the layer is there: ``is_heard``."""
        if self._is_memory:
            self.is_heard = True
            return
        loop = asyncio.get_running_loop()
        latest = loop.time() + LIMIT_S
        echoing = asyncio.ensure_future(self._hear_echo())
        try:
            await asyncio.wait([echoing], timeout=LIMIT_S / 2)
            if not echoing.done():  # whatever the reason is, the readers of this process need not wait for it
                await self._compare()
            await asyncio.wait([echoing], timeout=max(0, latest - loop.time()))
            error = echoing.exception() if echoing.done() else TimeoutError("no echo")
        finally:
            echoing.cancel()
        if error:
            self._lose(error)
            if self._silences >= SILENCES:
                async with self._settling:
                    await self._drop_channel()
        else:
            self.is_heard = True

    async def _hear_echo(self) -> None:
        self._echo.clear()
        async with self._settling:
            await self._open()
        await self._send_echo()
        await self._echo.wait()

    async def _send_echo(self) -> None:
        await self._layer.group_send(self._echo_group, {"type": ECHO})
        self._silences += 1


async def _all(calls: Iterable[Awaitable[None]]) -> list[BaseException | None]:
    """How each of these calls ended."""
    return await asyncio.gather(*calls, return_exceptions=True)


_names = BaseChannelLayer()


def layer_group(group: str) -> str:
    """The layer's name for a broadcast group. Checked here, since not every layer checks names."""
    _names.require_valid_group_name(group)
    _names.require_valid_group_name(LAYER_PREFIX + group)
    return LAYER_PREFIX + group


def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that outlives the connection which happens to need it first, and therefore has none of its context."""
    return asyncio.create_task(work, context=contextvars.Context())


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait for what it has to say to the layer, but not for good."""
    task.cancel()
    await asyncio.wait([task], timeout=LIMIT_S)
    task.cancel()

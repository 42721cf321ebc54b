"""The connection of a process that is subscribed."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from .link import Keeper, Link, Waiter, fail

logger = logging.getLogger(__name__)

NAMES_PER_COMMAND = 512  # of a SUBSCRIBE, so that no command holds Redis up
PING_S = 15.0  # a subscribed connection that has brought nothing for so long is asked whether it lives


class Subscriber(Link):
    """
    Keeps Redis told of the names that are wanted, and hands on what is published under them.

    Args:
        deliver: called with each name and payload.
        missed: called when the connection was lost, and when everything is subscribed again.
    """

    def __init__(
        self, pool: Any, keeper: Keeper, deliver: Callable[[bytes, bytes], None], missed: Callable[[], None]
    ) -> None:
        super().__init__(pool, keeper)
        self._deliver = deliver
        self._missed = missed
        self._wanted: dict[str, None] = {}  # in the order of their coming
        self._changed: dict[str, None] = {}  # names to look at before the next write
        self._alone: set[str] = set()  # names that get a command of their own
        self._told: set[str] = set()  # names that Redis was told last to subscribe
        self._unconfirmed: Counter[str] = Counter()  # SUBSCRIBEs without an answer
        self._sent: deque[tuple[str, deque[str]]] = deque()  # commands without an answer, with their names
        self._waiters: dict[str, list[Waiter]] = {}
        self._is_resuming = False  # the connection was lost, and not all is subscribed again
        self._last: Any = None  # the command whose answer tells that it is
        self._is_quiet = False  # nothing has come since the last look
        self._ping: asyncio.TimerHandle | None = None
        self._is_ping_due = False

    def subscribe(self, name: str) -> Waiter | None:
        """
        A future that is done when Redis has confirmed it; None if it has.

        Raises:
            ConnectionError: of redis-py, at once or from the future; Redis is away. ResponseError: it refuses.
        """
        if name in self._told and not self._unconfirmed[name]:
            self._wanted[name] = None
            return None
        if self.error is not None:
            raise self.refusal()
        self._wanted[name] = None
        waiter: Waiter = self._loop.create_future()
        self._waiters.setdefault(name, []).append(waiter)
        self._changed[name] = None
        self.due()
        return waiter

    def unsubscribe(self, name: str) -> None:
        """Redis is told soon; who still waits for its confirmation need not wait any longer."""
        self._wanted.pop(name, None)
        self._alone.discard(name)
        self._confirm(name)
        if name in self._told:
            self._changed[name] = None
            self.due()

    async def close(self) -> None:
        self._stop_ping()
        await super().close()

    def _opened(self) -> None:
        self._changed = dict.fromkeys(self._wanted)
        self._is_quiet = False
        self._ping = self._loop.call_later(PING_S, self._ask)
        if not self._is_resuming:
            self._keeper.back(self)

    def _answers(self) -> None:
        if not self._is_resuming:
            super()._answers()

    def _collect(self) -> Iterable[bytes]:
        changed, self._changed = self._changed, {}
        joins = [name for name in changed if name in self._wanted and name not in self._told]
        leaves = [name for name in changed if name not in self._wanted and name in self._told]
        self._told.update(joins)
        self._told.difference_update(leaves)
        self._unconfirmed.update(joins)
        alone = [name for name in joins if name in self._alone]
        commands = [("SUBSCRIBE", [name]) for name in alone]
        commands += [("SUBSCRIBE", names) for names in _batches(name for name in joins if name not in self._alone)]
        commands += [("UNSUBSCRIBE", names) for names in _batches(leaves)]
        if self._is_ping_due:
            self._is_ping_due = False
            commands.append(("PING", []))
        self._sent.extend((verb, deque(names)) for verb, names in commands)
        if self._is_resuming and self._last is None:
            if self._sent:
                self._last = self._sent[-1]
            else:
                self._resumed()
        pack = self._connection.pack_command
        return [part for verb, names in commands for part in pack(verb, *names)]

    def _take(self, reply: Any) -> None:
        self._is_quiet = False
        if type(reply) is list and reply[0] == b"message":
            self._deliver(reply[1], reply[2])
            return
        verb, names = self._sent[0]
        if isinstance(reply, Exception):
            self._take_error(verb, names, reply)
            names.clear()
        elif verb == "SUBSCRIBE":
            name = names.popleft()
            self._count(name)
            if name in self._told and not self._unconfirmed[name]:
                self._confirm(name)
        elif names:
            names.popleft()
        if not names and self._sent.popleft() is self._last:
            self._resumed()

    def _take_error(self, verb: str, refused: Iterable[str], error: Exception) -> None:
        """Redis may forbid a name; then it takes nothing of the whole command."""
        names = list(refused)
        logger.warning("Redis refuses to %s %s: %s", verb, ", ".join(names[:3]), error)
        if verb != "SUBSCRIBE":
            return
        for name in names:
            self._count(name)
            self._told.discard(name)
        if len(names) > 1:
            self._alone.update(names)
            self._changed.update(dict.fromkeys(names))
            self.due()
        else:
            fail(self._waiters.pop(names[0], ()), error)

    def _count(self, name: str) -> None:
        self._unconfirmed[name] -= 1
        if self._unconfirmed[name] <= 0:
            del self._unconfirmed[name]

    def _confirm(self, name: str) -> None:
        for waiter in self._waiters.pop(name, ()):
            if not waiter.done():
                waiter.set_result(None)

    def _resumed(self) -> None:
        """All is subscribed again: what was missed may be asked for."""
        self._last, self._is_resuming = None, False
        self._keeper.back(self)
        self._missed()

    def _oldest(self) -> Any:
        if self._sent:
            return self._sent[0]
        return next(iter(self._waiters.values()), None)

    def _refuse(self, error: BaseException) -> None:
        waiters, self._waiters = self._waiters, {}
        for each in waiters.values():
            fail(each, error)

    def _reset(self, error: BaseException) -> None:
        self._stop_ping()
        self._told.clear()
        self._unconfirmed.clear()
        self._sent.clear()
        self._last, self._is_resuming = None, True

    def _lost(self, error: BaseException) -> None:
        self._keeper.away(self, error)
        self._missed()

    def _ask(self) -> None:
        """Some ways to lose a connection tell nobody: a proxy that stays, a host that vanishes."""
        self._ping = self._loop.call_later(PING_S, self._ask)
        if self._is_quiet and not self._sent:
            self._is_ping_due = True
            self.due()
        self._is_quiet = True

    def _stop_ping(self) -> None:
        if self._ping:
            self._ping.cancel()
            self._ping = None


def _batches(names: Iterable[str]) -> Iterable[list[str]]:
    rest = iter(names)
    return iter(lambda: list(islice(rest, NAMES_PER_COMMAND)), [])

"""
The people of one process: ``track``, ``untrack``, and what rooms are told of who comes and goes.

Counted per person, not per tab. A room hears of changes at most once a second.
"""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Coroutine

from channels_core.broadcast import broadcast
from channels_core.layers.patience import line_errors

from . import events

logger = logging.getLogger(__name__)

TELL_EVERY_S = 1  # a room hears of changes at most this often
LEAVE_GRACE_S = 1  # a page that reloads has not left

Changes = dict[int, events.Event | None]  # person -> who joined, or None for who left


class Presence:
    """Who is in which room, as far as this process knows; a base for those that know more."""

    def __init__(self) -> None:
        # Room -> person -> open tabs in this process; zero for somebody who has just closed the last one.
        self._tabs: dict[int, Counter[int]] = {}
        # Room and person -> when they have left, if they do not come back; in this order.
        self._leaving: dict[tuple[int, int], float] = {}
        # Room -> person -> who joined, or None for who left: what its next telling says.
        self._changes: dict[int, Changes] = {}
        self._due: set[int] = set()  # rooms whose next telling has its time
        self._told: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_local(self) -> bool:
        """Whether there may be people elsewhere that this process cannot know of."""
        return False

    async def track(self, room_id: int, person: events.Event) -> set[int]:
        """Count one more tab of ``person`` and return the ids of everybody who is there now."""
        user_id = person["id"]
        tabs = self._tabs.setdefault(room_id, Counter())
        is_known = user_id in tabs
        tabs[user_id] += 1  # before anything is awaited: whoever is cancelled after this untracks
        if not is_known:
            self._move(room_id, user_id, person)
        return set(tabs)

    def untrack(self, room_id: int, user_id: int) -> None:
        """Count one tab less; the room hears of it if the person does not come back at once."""
        self._tabs[room_id][user_id] -= 1
        if not self._tabs[room_id][user_id]:
            if not self._leaving:
                self._start(self._let_go())
            self._leaving.pop((room_id, user_id), None)  # the last one counts, and goes to the end
            self._leaving[room_id, user_id] = asyncio.get_running_loop().time() + LEAVE_GRACE_S

    async def refresh(self) -> None:
        """Renew what expires; called every ``REFRESH_S`` while rooms are open in this process."""

    def _move(self, room_id: int, user_id: int, person: events.Event | None) -> None:
        """Somebody has come into this process, or left it (None)."""
        self._note(room_id, user_id, person)

    def _count(self, room_id: int, changes: Changes) -> int:
        """How many people are there, once these changes are known."""
        return len(self._tabs.get(room_id, ()))

    async def _let_go(self) -> None:
        """Let those leave whose time to come back is over; one task for all of them."""
        loop = asyncio.get_running_loop()
        while self._leaving:
            await asyncio.sleep(max(0, next(iter(self._leaving.values())) - loop.time()))
            while self._leaving and next(iter(self._leaving.values())) <= loop.time():
                self._leave(*next(iter(self._leaving)))

    def _leave(self, room_id: int, user_id: int) -> None:
        del self._leaving[room_id, user_id]
        tabs = self._tabs[room_id]
        if tabs[user_id]:
            return  # came back meanwhile
        del tabs[user_id]
        if not tabs:
            del self._tabs[room_id]
        self._move(room_id, user_id, None)

    def _note(self, room_id: int, user_id: int, person: events.Event | None) -> None:
        """Collect a change for the room's next telling."""
        self._changes.setdefault(room_id, {})[user_id] = person
        self._tell_soon(room_id)

    def _tell_soon(self, room_id: int) -> None:
        if room_id not in self._due:
            self._due.add(room_id)
            loop = asyncio.get_running_loop()
            due = self._told.get(room_id, 0) + TELL_EVERY_S
            loop.call_at(max(due, loop.time()), lambda: self._start(self._flush(room_id)))

    async def _flush(self, room_id: int) -> None:
        self._due.discard(room_id)
        if room_id in self._tabs:
            self._told[room_id] = asyncio.get_running_loop().time()
        else:
            self._told.pop(room_id, None)
        changes = self._changes.pop(room_id, {})
        await self._tell(room_id, changes, self._count(room_id, changes))

    async def _tell(self, room_id: int, changes: Changes, count: int) -> None:
        if changes:
            await broadcast(events.room_group(room_id), telling(changes, count))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        # Not in the context of the connection that happens to be the cause.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, line_errors()):  # the next refresh finds what was not heard
            logger.warning("Presence was not told, the channel layer does not answer: %r", error)
        elif error:
            logger.error("Presence was not told.", exc_info=error)


def telling(changes: Changes, count: int, *, local: bool = False) -> events.Event:
    """What pages are told of these changes."""
    joined = [person for person in changes.values() if person]
    left = [user_id for user_id, person in changes.items() if not person]
    return events.presence(joined, left, count, local=local)

"""What a process does regularly for the rooms that are open in it: tell beats, renew presence."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import InterfaceError, OperationalError

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async

from . import events, queries
from .activity import TELL_EVERY_S, get_activity
from .presence import REFRESH_S, get_presence

logger = logging.getLogger(__name__)

NO_ROOM = 0


class Pulse:
    """Runs while at least one tab is open, once per process: no connection has timers of its own."""

    def __init__(self) -> None:
        self._tabs: Counter[int] = Counter()  # by room
        self._heads: dict[int, int] = {}  # what the last beats told
        self._tasks: list[asyncio.Task[None]] = []

    def enter(self, room_id: int = NO_ROOM) -> None:
        """One more tab is open, with that room in it or with none."""
        if not self._tabs:
            # Not in the context of the connection that happens to be the first.
            self._tasks = [
                asyncio.create_task(work, context=contextvars.Context())
                for work in (
                    _every(settings.CHAT_BEAT_INTERVAL, self._tell_beats),
                    _every(REFRESH_S, get_presence().refresh),
                    _every(TELL_EVERY_S, get_activity().flush),
                )
            ]
        self._tabs[room_id] += 1

    def leave(self, room_id: int = NO_ROOM) -> None:
        """One tab less."""
        self._tabs[room_id] -= 1
        if not self._tabs[room_id]:
            del self._tabs[room_id]
        if not self._tabs:
            for task in self._tasks:
                task.cancel()

    async def _tell_beats(self) -> None:
        """A browser that hears nothing for two beats knows that its line is dead."""
        hub = get_hub()
        hub.tell(events.INBOX_GROUP, events.beat())
        rooms = [room_id for room_id in self._tabs if room_id != NO_ROOM]
        try:
            self._heads = await database_sync_to_async(queries.heads)(rooms)
        except (OperationalError, InterfaceError) as error:
            # The lines live all the same, and have nowhere better to go: they are told what was so before.
            logger.warning("Beats are told without looking, the database does not answer: %s", error)
            self._heads = {room_id: self._heads.get(room_id, 0) for room_id in rooms}
        for room_id, head in self._heads.items():
            hub.tell(events.room_group(room_id), events.beat(head))


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await act()
        except Exception:
            # The database may be away for a while; the next round may find it again.
            logger.exception("A regular task failed; it is tried again in %g s.", seconds)


_pulses: WeakKeyDictionary[asyncio.AbstractEventLoop, Pulse] = WeakKeyDictionary()


def get_pulse() -> Pulse:
    """The pulse of this process: one object for each event loop."""
    return _pulses.setdefault(asyncio.get_running_loop(), Pulse())

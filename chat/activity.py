"""
That something is being said in a room, for its members who are elsewhere: at most once a second, room and process.

However busy a room is, and however many members it has, that is one event for all of them: the newest state.
"""

import logging
import threading
import time
from collections.abc import Callable

from channels_core.broadcast import broadcast

from . import events
from .models import Room

logger = logging.getLogger(__name__)

TELL_EVERY_S = 1.0


class Activity:
    """What one process has to tell of; pages and the journal note it on threads of theirs."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[int, float] = {}
        self._waiting: dict[int, events.Telling] = {}

    def note(self, room: Room) -> events.Telling | None:
        """What to tell of the room's last message now; None if it is told with those that follow in the same second."""
        news = events.news(room)
        with self._lock:
            if self._is_too_soon(room.pk):
                self._waiting[room.pk] = news
                return None
            self._told[room.pk] = self._clock()
        return news

    async def flush(self) -> None:
        """
        Tell what has waited for a second; called regularly (``pulse``).

        What a process without open sockets leaves waiting is found by the hubs when they compare heads.
        """
        with self._lock:
            due = {
                room_id: self._waiting.pop(room_id) for room_id in list(self._waiting) if not self._is_too_soon(room_id)
            }
            self._told = {room_id: told for room_id, told in self._told.items() if self._is_too_soon(room_id)}
            self._told.update(dict.fromkeys(due, self._clock()))
        for group, event, after, head in due.values():
            try:
                await broadcast(group, event, after=after, head=head)
            except Exception as error:
                # Healed as above.
                return logger.warning("Activity was not told, the channel layer does not take it: %s", error)

    def _is_too_soon(self, room_id: int) -> bool:
        told = self._told.get(room_id)
        return told is not None and self._clock() < told + TELL_EVERY_S


_activity = Activity()


def get_activity() -> Activity:
    """The activity of this process."""
    return _activity

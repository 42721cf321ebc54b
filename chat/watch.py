"""
Who may still see what they see: the open sockets of this process, held against the database.

Looked at when the bell rings (``bell``); every second as long as the channel layer is away and might not bring it;
and now and then for what was changed without ringing, as by SQL. Whoever is logged out, deactivated or no longer in
a room is told so, and the socket is closed.
"""

import asyncio
import contextvars
import json
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async
from channels_core.frames import Burst

from . import access, bell
from .access import Place, Standing
from .events import CloseCode

logger = logging.getLogger(__name__)

GATHER_S = 0.1  # what rings meanwhile is looked at together
RETRY_S = 1.0
LOOK_EVERY_S = 30.0  # while the bell is heard


class Reader(Protocol):
    """
    A socket, as far as it is watched.

    What it is to be told it is told before it waits for anything. So what is found later is told later, and who is
    put out hears nothing more.
    """

    user_id: int
    family: str | None  # of the session; None where sessions have no such thing
    password: str  # as it is stored; another one ends the sessions that were made with it
    places: dict[int, Place]  # by the keys of the rooms that it hears of
    is_welcomed: bool  # its first frame is out
    is_refused: bool  # it is being closed

    async def end(self, code: CloseCode, reason: str) -> None:
        """Say why, and close."""

    async def gain(self, place: Place) -> None:
        """A room is new to this person."""

    async def learn(self, place: Place) -> None:
        """A room has another name, topic or kind, or is archived."""

    async def lose(self, place: Place, code: CloseCode, reason: str) -> None:
        """A room is no longer this person's."""


class Watch:
    """The sockets of one process."""

    def __init__(self) -> None:
        self._readers: set[Reader] = set()
        self._rung: dict[str, set[Any]] = {kind: set() for kind in bell.KINDS}
        self._looking: asyncio.Task[None] | None = None
        self._may_have_missed = False
        self._looked_at_all = 0.0
        self._telling: set[asyncio.Task[None]] = set()  # the loop itself holds tasks by weak references only

    async def enter(self, reader: Reader) -> None:
        """Watch one more socket: from before it reads what it may see, so that no change falls in between."""
        self._readers.add(reader)
        # Shielded: whoever is cancelled in between would take the bell from all others, for whom it is the same one.
        await asyncio.shield(get_hub().subscribe(self, bell.GROUP))

    async def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        if not self._readers:
            await get_hub().unsubscribe(self, bell.GROUP)

    def write(self, burst: Burst) -> None:
        """The bell rings: the hub gives it to this object as it gives events to sockets."""
        for text in burst.texts:
            self._look_soon(**json.loads(text))

    def look_around(self, *, is_heard: bool) -> None:
        """Look at everybody, if it is time to or the bell may have rung unheard; called every few seconds."""
        now = asyncio.get_running_loop().time()
        is_due = self._may_have_missed or now - self._looked_at_all > LOOK_EVERY_S
        self._may_have_missed = not is_heard
        if is_due or not is_heard:
            self._looked_at_all = now
            self._look_soon(users={reader.user_id for reader in self._readers})

    def _look_soon(self, **rung: Any) -> None:
        for kind, keys in rung.items():
            self._rung[kind].update(keys)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(), context=contextvars.Context())

    async def _look(self) -> None:
        try:
            while any(self._rung.values()):
                await asyncio.sleep(GATHER_S)
                rung, self._rung = self._rung, {kind: set() for kind in bell.KINDS}
                try:
                    await self._look_at_rooms(rung["rooms"])
                    await self._look_at_people(rung["users"], rung["sessions"])
                except Exception as error:
                    # The database is away: whoever was to be looked at still is when it is back.
                    logger.error("Who may see what could not be looked up, it is tried again: %s", error)
                    for kind, keys in rung.items():
                        self._rung[kind] |= keys
                    await asyncio.sleep(RETRY_S)
        finally:
            self._looking = None

    async def _look_at_rooms(self, room_ids: set[int]) -> None:
        if room_ids:
            # Whoever is about to enter may have read already, and is looked at as soon as they are in.
            self._rung["users"].update(_arriving(self._readers))
        concerned = [each for each in self._readers if each.is_welcomed and not room_ids.isdisjoint(each.places)]
        if not concerned:
            return
        facts = await database_sync_to_async(access.facts_of)(room_ids)
        for reader in concerned:
            for room_id, fact in facts.items():
                if room_id in reader.places:
                    self._learn(reader, reader.places[room_id]._replace(facts=fact))

    async def _look_at_people(self, user_ids: set[int], families: set[str]) -> None:
        concerned = [each for each in self._readers if each.user_id in user_ids or each.family in families]
        self._rung["users"].update(_arriving(concerned))  # as above
        concerned = [reader for reader in concerned if reader.is_welcomed]
        if not concerned:
            return
        now = await database_sync_to_async(access.standing)(
            {reader.user_id for reader in concerned}, {reader.family for reader in concerned if reader.family}
        )
        lost = {room_id for reader in concerned for room_id in reader.places.keys() - now.places_of(reader.user_id)}
        kept = await database_sync_to_async(access.facts_of)(lost) if lost else {}
        for reader in concerned:
            self._judge(reader, now, lost - kept.keys())

    def _judge(self, reader: Reader, now: Standing, deleted: set[int]) -> None:
        if reader.user_id not in now.passwords:
            return self._start(reader.end(CloseCode.NOT_SIGNED_IN, "deactivated"))
        if not now.is_signed_in(reader.user_id, reader.family, reader.password):
            return self._start(reader.end(CloseCode.NOT_SIGNED_IN, "signed_out"))
        reader.password = now.passwords[reader.user_id]
        places = now.places_of(reader.user_id)
        for room_id in list(reader.places):
            if room_id in places:
                self._learn(reader, places[room_id])
            elif room_id in deleted:
                self._start(reader.lose(reader.places.pop(room_id), CloseCode.NO_SUCH_ROOM, "room_deleted"))
            else:
                self._start(reader.lose(reader.places.pop(room_id), CloseCode.NOT_A_MEMBER, "not_a_member"))
        for room_id in places.keys() - reader.places.keys():
            reader.places[room_id] = places[room_id]
            self._start(reader.gain(places[room_id]))

    def _learn(self, reader: Reader, place: Place) -> None:
        known = reader.places[place.room_id]
        reader.places[place.room_id] = place
        if place.facts != known.facts:
            self._start(reader.learn(place))

    def _start(self, telling: Coroutine[Any, Any, None]) -> None:
        """Each by itself: that the channel layer takes its time with one does not hold up the others."""
        task = asyncio.create_task(telling)
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("A socket was not told of what has changed for it.", exc_info=task.exception())


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def get_watch() -> Watch:
    """The watch of this process: one object for each event loop."""
    return _watches.setdefault(asyncio.get_running_loop(), Watch())


def _arriving(readers: Iterable[Reader]) -> Iterable[int]:
    """Who is about to enter."""
    return (reader.user_id for reader in readers if not (reader.is_welcomed or reader.is_refused))

"""
Who is in which room right now: ``get_presence().track``, ``untrack``.

Without Redis a process knows everybody itself (see ``presence_local``). With Redis each process holds leases (see
``leases``): who comes and goes is written there in bulk, and told to all processes when it is. Who joins a room asks
nobody: whom other processes have there was read when the room was opened in this one, and is kept by what is told
since (see ``hearsay``). At every refresh each process compares that with the leases, and tells its own pages the
difference. So whatever was lost comes right: a telling, a process that died or stood still, the whole of Redis. While
Redis is away a process knows its own people, and says so.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Set
from functools import partial
from weakref import WeakKeyDictionary

from django.conf import settings

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async

from . import events, queries
from .hearsay import View
from .leases import Leases, Renewed
from .presence_local import Changes, Presence, telling

logger = logging.getLogger(__name__)

REFRESH_S = 5
RETRY_S = 1  # between two looks for Redis while it is away
EXCHANGE_EVERY_S = 0.1  # who comes and goes meanwhile is written to Redis together


class RedisPresence(Presence):
    """The people of all processes that share a Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self._leases = Leases(url, prefix, self._go_local)
        self._line = asyncio.Lock()  # what is renewed has to fit what was exchanged
        self._views: dict[int, View] = {}
        # Room -> who has come or left, of whom the leases are not known to say so.
        self._moving: dict[int, Changes] = {}
        self._is_exchanging = False
        self._hub = get_hub

    @property
    def is_local(self) -> bool:
        return self._leases.is_away

    async def track(self, room_id: int, person: events.Event) -> set[int]:
        if (view := self._views.get(room_id)) is None:
            view = self._views[room_id] = View(partial(self._contradict, room_id))
            self._start(self._open(room_id, view))
        await super().track(room_id, person)
        if not view.opened.is_set():
            await view.opened.wait()
        present = {*self._tabs[room_id], *(() if self.is_local else view.people)}
        view.welcome(present)
        return present

    async def refresh(self) -> None:
        """Renew the leases of this process, and tell its pages what they have not heard."""
        if not self.is_local:
            await self._compare(self._believed(), await self._renew())

    async def _open(self, room_id: int, view: View) -> None:
        """Listen, then read: the leases say who came before, and what is told says who comes from now on."""
        try:
            await self._hub().subscribe(view, events.room_group(room_id))
        finally:
            view.is_listening = True
            self._exchange_soon()

    def _close_if_over(self, room_id: int) -> None:
        """Listen no more, if nobody is there and nothing is left to be said."""
        if room_id in self._tabs or room_id in self._moving or room_id in self._due:
            return
        self._told.pop(room_id, None)
        if view := self._views.pop(room_id, None):
            self._start(self._hub().unsubscribe(view, events.room_group(room_id)))

    def _move(self, room_id: int, user_id: int, person: events.Event | None) -> None:
        self._moving.setdefault(room_id, {})[user_id] = person
        self._exchange_soon()

    def _exchange_soon(self) -> None:
        if not self._is_exchanging:
            self._is_exchanging = True
            self._start(self._exchange())

    async def _exchange(self) -> None:
        """Write who has come and left to the leases: all rooms together, one round trip at a time and not too often."""
        try:
            while moving := self._ready():
                others: dict[int, set[int]] = {}
                if not self.is_local:
                    async with self._line:
                        others = await self._leases.exchange(moving, self._asked(moving))
                for room_id, changes in moving.items():
                    self._moved(room_id, changes, others.get(room_id, set()))
                    self._close_if_over(room_id)
                await asyncio.sleep(EXCHANGE_EVERY_S)
        finally:
            self._is_exchanging = False

    def _ready(self) -> dict[int, Changes]:
        """What is moving, but for rooms that are not listened to yet, which must not be read before."""
        return {room: dict(changes) for room, changes in self._moving.items() if self._views[room].is_listening}

    def _asked(self, moving: dict[int, Changes]) -> set[int]:
        """The rooms that open, and those that somebody leaves, who may be there in another process."""
        return {
            room_id
            for room_id, changes in moving.items()
            if None in changes.values() or not self._views[room_id].opened.is_set()
        }

    def _moved(self, room_id: int, changes: Changes, others: Set[int]) -> None:
        """The leases say so now: tell what is news."""
        view, tabs = self._views[room_id], self._tabs.get(room_id, Counter())
        if not view.opened.is_set():
            view.open(others, is_local=self.is_local)
        moving = self._moving[room_id]
        for user_id, person in changes.items():
            if moving[user_id] is person:  # else they have turned round meanwhile
                del moving[user_id]
            is_told = user_id in view.people and user_id not in self._changes.get(room_id, ())
            if person and user_id in tabs and not is_told:
                self._note(room_id, user_id, person)
            elif not person and user_id not in tabs and user_id not in others:
                self._note(room_id, user_id, None)
        if not moving:
            del self._moving[room_id]

    def _contradict(self, room_id: int, left: Set[int]) -> None:
        """Another process that somebody left did not know that they were coming here."""
        if here := {user_id for user_id in left if self._tabs.get(room_id, Counter())[user_id]}:
            self._start(self._insist(room_id, here))

    async def _insist(self, room_id: int, ids: Set[int]) -> None:
        for user_id, person in (await self._people(ids)).items():
            if self._tabs.get(room_id, Counter())[user_id]:
                self._note(room_id, user_id, person)

    def _count(self, room_id: int, changes: Changes) -> int:
        if self.is_local or room_id not in self._views:
            return super()._count(room_id, changes)
        view = self._views[room_id]
        known = {**dict.fromkeys(view.people, True), **view.found, **changes}
        return len({*(user_id for user_id, is_there in known.items() if is_there), *self._tabs.get(room_id, ())})

    async def _flush(self, room_id: int) -> None:
        try:
            await super()._flush(room_id)
        finally:
            self._close_if_over(room_id)

    async def _tell(self, room_id: int, changes: Changes, count: int) -> None:
        """Tell everybody of what has happened, and this process of what it had not heard."""
        here: Changes = {}
        if view := self._views.get(room_id):
            here, view.found = view.found, {}
            if self.is_local:
                gone = (view.people | view.unsure) - self._tabs.get(room_id, Counter()).keys()
                here = dict.fromkeys(gone) | changes
            if here or view.is_local != self.is_local:
                self._hub().tell(events.room_group(room_id), telling(here, count, local=self.is_local))
        if not self.is_local:
            await super()._tell(room_id, changes, count)

    def _go_local(self) -> None:
        for room_id in self._views:
            self._tell_soon(room_id)
        self._start(self._come_back())

    async def _come_back(self) -> None:
        """Wait for Redis. Its first answer puts our leases back; by the second, other processes have put theirs."""
        answers, believed, renewed = 0, self._believed(), None
        while self._tabs and answers < 2:
            await asyncio.sleep(RETRY_S)
            believed, renewed = self._believed(), await self._renew()
            answers = 0 if renewed is None else answers + 1
        self._leases.is_away = False
        logger.warning("Presence is that of all processes again.")
        await self._compare(believed, renewed)

    def _believed(self) -> dict[int, Set[int]]:
        return {room_id: view.people for room_id, view in self._views.items()}

    async def _renew(self) -> dict[int, Renewed] | None:
        async with self._line:
            people = {room_id: set(tabs) for room_id, tabs in self._tabs.items() if tabs}
            return await self._leases.renew(people, new=self._moving)

    async def _compare(self, believed: dict[int, Set[int]], renewed: dict[int, Renewed] | None) -> None:
        """Tell the pages of this process how what they believed, before the leases were read, differs from these."""
        joined: dict[int, set[int]] = {}
        for room_id, room in (renewed or {}).items():
            view = self._views.get(room_id)
            if view and view.opened.is_set():
                present = {*self._tabs.get(room_id, ()), *room.others}
                told = {*self._changes.get(room_id, ()), *self._moving.get(room_id, ())}
                # Redis was emptied, or we stood still: others may be about to renew their leases, too.
                joined[room_id] = view.compare(present, believed.get(room_id, set()), told, is_whole=not room.forgotten)
        people = await self._people(set().union(*joined.values()))
        for room_id, ids in joined.items():
            if view := self._views.get(room_id):
                view.found |= {user_id: people[user_id] for user_id in ids if user_id in people}
                if view.found or view.is_local != self.is_local:
                    self._tell_soon(room_id)

    async def _people(self, ids: Set[int]) -> dict[int, events.Event]:
        found = await database_sync_to_async(queries.people)(ids) if ids else []
        return {person.pk: events.person(person) for person in found}


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def get_presence() -> Presence:
    """The presence of this process: one object for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _presences:
        url = settings.REDIS_URL
        _presences[loop] = RedisPresence(url, settings.REDIS_PREFIX) if url else Presence()
    return _presences[loop]

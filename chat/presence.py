"""
Who is in which room right now: ``track``, ``untrack``, ``list``.

Counted per person, not per tab. Without Redis a process knows everybody itself. With Redis each process
holds leases (see ``leases``). Changes are told to all processes as they happen; and at every refresh each one
compares what its pages have been told with the leases, and tells them the difference. So whatever was lost
comes right: a telling, a process that died or stood still, the whole of Redis. While Redis is away a process
knows its own people, and says so.
"""

import asyncio
import contextvars
import json
import logging
from collections import Counter
from collections.abc import Coroutine
from weakref import WeakKeyDictionary

from django.conf import settings

from channels_core.broadcast import broadcast, get_hub
from channels_core.db import database_sync_to_async
from channels_core.frames import Burst

from . import events, queries
from .leases import Leases, Renewed

logger = logging.getLogger(__name__)

REFRESH_S = 5
RETRY_S = 1  # between two looks for Redis while it is away
TELL_EVERY_S = 1  # a room hears of changes at most this often
LEAVE_GRACE_S = 1  # a page that reloads has not left

Changes = dict[int, events.Event | None]  # person -> who joined, or None for who left
TELLING = '{"type":"presence",'  # how the frame of a telling begins


class Presence:
    """The people of one process; the verbs, and the telling, for every kind of store."""

    def __init__(self) -> None:
        # Room -> person -> open tabs in this process; zero for somebody who has just closed the last one.
        self._tabs: dict[int, Counter[int]] = {}
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
        others = await self._take(room_id, user_id)
        if not is_known and user_id not in others:
            self._note(room_id, user_id, person)
        return {*tabs, *others}

    def untrack(self, room_id: int, user_id: int) -> None:
        """Count one tab less; the room hears of it if the person does not come back at once."""
        self._tabs[room_id][user_id] -= 1
        if not self._tabs[room_id][user_id]:
            asyncio.get_running_loop().call_later(LEAVE_GRACE_S, lambda: self._start(self._leave(room_id, user_id)))

    async def list(self, room_id: int) -> set[int]:
        """The ids of the people in a room."""
        return {*self._tabs.get(room_id, ()), *await self._others(room_id)}

    async def refresh(self) -> None:
        """Renew what expires; called every ``REFRESH_S`` while rooms are open in this process."""

    async def _others(self, room_id: int) -> set[int]:
        """Who is there by what other processes say; here there are none."""
        return set()

    async def _take(self, room_id: int, user_id: int) -> set[int]:
        """Let other processes know; returns ``_others``."""
        return set()

    async def _give_back(self, room_id: int, user_id: int) -> set[int]:
        """Let other processes know that somebody has left this one; returns ``_others``."""
        return set()

    async def _leave(self, room_id: int, user_id: int) -> None:
        tabs = self._tabs.get(room_id, Counter())
        if tabs.get(user_id) != 0:
            return  # came back meanwhile, or left twice
        del tabs[user_id]
        if not tabs:
            del self._tabs[room_id]
        others = await self._give_back(room_id, user_id)
        if user_id not in {*self._tabs.get(room_id, ()), *others}:
            self._note(room_id, user_id, None)

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
        count = len(await self.list(room_id))
        await self._tell(room_id, self._changes.pop(room_id, {}), count)

    async def _tell(self, room_id: int, changes: Changes, count: int) -> None:
        if changes:
            await broadcast(events.room_group(room_id), _event(changes, count))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        # Not in the context of the connection that happens to be the cause.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("Presence was not told.", exc_info=task.exception())


class View:
    """What the pages of this process have been told of a room: it listens to what they hear."""

    def __init__(self) -> None:
        self.people: set[int] = set()
        self.is_local = False
        # Those of whom some page may have been told otherwise, as it came at another time.
        self.unsure: set[int] = set()
        # Who came or went, found by comparing: to be told to this process only.
        self.found: dict[int, events.Event | None] = {}

    def write(self, burst: Burst) -> None:
        """Take what a page is told."""
        for event in (json.loads(text) for text in burst.texts if text.startswith(TELLING)):
            joined, left = {person["id"] for person in event["joined"]}, set(event["left"])
            self.people = (self.people | joined) - left
            self.unsure -= joined | left
            self.is_local = event["local"]


class RedisPresence(Presence):
    """The people of all processes that share a Redis."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self._leases = Leases(url, prefix, self._go_local)
        self._views: dict[int, View] = {}
        self._hub = get_hub

    @property
    def is_local(self) -> bool:
        return self._leases.is_away

    async def track(self, room_id: int, person: events.Event) -> set[int]:
        is_first = room_id not in self._views
        present = await super().track(room_id, person)
        if view := self._views.get(room_id):
            if is_first:
                view.people |= present
                view.is_local = self.is_local
            else:
                # This page knows other people than those before it; who is about to be told is no matter.
                view.unsure |= (present ^ view.people) - {person["id"], *self._changes.get(room_id, ())}
        return present

    async def refresh(self) -> None:
        """Renew the leases of this process, and tell its pages what they have not heard."""
        if not self.is_local:
            await self._compare(self._believed(), await self._renew())

    async def _others(self, room_id: int) -> set[int]:
        return await self._leases.others(room_id)

    async def _take(self, room_id: int, user_id: int) -> set[int]:
        if room_id not in self._views:
            view = self._views[room_id] = View()
            try:
                await self._hub().subscribe(events.room_group(room_id), view)
            except BaseException:
                self._views.pop(room_id, None)
                raise
        return await self._leases.take(room_id, user_id)

    async def _give_back(self, room_id: int, user_id: int) -> set[int]:
        others = await self._leases.give_back(room_id, user_id)
        if room_id not in self._tabs and (view := self._views.pop(room_id, None)):
            await self._hub().unsubscribe(events.room_group(room_id), view)
        return others

    async def _tell(self, room_id: int, changes: Changes, count: int) -> None:
        """Tell everybody of what has happened, and this process of what it had not heard."""
        here: Changes = {}
        if view := self._views.get(room_id):
            here, view.found = view.found, {}
            if self.is_local:
                gone = (view.people | view.unsure) - self._tabs.get(room_id, Counter()).keys()
                here = dict.fromkeys(gone) | changes
            if here or view.is_local != self.is_local:
                self._hub().tell(events.room_group(room_id), _event(here, count, local=self.is_local))
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

    def _believed(self) -> dict[int, set[int]]:
        return {room_id: view.people for room_id, view in self._views.items()}

    async def _renew(self) -> dict[int, Renewed] | None:
        return await self._leases.renew({room_id: set(tabs) for room_id, tabs in self._tabs.items() if tabs})

    async def _compare(self, believed: dict[int, set[int]], renewed: dict[int, Renewed] | None) -> None:
        """Tell the pages of this process how what they believed, before the leases were read, differs from these."""
        joined: dict[int, set[int]] = {}
        for room_id, room in (renewed or {}).items():
            view, before = self._views.get(room_id), believed.get(room_id, set())
            if view is None:
                continue
            present = {*self._tabs.get(room_id, ()), *room.others}
            told = self._changes.get(room_id, {}).keys()  # soon, and to everybody
            # What was told while the leases were on their way is newer than they are.
            joined[room_id] = (present - before - view.people | present & view.unsure) - told
            left = ((before & view.people | view.unsure) - present) - told
            # Redis was emptied, or we stood still: others may be about to renew their leases, too.
            if not room.forgotten:
                view.found |= dict.fromkeys(left)
        people = await self._people(set().union(*joined.values()))
        for room_id, ids in joined.items():
            if view := self._views.get(room_id):
                view.found |= {user_id: people[user_id] for user_id in ids if user_id in people}
                if view.found or view.is_local != self.is_local:
                    self._tell_soon(room_id)

    async def _people(self, ids: set[int]) -> dict[int, events.Event]:
        found = await database_sync_to_async(queries.people)(ids) if ids else []
        return {user.pk: events.person(user) for user in found}


def _event(changes: Changes, count: int, *, local: bool = False) -> events.Event:
    joined = [person for person in changes.values() if person]
    left = [user_id for user_id, person in changes.items() if not person]
    return events.presence(joined, left, count, local=local)


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def get_presence() -> Presence:
    """The presence of this process: one object for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _presences:
        url = settings.REDIS_URL
        _presences[loop] = RedisPresence(url, settings.REDIS_PREFIX) if url else Presence()
    return _presences[loop]

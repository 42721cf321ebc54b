"""
Who is in which room right now: ``track``, ``untrack``, ``list``.

Counted per person, not per tab. Without Redis a process knows everybody itself. With Redis each process
holds leases in one sorted set per room and renews them in bulk, so that a process that dies takes its
people offline within ``LEASE_S``.
"""

import asyncio
import logging
import secrets
import time
from collections import Counter
from collections.abc import Coroutine
from weakref import WeakKeyDictionary

import redis.asyncio
from django.conf import settings
from redis.exceptions import RedisError

from channels_core.broadcast import broadcast

from . import events

logger = logging.getLogger(__name__)

LEASE_S = 30
REFRESH_S = 10
TELL_EVERY_S = 1  # a room hears of changes at most this often
LEAVE_GRACE_S = 1  # a page that reloads has not left
REDIS_TIMEOUT_S = 1  # joining waits for an answer; a Redis that stands still must not hold it up for good


class Presence:
    """The people of one process; the verbs, and the telling, for every kind of store."""

    def __init__(self) -> None:
        # Room -> person -> open tabs in this process; zero for somebody who has just closed the last one.
        self._tabs: dict[int, Counter[int]] = {}
        # Room -> person -> who joined, or None for who left: what its next telling says.
        self._changes: dict[int, dict[int, events.Event | None]] = {}
        self._told: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def track(self, room_id: int, person: events.Event) -> set[int]:
        """Count one more tab of ``person`` and return the ids of everybody who is there now."""
        user_id = person["id"]
        tabs = self._tabs.setdefault(room_id, Counter())
        is_known = user_id in tabs
        tabs[user_id] += 1  # before anything is awaited: whoever is cancelled after this untracks
        leased = await self._leased(room_id)
        await self._lease(room_id, user_id)
        if not is_known and user_id not in leased:
            self._tell(room_id, user_id, person)
        return {*tabs, *leased}

    def untrack(self, room_id: int, user_id: int) -> None:
        """Count one tab less; the room hears of it if the person does not come back at once."""
        self._tabs[room_id][user_id] -= 1
        if not self._tabs[room_id][user_id]:
            asyncio.get_running_loop().call_later(LEAVE_GRACE_S, lambda: self._start(self._leave(room_id, user_id)))

    async def list(self, room_id: int) -> set[int]:
        """The ids of the people in a room."""
        return {*self._tabs.get(room_id, ()), *await self._leased(room_id)}

    async def refresh(self) -> None:
        """Renew what expires; called every ``REFRESH_S`` while rooms are open in this process."""

    async def _leased(self, room_id: int) -> set[int]:
        """Who is there by what all processes say; here there is no other."""
        return set()

    async def _lease(self, room_id: int, user_id: int) -> None:
        """Let other processes know."""

    async def _release(self, room_id: int, user_id: int) -> None:
        """Take the lease back."""

    async def _leave(self, room_id: int, user_id: int) -> None:
        tabs = self._tabs.get(room_id, Counter())
        if tabs.get(user_id) != 0:
            return  # came back meanwhile, or left twice
        del tabs[user_id]
        if not tabs:
            del self._tabs[room_id]
        await self._release(room_id, user_id)
        await self._tell_left(room_id, user_id)

    async def _tell_left(self, room_id: int, user_id: int) -> None:
        if user_id not in await self.list(room_id):
            self._tell(room_id, user_id, None)

    def _tell(self, room_id: int, user_id: int, person: events.Event | None) -> None:
        """Collect a change; the first one of a telling sets its time."""
        pending = self._changes.setdefault(room_id, {})
        pending[user_id] = person
        if len(pending) == 1:
            loop = asyncio.get_running_loop()
            due = self._told.get(room_id, 0) + TELL_EVERY_S
            loop.call_at(max(due, loop.time()), lambda: self._start(self._flush(room_id)))

    async def _flush(self, room_id: int) -> None:
        if room_id in self._tabs:
            self._told[room_id] = asyncio.get_running_loop().time()
        else:
            self._told.pop(room_id, None)
        count = len(await self.list(room_id))
        changes = self._changes.pop(room_id, {})
        joined = [person for person in changes.values() if person]
        left = [user_id for user_id, person in changes.items() if not person]
        if changes:
            await broadcast(events.room_group(room_id), events.presence(joined, left, count))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself holds tasks by weak references only
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            logger.error("Presence was not told.", exc_info=task.exception())


class RedisPresence(Presence):
    """
    The people of all processes that share a Redis.

    A member of a room's sorted set is ``<user>:<process>``, its score the time at which the lease
    expires. While Redis is away each process knows its own people only.
    """

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        self._redis = redis.asyncio.Redis.from_url(
            url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        self._prefix = prefix
        self._process = secrets.token_hex(4)

    async def refresh(self) -> None:
        """Renew this process's leases, and tell of the people whose process has died."""
        for room_id, tabs in list(self._tabs.items()):
            key, now = self._key(room_id), time.time()
            try:
                if tabs:
                    await self._redis.zadd(key, {self._lease_of(user_id): now + LEASE_S for user_id in tabs})
                    await self._redis.expire(key, 2 * LEASE_S)
                for lease in await self._redis.zrangebyscore(key, "-inf", now):
                    # Several processes look; the one that removes the lease tells.
                    if await self._redis.zrem(key, lease):
                        await self._tell_left(room_id, _user_id(lease))
            except (RedisError, OSError) as error:
                return logger.warning("Presence was not renewed, Redis does not answer: %s", error)

    async def _leased(self, room_id: int) -> set[int]:
        try:
            leases = await self._redis.zrangebyscore(self._key(room_id), time.time(), "+inf")
        except (RedisError, OSError) as error:
            logger.warning("Presence is local only, Redis does not answer: %s", error)
            return set()
        return {_user_id(lease) for lease in leases}

    async def _lease(self, room_id: int, user_id: int) -> None:
        try:
            await self._redis.zadd(self._key(room_id), {self._lease_of(user_id): time.time() + LEASE_S})
            await self._redis.expire(self._key(room_id), 2 * LEASE_S)
        except (RedisError, OSError) as error:
            logger.warning("Presence is local only, Redis does not answer: %s", error)

    async def _release(self, room_id: int, user_id: int) -> None:
        try:
            await self._redis.zrem(self._key(room_id), self._lease_of(user_id))
        except (RedisError, OSError) as error:
            logger.warning("A lease was left to expire, Redis does not answer: %s", error)

    def _key(self, room_id: int) -> str:
        return f"{self._prefix}:presence:{room_id}"

    def _lease_of(self, user_id: int) -> str:
        return f"{user_id}:{self._process}"


def _user_id(lease: bytes) -> int:
    return int(lease.split(b":")[0])


_presences: WeakKeyDictionary[asyncio.AbstractEventLoop, Presence] = WeakKeyDictionary()


def get_presence() -> Presence:
    """The presence of this process: one object for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _presences:
        url = settings.REDIS_URL
        _presences[loop] = RedisPresence(url, settings.REDIS_PREFIX) if url else Presence()
    return _presences[loop]

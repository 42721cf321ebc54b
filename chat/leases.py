"""
Who is where, as the processes of a site tell each other through Redis.

A member of a room's sorted set is ``<user>:<process>``, its score the time at which the lease expires: by the clock
of the process's machine, so the clocks of all machines have to agree to a few seconds (``LEASE_S`` is 20). All
questions of one occasion go in one round trip, and a Redis that hangs is waited for once: from then on it is
``is_away``, and nobody asks it but ``renew``, until the caller takes that back.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

LEASE_S = 20
REDIS_TIMEOUT_S = 1  # the longest that anybody waits for an answer
BULK = 500  # rooms of one round trip


@dataclass(frozen=True, slots=True)
class Renewed:
    """The people that other processes have in a room; whether Redis had forgotten those of this one."""

    others: set[int]
    forgotten: bool


class Leases:
    """The leases of one process. ``on_away`` is called when Redis stops answering."""

    def __init__(self, url: str, prefix: str, on_away: Callable[[], None]) -> None:
        self.is_away = False
        self._redis = redis.asyncio.Redis.from_url(url)
        self._prefix = prefix
        self._process = secrets.token_hex(4)
        self._on_away = on_away

    async def exchange(self, moves: Mapping[int, Mapping[int, object]], asked: Collection[int]) -> dict[int, set[int]]:
        """
        Lease places and give them back, and return whom other processes have in the rooms that are ``asked`` about.

        That is nothing while Redis is away.

        Args:
            moves: by room and person: who has left is given as None, anything else is one who came.
            asked: rooms of ``moves``. They are read behind what is written: of two processes that a person leaves at
                once, one at least sees that nobody is left.
        """
        others: dict[int, set[int]] = {}
        for bulk in _batched(moves, BULK):
            places: dict[int, int] = {}  # of the answers

            def ask(pipe: Pipeline, bulk: Sequence[int] = bulk, places: dict[int, int] = places) -> None:
                for room_id in bulk:
                    came = [user_id for user_id, move in moves[room_id].items() if move is not None]
                    left = [self._lease_of(user_id) for user_id, move in moves[room_id].items() if move is None]
                    if came:
                        self._put(pipe, room_id, came)
                    if left:
                        pipe.zrem(self._key(room_id), *left)
                    if room_id in asked:
                        places[room_id] = len(pipe)
                        self._ask_others(pipe, room_id)

            answers = None if self.is_away else await self._ask(ask)
            if answers is None:
                return {}
            others |= {room_id: self._without_own(answers[place]) for room_id, place in places.items()}
        return others

    async def renew(
        self, people: Mapping[int, Collection[int]], new: Mapping[int, Collection[int]] = MappingProxyType({})
    ) -> dict[int, Renewed] | None:
        """
        Renew the leases of all ``people``, by room, and read those of others; None if Redis is away.

        It is asked even if it was away. Leases that have expired are removed, and those of this process that
        ``people`` does not have: their end was not told. Those who are ``new`` need not have been leased before.
        """
        renewed: dict[int, Renewed] = {}
        not_leased = {room_id: len({*people[room_id]} & {*new.get(room_id, ())}) for room_id in people}
        for bulk in _batched(people, BULK):

            def ask(pipe: Pipeline, bulk: Sequence[int] = bulk) -> None:
                for room_id in bulk:
                    pipe.zremrangebyscore(self._key(room_id), "-inf", time.time())
                    self._put(pipe, room_id, people[room_id])
                    pipe.zrange(self._key(room_id), 0, -1)

            answers = await self._ask(ask)
            if answers is None:
                return None
            stale: list[tuple[int, bytes]] = []
            for room_id, (_, added, _, leases) in zip(bulk, zip(*[iter(answers)] * 4, strict=True), strict=True):
                renewed[room_id] = Renewed(self._without_own(leases), added > not_leased[room_id])
                gone = [lease for lease in leases if self._is_own(lease) and _user_id(lease) not in people[room_id]]
                stale += [(room_id, lease) for lease in gone]
            if stale:
                await self._remove(stale)
        return renewed

    async def _remove(self, leases: Collection[tuple[int, bytes]]) -> None:
        await self._ask(lambda pipe: [pipe.zrem(self._key(room_id), lease) for room_id, lease in leases])

    async def _ask(self, ask: Callable[[Pipeline], object]) -> list[Any] | None:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                pipe = self._redis.pipeline(transaction=False)
                ask(pipe)
                return await pipe.execute()
        # The first releases of Python 3.12 and 3.13 raise a TypeError where a closed transport is written to.
        except (RedisError, OSError, TypeError) as error:
            if not self.is_away:
                self.is_away = True
                logger.warning("Presence is local only, Redis does not answer: %r", error)
                self._on_away()
            return None

    def _put(self, pipe: Pipeline, room_id: int, user_ids: Collection[int]) -> None:
        expires = time.time() + LEASE_S
        pipe.zadd(self._key(room_id), {self._lease_of(user_id): expires for user_id in user_ids})
        pipe.expire(self._key(room_id), 2 * LEASE_S)

    def _ask_others(self, pipe: Pipeline, room_id: int) -> None:
        pipe.zrangebyscore(self._key(room_id), time.time(), "+inf")

    def _without_own(self, leases: Collection[bytes]) -> set[int]:
        return {_user_id(lease) for lease in leases if not self._is_own(lease)}

    def _is_own(self, lease: bytes) -> bool:
        return lease.endswith(f":{self._process}".encode())

    def _key(self, room_id: int) -> str:
        return f"{self._prefix}:presence:{room_id}"

    def _lease_of(self, user_id: int) -> str:
        return f"{user_id}:{self._process}"


def _user_id(lease: bytes) -> int:
    return int(lease.split(b":")[0])


def _batched(rooms: Iterable[int], size: int) -> Iterator[list[int]]:
    """The rooms, in lists of at most ``size``."""
    remaining = iter(rooms)
    while bulk := list(islice(remaining, size)):
        yield bulk

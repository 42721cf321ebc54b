"""What rooms are told of who is here, caught on its way to the channel layer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis import Redis

from chat.presence import Presence, RedisPresence

PREFIX = "test"
ROOM = 7
ALICE, BOB, MARKER = (
    {"id": number, "name": name, "colour": number} for number, name in [(1, "Alice"), (2, "Bob"), (99, "Marker")]
)
TIMEOUT_S = 5

Telling = tuple[int, list[str], list[int], int]  # room, names of who joined, ids of who left, how many are there


async def at_rest(process: Presence) -> None:
    """Return when the process has told all that it was about to, where it tells at once."""
    for _ in range(3):  # timers of this moment
        await asyncio.sleep(0)
        while process._tasks:
            await asyncio.wait(process._tasks)


class Tellings(asyncio.Queue):
    """The tellings of all processes of a test, in their order."""

    async def next(self) -> Telling:
        """The next one."""
        group, event = await asyncio.wait_for(self.get(), TIMEOUT_S)
        assert event["type"] == "presence"
        joined = [person["name"] for person in event["joined"]]
        return int(group.removeprefix("room.")), joined, event["left"], event["count"]

    async def until_joined(self, *people: dict) -> None:
        """Pass over all up to the one by which all of these have been told to have come."""
        missing = {person["name"] for person in people}
        while missing:
            missing.difference_update((await self.next())[1])

    async def nothing_but_a_marker(self, process: Presence, *, count: int) -> None:
        """
        Nothing has been told, and nothing that has happened by now will be.

        Somebody comes last, and it is this that is told next; they make it ``count`` people.
        """
        await at_rest(process)
        await process.track(ROOM, MARKER)
        assert await self.next() == (ROOM, ["Marker"], [], count)
        assert self.empty()


@asynccontextmanager
async def redis_presence(redis: Redis | str) -> AsyncIterator[RedisPresence]:
    """The presence of one more process on a Redis server, or on whatever is at that address."""
    if isinstance(redis, Redis):
        address = redis.get_connection_kwargs()
        redis = f"redis://{address['host']}:{address['port']}/{address['db']}"
    process = RedisPresence(redis, PREFIX)
    try:
        yield process
    finally:
        await process._redis.aclose()

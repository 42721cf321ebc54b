"""What rooms are told of who is here: heard as a page would."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis import Redis

from channels_core.broadcast import Hub
from channels_core.frames import Burst
from channels_core.layers import get_channel_layer
from chat.presence import RedisPresence
from chat.presence_local import Presence

PREFIX = "test"
ROOM = 7
OTHER_ROOM = ROOM + 1
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


async def people_in(process: Presence, room: int = ROOM) -> set[int]:
    """The ids of those who are there: here, and by the leases, where there are some."""
    others = await process._leases.exchange({room: {}}, [room]) if isinstance(process, RedisPresence) else {}
    return {*process._tabs.get(room, ()), *others.get(room, ())}


class Page:
    """Somebody who has a room open, and puts what they hear into a queue."""

    def __init__(self, heard: asyncio.Queue, room: int) -> None:
        self._heard = heard
        self._room = room

    def write(self, burst: Burst) -> None:
        for text in burst.texts:
            self._heard.put_nowait((self._room, json.loads(text)))


class Tellings(asyncio.Queue):
    """What the rooms of a test are told in one process, in its order."""

    @classmethod
    @asynccontextmanager
    async def of(cls, hub: Hub) -> AsyncIterator["Tellings"]:
        """What is heard in the process of that hub."""
        tellings = cls()
        pages = {f"room.{room}": Page(tellings, room) for room in (ROOM, OTHER_ROOM)}
        for group, page in pages.items():
            await hub.subscribe(page, group)
        yield tellings
        for group, page in pages.items():
            await hub.unsubscribe(page, group)

    async def next_event(self) -> dict[str, Any]:
        _, event = await asyncio.wait_for(self.get(), TIMEOUT_S)
        assert event["type"] == "presence"
        return event

    async def next(self) -> Telling:
        """The next one."""
        room, event = await asyncio.wait_for(self.get(), TIMEOUT_S)
        assert event["type"] == "presence"
        return room, [person["name"] for person in event["joined"]], event["left"], event["count"]

    async def until_joined(self, *people: dict) -> None:
        """Pass over all up to the one by which all of these have been told to have come."""
        missing = {person["name"] for person in people}
        while missing:
            missing.difference_update((await self.next())[1])

    async def until_left(self, person: dict) -> None:
        """Pass over all up to the one by which that person has been told to have left."""
        while person["id"] not in (await self.next())[2]:
            pass

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
    """
    The presence of one more process on a Redis server, or on whatever is at that address.

    It has a hub of its own; ``tellings`` are what its pages hear.
    """
    if isinstance(redis, Redis):
        address = redis.get_connection_kwargs()
        redis = f"redis://{address['host']}:{address['port']}/{address['db']}"
    process, hub = RedisPresence(redis, PREFIX), Hub(get_channel_layer())
    process._hub = lambda: hub
    async with Tellings.of(hub) as process.tellings:
        try:
            yield process
        finally:
            process._tabs.clear()  # ends its look for Redis
            for task in process._tasks:
                task.cancel()
            for room, view in process._views.items():
                await hub.unsubscribe(view, f"room.{room}")
            await process._leases._redis.aclose()

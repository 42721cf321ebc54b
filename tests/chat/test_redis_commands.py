"""What the chat's sockets cost Redis: something for each process, room and person, and nothing for a socket more."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from channels_core.layers import channel_layers
from channels_core.layers.redis import RedisChannelLayer
from chat.models import Membership
from chat.presence import get_presence
from tests.people import make_person
from tests.servers import until

TABS = 6  # of each person
FOR_ALL = {"ping", "hello", "client|setinfo", "auth", "select", "info", "publish"}  # connections, echoes and tellings


@pytest.fixture
def crowd(lobby):
    """Twenty more members."""
    people = [make_person(f"person-{number}") for number in range(20)]
    Membership.objects.bulk_create(Membership(room=lobby, user=person) for person in people)
    return people


@pytest.fixture
async def redis_site(settings, redis, redis_server):
    """The chat of this process on a Redis server; what the server has been asked by now, by the name of the command."""
    settings.REDIS_URL = redis_server.url
    settings.REDIS_PREFIX = "commands"
    previous = channel_layers.set("default", RedisChannelLayer(hosts=[redis_server.url], prefix="commands"))

    def asked() -> Counter[str]:
        calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in redis.info("commandstats").items()}
        return Counter({name: count for name, count in calls.items() if name not in FOR_ALL})

    yield asked
    await get_presence()._leases._redis.aclose()
    channel_layers.set("default", previous)


async def test_a_socket_more_costs_redis_nothing(redis_site, join, lobby, alice, bob):
    async with AsyncExitStack() as tabs:
        for person in (alice, bob):
            await tabs.enter_async_context(join(person, lobby))
        await until(lambda: redis_site()["zadd"])  # their leases
        before = redis_site()

        for person in (alice, bob) * TABS:
            await tabs.enter_async_context(join(person, lobby))
        spent = redis_site() - before

    assert spent["subscribe"] == 0
    assert sum(spent.values()) < TABS


async def test_people_who_come_together_are_told_to_redis_together(redis_site, open_socket, crowd, lobby):
    before = redis_site()
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(open_socket(each, "/ws/rooms/lobby/")) for each in crowd]
        await asyncio.gather(*(tab.connect() for tab in tabs))
        await asyncio.gather(*(tab.receive_event("welcome") for tab in tabs))
        spent = redis_site() - before

    assert spent["subscribe"] < len(crowd)
    assert spent["zadd"] < len(crowd)

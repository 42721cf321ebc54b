"""Who is here, as a page of one process has it, when another process is killed: its people go by themselves."""

import asyncio
import json

import pytest

from channels_core.db import database_sync_to_async
from tests.chat.browsers import Browser, database_url
from tests.people import make_person, make_room
from tests.production import SECRET, Production
from tests.servers import RedisServer

in_thread = database_sync_to_async
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


@pytest.fixture
def servers(transactional_db, settings):
    settings.SECRET_KEY = SECRET
    redis = RedisServer()
    redis.start()
    environment = {"DATABASE_URL": database_url(), "REDIS_URL": redis.url, "WEB_CONCURRENCY": "1"}
    servers = [Production("tests.chat.hasty:application", **environment) for _ in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in (*servers, redis):
        server.remove()


async def hear(socket, kind: str) -> dict:
    async with asyncio.timeout(20):
        while (event := json.loads(await socket.recv()))["type"] != kind:
            pass
    return event


async def test_the_people_of_a_killed_process_go_and_come_back_with_a_new_one(servers):
    here, there = servers
    alice, bob = await in_thread(make_person)("alice"), await in_thread(make_person)("bob")
    await in_thread(make_room)("lobby", [alice, bob])
    mine, theirs = await in_thread(Browser)(alice), await in_thread(Browser)(bob)
    async with mine.tab(here) as tab:
        async with theirs.tab(there):
            while bob.pk not in {person["id"] for person in (await hear(tab, "presence"))["joined"]}:
                pass
            there.kill()

            while bob.pk not in (told := await hear(tab, "presence"))["left"]:
                pass
            assert (told["count"], told["local"]) == (1, False)

        there.start()
        async with theirs.tab(there):
            while bob.pk not in {person["id"] for person in (await hear(tab, "presence"))["joined"]}:
                pass

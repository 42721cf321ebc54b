"""
What is taken from somebody in one process closes their sockets in another: with Redis, and while it is gone.

Two servers as in production share a database and a Redis. "Within a second" is the deadline for the close, from the
answer to the request that takes it away; a busy machine gets some more.
"""

import asyncio
import json

import pytest
import websockets
from django.conf import global_settings
from django.contrib.auth.hashers import make_password

from channels_core.db import database_sync_to_async
from chat import rooms
from tests.chat.browsers import Browser, database_url
from tests.people import PASSWORD, make_person, make_room
from tests.production import SECRET, Production
from tests.servers import RedisServer

WITHIN_S = 1.0
BUSY_S = 1.5  # what a test machine may take longer
in_thread = database_sync_to_async
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def redis():
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def servers(redis, django_db_setup, django_db_blocker):
    """Two processes, and what this one needs to ring where they hear it."""
    environment = {"DATABASE_URL": database_url(), "REDIS_URL": redis.url, "WEB_CONCURRENCY": "1"}
    servers = [Production(**environment) for _ in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.remove()


@pytest.fixture(params=["with Redis", "without Redis"])
def world(request, servers, redis, transactional_db):
    """The two servers, with alice's and bob's lobby, and Redis there or gone."""
    if request.param == "without Redis":
        redis.stop()
        yield servers
        redis.start()
    else:
        yield servers


def layer_of(redis: RedisServer) -> dict:
    """The servers' channel layer."""
    config = {"hosts": [redis.url], "prefix": "mysite"}
    return {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": config}}


async def close_of(socket: websockets.ClientConnection) -> tuple[str, int]:
    """Why and with which code a socket is closed, in time."""
    reason = ""
    async with asyncio.timeout(WITHIN_S + BUSY_S):
        try:
            while True:
                event = json.loads(await socket.recv())
                reason = event["reason"] if event["type"] == "revoked" else reason
        except websockets.ConnectionClosed as closed:
            return reason, closed.rcvd.code


async def lives(socket: websockets.ClientConnection) -> bool:
    await socket.send(json.dumps({"type": "history.get", "ref": "alive"}))
    async with asyncio.timeout(10):
        while (event := json.loads(await socket.recv()))["type"] != "reply":
            pass
    return event["ok"]


@pytest.fixture
def people(transactional_db, settings):
    """Alice owns the lobby; bob is in it. Both are as the servers would have made them."""
    settings.SECRET_KEY = SECRET
    settings.PASSWORD_HASHERS = global_settings.PASSWORD_HASHERS
    people = {name: make_person(name, password=make_password(PASSWORD)) for name in ("alice", "bob")}
    make_room("lobby", people.values())
    return people


async def test_a_log_out_on_one_server_closes_the_sockets_on_the_other(world, people):
    here, there = world
    browser, second = [await in_thread(Browser)(people["bob"]) for _ in range(2)]
    async with browser.tab(there) as tab, second.tab(there) as other:
        await browser.post(here, "/accounts/logout/")

        assert await close_of(tab) == ("signed_out", 4401)
        assert await lives(other)


async def test_a_new_password_closes_those_of_the_other_browsers(world, people):
    here, there = world
    browser, second = [await in_thread(Browser)(people["bob"]) for _ in range(2)]
    async with browser.tab(there) as tab, second.tab(there) as other:
        new = "another " + PASSWORD
        form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        await browser.post(here, "/accounts/password_change/", **form)

        assert await close_of(other) == ("signed_out", 4401)
        assert await lives(tab)


async def test_leaving_on_one_server_closes_the_sockets_on_the_other(world, people):
    here, there = world
    browser = await in_thread(Browser)(people["bob"])
    async with browser.tab(there) as tab, browser.tab(here) as second:
        await browser.post(here, "/rooms/lobby/leave/")

        for each in (tab, second):
            assert await close_of(each) == ("not_a_member", 4403)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        ("deactivate", ("deactivated", 4401)),
        ("remove_member", ("not_a_member", 4403)),
        ("ban_member", ("not_a_member", 4403)),
        ("delete_room", ("room_deleted", 4404)),
    ],
)
async def test_what_another_process_takes_away_closes_the_sockets_on_both(
    world, people, redis, act, expected, settings
):
    """The process of the tests does it, as a command or a shell would, and rings over Redis."""
    browser = await in_thread(Browser)(people["bob"])
    settings.CHANNEL_LAYERS = layer_of(redis)
    lobby = await in_thread(people["alice"].rooms.get)()

    def deactivate() -> None:
        people["bob"].is_active = False
        people["bob"].save()

    acts = {
        "deactivate": deactivate,
        "remove_member": lambda: rooms.remove_member(actor=people["alice"], room=lobby, user=people["bob"]),
        "ban_member": lambda: rooms.ban_member(actor=people["alice"], room=lobby, user=people["bob"]),
        "delete_room": lambda: rooms.delete_room(actor=people["alice"], room=lobby),
    }
    async with browser.tab(world[0]) as tab, browser.tab(world[1]) as second:
        await in_thread(acts[act])()

        for each in (tab, second):
            assert await close_of(each) == expected


async def test_an_archived_room_is_told_on_both_servers(world, people, redis, settings):
    browser = await in_thread(Browser)(people["bob"])
    settings.CHANNEL_LAYERS = layer_of(redis)
    lobby = await in_thread(people["alice"].rooms.get)()
    async with browser.tab(world[0]) as tab, browser.tab(world[1]) as second:
        lobby.archived = True
        await in_thread(lobby.save)(update_fields=["archived"])

        for socket in (tab, second):
            async with asyncio.timeout(WITHIN_S + BUSY_S):
                while (event := json.loads(await socket.recv()))["type"] != "room":
                    pass
            assert event["room"]["archived"]

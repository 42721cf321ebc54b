"""
Fixtures for all tests: servers, people, places, and tabs that people open.

People belong to ``lobby`` unless a test is about somebody who does not: ``carol`` has an account and is
a member of nothing. ``join`` opens a tab on the application that servers run, with a real session.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest
from django.conf import settings
from django.test import override_settings

from channels_core.db import database_sync_to_async
from chat import limits
from tests.people import make_person, make_room, session_key
from tests.servers import RedisServer
from tests.tabs import Tab


@pytest.fixture(scope="session", autouse=True)
def password_hashing() -> Iterator[None]:
    """Hashing well is slow on purpose, and no password here is worth it."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def unhurried() -> None:
    """Nobody is too fast because of what the test before did."""
    limits.clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server; a test that stops it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis server of one test, which may do anything to it."""
    server = RedisServer()
    server.start()
    yield server
    server.remove()


OUTAGES = {
    "killed and empty again": (RedisServer.kill, RedisServer.start),
    "paused": (RedisServer.pause, RedisServer.go_on),
}


@pytest.fixture(params=OUTAGES)
def outage(request: pytest.FixtureRequest, own_redis: RedisServer) -> list[Callable[[], Awaitable[None]]]:
    """What takes ``own_redis`` away, and what brings it back."""
    return [partial(asyncio.to_thread, act, own_redis) for act in OUTAGES[request.param]]


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The database goes with its directory or server, so nothing has to be dropped while threads use it."""
    return True


@pytest.fixture
def alice(db):
    """Owner of the lobby."""
    return make_person("alice", display_name="Alice")


@pytest.fixture
def bob(db):
    """Member of the lobby."""
    return make_person("bob", display_name="Bob")


@pytest.fixture
def carol(db):
    """Has an account, and is a member of nothing."""
    return make_person("carol", display_name="Carol")


@pytest.fixture
def lobby(alice, bob):
    """The public room that every installation has, with alice and bob in it."""
    return make_room("lobby", [alice, bob])


@pytest.fixture
def study(alice):
    """A private room with nobody but alice in it."""
    return make_room("study", [alice], kind="private")


@pytest.fixture
def open_socket(transactional_db) -> Callable[..., AbstractAsyncContextManager[Tab]]:
    """
    Prepare a tab on any address of the application, signed in as ``person`` if there is one, or by the key of a
    ``session``.

    It is not connected yet: this is for what happens instead of a welcome. It is always closed.
    """
    from mysite.asgi import application

    @asynccontextmanager
    async def open_socket(
        person, path: str, *, origin: str = "http://localhost:8000", session: str | None = None
    ) -> AsyncIterator[Tab]:
        headers = [(b"host", b"localhost:8000"), (b"origin", origin.encode())]
        key = await database_sync_to_async(session_key)(person) if person else session
        if key:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={key}".encode()))
        tab = Tab(application, path, headers=headers)
        try:
            yield tab
        finally:
            await tab.leave()

    return open_socket


@pytest.fixture
def join(open_socket) -> Callable[..., AbstractAsyncContextManager[Tab]]:
    """Open a tab of ``person`` in ``room``, past its welcome, which is kept in ``tab.welcome``."""

    @asynccontextmanager
    async def join(person, room) -> AsyncIterator[Tab]:
        async with open_socket(person, f"/ws/rooms/{room.slug}/") as tab:
            await tab.connect()
            tab.welcome = await tab.receive_event("welcome")
            yield tab

    return join

"""Fixtures for the chat: what is told, and to whom."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.test import Client
from redis import Redis

from chat import presence
from chat.models import User
from tests.chat.tellings import Tellings


class Told(NamedTuple):
    """One broadcast: the group, the event, and its position in the room."""

    group: str
    event: dict[str, Any]
    position: dict[str, int]


@pytest.fixture
def told(monkeypatch) -> list[Told]:
    """What services tell, as it leaves for the channel layer."""
    told: list[Told] = []
    monkeypatch.setattr(
        "chat.events.broadcast_sync",
        lambda group, event, **position: told.append(Told(group, event, position)),
    )
    return told


@pytest.fixture
def tellings(monkeypatch) -> Tellings:
    """What rooms are told of who is here: at once, where a test does not say otherwise."""
    tellings = Tellings()

    async def broadcast(group: str, event: dict[str, Any]) -> None:
        tellings.put_nowait((group, event))

    monkeypatch.setattr(presence, "broadcast", broadcast)
    monkeypatch.setattr(presence, "TELL_EVERY_S", 0)
    monkeypatch.setattr(presence, "LEAVE_GRACE_S", 0)
    return tellings


@pytest.fixture
def redis(redis_server):
    """A client of the Redis server, which is empty."""
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def client_of(db) -> Callable[..., Client]:
    """Open a browser, signed in as ``person`` if there is one."""

    def client_of(person: User | None = None, **options: Any) -> Client:
        client = Client(**options)
        if person:
            client.force_login(person)
        return client

    return client_of

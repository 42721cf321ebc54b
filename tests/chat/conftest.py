"""Fixtures for the chat: what is told, and to whom."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from django.test import Client
from redis import Redis

from channels_core import recovery
from channels_core.broadcast import get_hub
from channels_core.layers import InMemoryChannelLayer, channel_layers
from chat import events, presence, presence_local, services
from chat.models import User
from tests.chat.gate import Gate
from tests.chat.tellings import ALICE, BOB, MARKER, Tellings


class Told(NamedTuple):
    """One broadcast: the group, the event, and its position in the room."""

    group: str
    event: dict[str, Any]
    position: dict[str, int]


@pytest.fixture
def told(monkeypatch) -> list[Told]:
    """What services tell rooms, as it leaves for the channel layer."""
    told: list[Told] = []

    def broadcast_sync(group: str, event: dict[str, Any], **position: Any) -> None:
        if group.startswith(events.ROOM_GROUPS):
            told.append(Told(group, event, position))

    monkeypatch.setattr(events, "broadcast_sync", broadcast_sync)
    return told


@pytest.fixture
async def tellings(monkeypatch) -> AsyncIterator[Tellings]:
    """What rooms are told of who is here, in all processes: at once, where a test does not say otherwise."""

    async def people(process, ids):
        return {each["id"]: each for each in (ALICE, BOB, MARKER) if each["id"] in ids}

    monkeypatch.setattr(presence.RedisPresence, "_people", people)
    monkeypatch.setattr(recovery, "_sources", {})  # the rooms of these tests are in no database
    monkeypatch.setattr(presence_local, "TELL_EVERY_S", 0)
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0)
    previous = channel_layers.set("default", InMemoryChannelLayer())
    async with Tellings.of(get_hub()) as tellings:
        yield tellings
    channel_layers.set("default", previous)


@pytest.fixture
def redis(redis_server):
    """A client of the Redis server, which is empty."""
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        yield redis


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Holds up what is stored until it is opened, which it is at the end."""
    gate = Gate()
    with patch.object(services, "post_messages", gate.post_messages):
        yield gate
    gate.is_open.set()


@pytest.fixture
def client_of(db) -> Callable[..., Client]:
    """Open a browser, signed in as ``person`` if there is one."""

    def client_of(person: User | None = None, **options: Any) -> Client:
        client = Client(**options)
        if person:
            client.force_login(person)
        return client

    return client_of

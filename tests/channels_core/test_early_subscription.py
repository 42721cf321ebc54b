"""Consumers that subscribe before they answer the handshake."""

import asyncio

import pytest

from channels_core.broadcast import broadcast, get_hub
from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.testing import WebsocketCommunicator

MEMORY = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}


@pytest.fixture(autouse=True)
def layer(settings):
    settings.CHANNEL_LAYERS = MEMORY


class Witness:
    """Is told last, after all others of its groups."""

    def __init__(self):
        self.is_told = asyncio.Event()

    def write(self, burst):
        self.is_told.set()


class Early(AsyncWebsocketConsumer):
    """Hears its room while it finds out whether its client may come in."""

    is_welcome = True

    async def connect(self):
        await self.subscribe("room.7")
        witness = Witness()
        await get_hub().subscribe(witness, "room.7")
        await broadcast("room.7", {"n": 1})
        await asyncio.wait_for(witness.is_told.wait(), 5)
        await get_hub().unsubscribe(witness, "room.7")
        if not self.is_welcome:
            return await self.close()
        await self.accept()
        await self.send("welcome")


async def test_what_is_broadcast_before_the_accept_does_not_disturb_the_handshake():
    client = WebsocketCommunicator(Early.as_asgi(), "/")

    assert await client.connect(timeout=5) == (True, None)

    assert [await client.receive_from(timeout=5) for _ in range(2)] == ['{"n":1}', "welcome"]
    await broadcast("room.7", {"n": 2})
    assert await client.receive_from(timeout=5) == '{"n":2}'
    await client.disconnect()


async def test_a_client_that_is_refused_is_told_nothing():
    client = WebsocketCommunicator(type("Refusing", (Early,), {"is_welcome": False}).as_asgi(), "/")

    assert await client.connect(timeout=5) == (False, 1000)

    assert await client.receive_nothing()
    await client.disconnect()

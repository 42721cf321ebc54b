"""Ten thousand connections come and go, and nothing of them stays: objects are counted, not seconds."""

import asyncio
import gc
from collections import Counter

import pytest
from django.urls import path

from channels_core.broadcast import broadcast, get_hub
from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.layers import get_channel_layer
from channels_core.middleware import BaseMiddleware
from channels_core.routing import ProtocolTypeRouter, URLRouter

CONNECTIONS = 10_000
AT_A_TIME = 50


class Visitor(AsyncWebsocketConsumer):
    """Uses all that a connection can hold: a channel, a group, a subscription."""

    groups = ["visitors"]

    async def connect(self):
        await self.accept()
        async with self.subscribing("news"):
            await self.send("welcome")

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)

    async def group_told(self, event):
        await self.send(event["text"])


async def visit(application, number):
    """Connect, talk, hear, and leave in one of the ways in which clients leave."""
    inputs, outputs = asyncio.Queue(), asyncio.Queue()
    inputs.put_nowait({"type": "websocket.connect"})
    inputs.put_nowait({"type": "websocket.receive", "text": "hello"})
    scope = {"type": "websocket", "path": "/visit/", "headers": []}
    connection = asyncio.ensure_future(application(scope, inputs.get, outputs.put))
    said = []
    while "hello" not in said:
        said.append((await outputs.get()).get("text"))
    if number % 3 == 0:
        connection.cancel()
    else:
        inputs.put_nowait({"type": "websocket.disconnect", "code": 1000 + number % 2})
    await asyncio.wait([connection])


async def visits(application, count):
    for first in range(0, count, AT_A_TIME):
        visitors = asyncio.gather(*(visit(application, number) for number in range(first, first + AT_A_TIME)))
        await get_channel_layer().group_send("visitors", {"type": "group.told", "text": "to all"})
        await broadcast("news", {"number": first})
        await visitors


def objects():
    gc.collect()
    return Counter(type(thing).__qualname__ for thing in gc.get_objects())


@pytest.mark.timeout(180)
async def test_ten_thousand_connections_leave_no_object_and_no_task_behind(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}
    application = ProtocolTypeRouter({"websocket": BaseMiddleware(URLRouter([path("visit/", Visitor.as_asgi())]))})
    await visits(application, 500)  # caches fill, modules load
    before, tasks = objects(), asyncio.all_tasks()

    await visits(application, CONNECTIONS)

    layer = get_channel_layer()
    assert layer.channels == layer.groups == get_hub()._members == {}
    assert asyncio.all_tasks() == tasks
    grown = {name: count - before[name] for name, count in objects().items() if count - before[name] > 50}
    assert grown == {}

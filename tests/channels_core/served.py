"""
An application for tests that talk to it through a real server.

What its consumers note about themselves is told at /departures/, one note for each request: who asks
waits until there is one.
"""

import asyncio

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from asgiref.sync import sync_to_async  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from channels_core.db import database_sync_to_async  # noqa: E402
from channels_core.generic.http import AsyncHttpConsumer  # noqa: E402
from channels_core.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels_core.layers import get_channel_layer  # noqa: E402
from channels_core.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

notes = asyncio.Queue()


class Departures(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, (await notes.get()).encode())


class Publish(AsyncHttpConsumer):
    """Tells its body to everybody who waits for news, once there are as many as its address says."""

    async def handle(self, body):
        readers = self.scope["url_route"]["kwargs"]["readers"]
        while len(get_channel_layer().groups.get("news", ())) < readers:
            await asyncio.sleep(0.01)
        await self.channel_layer.group_send("news", {"type": "news", "text": body.decode()})
        await self.send_response(200, b"published")


class Groups(AsyncHttpConsumer):
    async def handle(self, body):
        await self.send_response(200, repr(list(self.channel_layer.groups)).encode())


class LongPoll(AsyncHttpConsumer):
    async def handle(self, body):
        await self.channel_layer.group_add("news", self.channel_name)

    async def news(self, message):
        await self.send_response(200, message["text"].encode())

    async def disconnect(self):
        await self.channel_layer.group_discard("news", self.channel_name)
        notes.put_nowait(f"{type(self).__name__} ended")


class ServerSentEvents(LongPoll):
    async def handle(self, body):
        await super().handle(body)
        await self.send_headers(headers={b"content-type": b"text/event-stream"})
        await self.send_body(b"", more_body=True)

    async def news(self, message):
        await self.send_body(f"data: {message['text']}\n\n".encode(), more_body=True)


class Clock(LongPoll):
    """Goes on inside ``handle`` for as long as somebody looks."""

    async def handle(self, body):
        await self.send_headers()
        try:
            while True:
                await self.send_body(b"tick\n", more_body=True)
                await asyncio.sleep(0.01)
        finally:
            notes.put_nowait("Clock cancelled")


class Small(AsyncHttpConsumer):
    max_body_bytes = 10

    async def handle(self, body):
        await self.send_response(200, body)


class People(AsyncHttpConsumer):
    """How many people are stored, counted on each kind of thread; a POST stores one more."""

    async def handle(self, body):
        people = get_user_model().objects
        if body:
            await database_sync_to_async(people.create)(username=body.decode())
        counts = [await database_sync_to_async(people.count)(), await sync_to_async(people.count)()]
        await self.send_response(200, repr(counts).encode())


class Setting(AsyncHttpConsumer):
    async def handle(self, body):
        name = self.scope["url_route"]["kwargs"]["name"]
        await self.send_response(200, repr(getattr(settings, name)).encode())


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data, bytes_data)
        if text_data == "close":
            await self.close(1013, "as told")


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("departures/", Departures.as_asgi()),
                path("publish/to/<int:readers>/", Publish.as_asgi()),
                path("groups/", Groups.as_asgi()),
                path("long-poll/", LongPoll.as_asgi()),
                path("events/", ServerSentEvents.as_asgi()),
                path("clock/", Clock.as_asgi()),
                path("small/", Small.as_asgi()),
                path("people/", People.as_asgi()),
                path("settings/<name>/", Setting.as_asgi()),
                re_path("", django_application),
            ]
        ),
        "websocket": URLRouter([path("echo/", Echo.as_asgi())]),
    }
)

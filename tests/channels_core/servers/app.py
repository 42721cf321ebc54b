"""The consumers that every server runs. What becomes of their connections is noted in the file NOTES."""

import os
from pathlib import Path

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from django.urls import path  # noqa: E402

from channels_core.broadcast import broadcast  # noqa: E402
from channels_core.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels_core.layers import get_channel_layer, group_send_sync  # noqa: E402
from channels_core.routing import ProtocolTypeRouter, URLRouter  # noqa: E402


def note(consumer, code):
    """One line for each connection that ended; written at once, so that it survives what follows."""
    test = consumer.scope["query_string"].decode()
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(f"{test} {type(consumer).__name__} {code}\n")


class Talk(AsyncWebsocketConsumer):
    """Does what it is told, and says back everything else."""

    groups = ["everybody"]

    async def connect(self):
        await self.accept("chat" if "chat" in self.scope["subprotocols"] else None)
        await self.subscribe("news")

    async def receive(self, text_data=None, bytes_data=None):
        match text_data and text_data.split(":"):
            case ["close", code, reason]:
                await self.close(code=int(code), reason=reason)
                await self.send("after the close")
            case ["close soon", code, reason]:
                self.send_soon("before", "the close")
                self.close_soon(int(code), reason)
                self.send_soon("after the close")
            case ["fail"]:
                raise ZeroDivisionError
            case ["broadcast", text]:
                await broadcast("news", {"text": text})
            case ["group", text]:
                await get_channel_layer().group_send("everybody", {"type": "group.told", "text": text})
            case _:
                await self.send(text_data=text_data, bytes_data=bytes_data)

    async def group_told(self, event):
        await self.send(event["text"])

    async def disconnect(self, code):
        note(self, code)


class SyncTalk(WebsocketConsumer):
    """The same, in a thread."""

    groups = ["everybody"]

    def receive(self, text_data=None, bytes_data=None):
        match text_data and text_data.split(":"):
            case ["close", code, reason]:
                self.close(code=int(code), reason=reason)
                self.send("after the close")
            case ["fail"]:
                raise ZeroDivisionError
            case ["group", text]:
                group_send_sync("everybody", {"type": "group.told", "text": text})
            case _:
                self.send(text_data=text_data, bytes_data=bytes_data)

    def group_told(self, event):
        self.send(event["text"])

    def disconnect(self, code):
        note(self, code)


class Refuse(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()

    async def disconnect(self, code):
        note(self, code)


class FailAtOnce(AsyncWebsocketConsumer):
    async def connect(self):
        raise ZeroDivisionError

    async def disconnect(self, code):
        note(self, code)


application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": URLRouter(
            [
                path("talk/", Talk.as_asgi()),
                path("sync/", SyncTalk.as_asgi()),
                path("refuse/", Refuse.as_asgi()),
                path("fail/", FailAtOnce.as_asgi()),
            ]
        ),
    }
)

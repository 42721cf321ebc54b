"""
What a server is tried with: consumers with work that takes as long as a test wants, and pages.

Work ends when there is a file of its name in the directory WORKSHOP; what happens is noted there, in the
file ``notes``. With END_S in the environment, a drain has that many seconds instead of its own; LIMITS may
have other values for any constants of the servers, as {"http.HEAD_S": 1}, and FRAME_BYTES the size of a frame.
"""

import asyncio
import json
import os
import time
from importlib import import_module
from pathlib import Path

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.urls import path, re_path  # noqa: E402

from channels_core.broadcast import broadcast  # noqa: E402
from channels_core.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels_core.meters import meters  # noqa: E402
from channels_core.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels_core.servers import uvicorn  # noqa: E402

PLACE = Path(os.environ["WORKSHOP"])
LOOK_S = 0.01
uvicorn.END_S = float(os.environ.get("END_S", uvicorn.END_S))
settings.CHANNELS_MAX_FRAME_BYTES = int(os.environ.get("FRAME_BYTES", 2**20))
for limit, value in json.loads(os.environ.get("LIMITS", "{}")).items():
    module, name = limit.split(".")
    setattr(import_module(f"channels_core.servers.{module}"), name, value)


def note(*words):
    """One line; written at once, so that it survives what follows."""
    with (PLACE / "notes").open("a") as notes:
        notes.write(" ".join(map(str, words)) + "\n")


def name_of(consumer):
    return consumer.scope["query_string"].decode()


class Bench(AsyncWebsocketConsumer):
    """Without a mailbox, as the chat's consumers are."""

    channel_layer_alias = None

    async def receive(self, text_data=None, bytes_data=None):
        note(name_of(self), "took", text_data)
        match text_data.split(":"):
            case ["work", work]:
                while not (PLACE / work).exists():
                    await asyncio.sleep(LOOK_S)
                await self.send(f"done {work}")
            case ["flood"]:
                while True:
                    await self.send("x" * 60_000)
            case ["close"]:
                await self.close(4000)
            case ["pid"]:
                await self.send(str(os.getpid()))
            case _:
                await self.send(text_data)

    async def disconnect(self, code):
        note(name_of(self), "left", code)


class Echo(AsyncWebsocketConsumer):
    """Says nothing to anybody else."""

    channel_layer_alias = None

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data, bytes_data)


class BenchWithMailbox(Bench):
    """A member of a group, so that it listens to the client and to the channel layer."""

    channel_layer_alias = "default"
    groups = ["workshop"]


class SyncBench(WebsocketConsumer):
    """The same, in a thread."""

    groups = ["workshop"]

    def receive(self, text_data=None, bytes_data=None):
        note(name_of(self), "took", text_data)
        match text_data.split(":"):
            case ["work", work]:
                while not (PLACE / work).exists():
                    time.sleep(LOOK_S)
                self.send(f"done {work}")
            case _:
                self.send(text_data)

    def disconnect(self, code):
        note(name_of(self), "left", code)


class Door(Bench):
    """Opens when a test says so."""

    async def connect(self):
        note("knock")
        while not (PLACE / "open").exists():
            await asyncio.sleep(LOOK_S)
        await self.accept()


class Reader(Bench):
    """Hears everything that anybody at such a bench says, so many times."""

    async def connect(self):
        await self.accept()
        await self.subscribe("news")

    async def disconnect(self, code):
        note("news left", code)

    async def receive(self, text_data=None, bytes_data=None):
        for number in range(int(text_data)):
            await broadcast("news", {"number": number, "text": "x" * 60_000})
            await asyncio.sleep(LOOK_S)  # for those who read


async def state(scope, receive, send):
    """What the process is, and how it sees the client."""
    content = {
        "pid": os.getpid(),
        "loop": type(asyncio.get_running_loop()).__module__,
        "is_draining": meters.is_draining,
        "client": scope["client"][0],
        "scheme": scope["scheme"],
    }
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


async def count(scope, receive, send):
    """How many bytes the body has, in the answer to all of it."""
    size, has_more = 0, True
    while has_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return note("body left")
        size, has_more = size + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d bytes" % size})


async def fail(scope, receive, send):
    raise ZeroDivisionError


async def stream(scope, receive, send):
    """A response that ends when its client does; it listens for that, as Django's handler does."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    listening = asyncio.create_task(disconnect(receive))
    more = b"more\n" * (10_000 if scope["path"] == "/flood" else 1)
    while not listening.done():
        await send({"type": "http.response.body", "body": more, "more_body": True})
        await asyncio.sleep(LOOK_S)
    note("stream left")


async def disconnect(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                path("state", state),
                path("stream", stream),
                path("flood", stream),
                path("count", count),
                path("fail", fail),
                re_path("", django_application),
            ]
        ),
        "websocket": URLRouter(
            [
                path("echo/", Echo.as_asgi()),
                path("bench/", Bench.as_asgi()),
                path("mailbox/", BenchWithMailbox.as_asgi()),
                path("sync/", SyncBench.as_asgi()),
                path("door/", Door.as_asgi()),
                path("news/", Reader.as_asgi()),
            ]
        ),
    }
)

"""
An application for workers that run as real processes, and the settings to run them with.

Its consumers answer on the channel that a message names in ``reply``.
"""

import os
import threading

from asgiref.sync import async_to_sync

from channels_core.consumer import AsyncConsumer, SyncConsumer
from channels_core.routing import ChannelNameRouter, ProtocolTypeRouter
from channels_core.worker import Worker
from mysite.settings import *  # noqa: F403

ASGI_APPLICATION = "tests.channels_core.worked.application"
Worker.drain_timeout_s = float(os.environ.get("DRAIN_TIMEOUT_S", "10"))


class Works(AsyncConsumer):
    async def work(self, message):
        await self.channel_layer.send(message["reply"], {"type": "done", "text": message["text"]})

    async def work_until_told(self, message):
        await self.channel_layer.send(message["reply"], {"type": "begun"})
        await self.channel_layer.receive(message["until"])
        await self.channel_layer.send(message["reply"], {"type": "done"})


class WorksInThread(SyncConsumer):
    def work(self, message):
        async_to_sync(self.channel_layer.send)(message["reply"], {"type": "done", "text": message["text"]})

    def work_for_ever(self, message):
        async_to_sync(self.channel_layer.send)(message["reply"], {"type": "begun"})
        threading.Event().wait()


application = ProtocolTypeRouter(
    {"channel": ChannelNameRouter({"async": Works.as_asgi(), "sync": WorksInThread.as_asgi()})}
)

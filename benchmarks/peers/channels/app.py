"""A room as the tutorial of Channels makes it: a group, and a consumer that hands on what the group is told."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="nothing here is signed",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ["LAYER"],
            # A mailbox of 100, the default, overflows when several clients post at once, and what overflows is lost.
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 10_000},
        }
    },
    LOGGING_CONFIG=None,
)
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class RoomConsumer(AsyncWebsocketConsumer):
    """One client; the group of its room is told what it sends."""

    async def connect(self):
        self.group = f"room_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data):
        await self.channel_layer.group_send(self.group, {"type": "room.message", "text": text_data})

    async def room_message(self, event):
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("ws/<slug:room>/", RoomConsumer.as_asgi())]),
    }
)

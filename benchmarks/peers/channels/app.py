"""
A room as the tutorial of Channels makes it: a group, and a consumer that hands on what the group is told.

With SESSION_ENGINE in the environment it is for those who are signed in, with their sessions and users in DATABASE_URL.
"""

import os
from urllib.parse import urlsplit

import django
from django.conf import settings

IS_SIGNED_IN = "SESSION_ENGINE" in os.environ


def database(url):
    """What DATABASES has of an address as postgres://user@host:port/name or sqlite:////path."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": parts.path[1:], "CONN_MAX_AGE": None}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": None,  # the default, 0, would connect anew for each handshake
    }


users = {
    "INSTALLED_APPS": ["channels", *(f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions"))],
    "DATABASES": {"default": database(os.environ.get("DATABASE_URL", ""))},
    "SESSION_ENGINE": os.environ.get("SESSION_ENGINE"),
    "CACHES": {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    },
}
settings.configure(
    SECRET_KEY="the benchmarks sign with this",
    ALLOWED_HOSTS=["*"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ["LAYER"],
            # A mailbox of 100, the default, overflows when several clients post at once, and what overflows is lost.
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 10_000},
        }
    },
    LOGGING_CONFIG=None,
    **(users if IS_SIGNED_IN else {"INSTALLED_APPS": ["channels"]}),
)
django.setup()

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class RoomConsumer(AsyncWebsocketConsumer):
    """One client; the group of its room is told what it sends."""

    async def connect(self):
        if IS_SIGNED_IN and not self.scope["user"].is_authenticated:
            return await self.close()
        self.group = f"room_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, close_code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data):
        await self.channel_layer.group_send(self.group, {"type": "room.message", "text": text_data})

    async def room_message(self, event):
        await self.send(text_data=event["text"])


sockets = URLRouter([path("ws/<slug:room>/", RoomConsumer.as_asgi())])
if IS_SIGNED_IN:
    sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": sockets})

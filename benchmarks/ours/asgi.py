"""
The application: sockets at /ws/<room>/, for everybody or, see settings, for who is signed in.

Every page says how late the event loop was at worst within the last second, in seconds.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.ours.settings")
get_asgi_application()  # sets Django up; of its pages there are none

from django.conf import settings  # noqa: E402
from django.urls import path  # noqa: E402

from channels_core.auth import AuthMiddlewareStack  # noqa: E402
from channels_core.broadcast import broadcast  # noqa: E402
from channels_core.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels_core.meters import meters  # noqa: E402
from channels_core.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels_core.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels_core.types import ASGIApplication, Receive, Scope, Send  # noqa: E402


class RoomConsumer(AsyncWebsocketConsumer):
    """A socket in a room: what it sends is told to all of them."""

    async def connect(self) -> None:
        if settings.IS_SIGNED_IN and not self.scope["user"].is_authenticated:
            return await self.close()
        self.group = f"room.{self.scope['url_route']['kwargs']['room']}"
        async with self.subscribing(self.group):  # who is accepted misses nothing
            await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await broadcast(self.group, {"text": text_data})


async def tell_lag(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": str(meters.loop_lag_s).encode()})


sockets: ASGIApplication = URLRouter([path("ws/<slug:room>/", RoomConsumer.as_asgi())])
if settings.IS_SIGNED_IN:
    sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))
application = ProtocolTypeRouter({"http": tell_lag, "websocket": sockets})

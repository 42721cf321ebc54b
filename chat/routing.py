"""The addresses of the sockets."""

from django.urls import path, re_path

from .consumers import NoSuchAddressConsumer, RoomConsumer
from .inbox import InboxConsumer

websocket_urlpatterns = [
    path("ws/rooms/<slug:slug>/", RoomConsumer.as_asgi()),
    path("ws/inbox/", InboxConsumer.as_asgi()),
    re_path(r"", NoSuchAddressConsumer.as_asgi()),
]

"""Consumers: one object per connection, one method per type of event."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync

from . import DEFAULT_CHANNEL_LAYER
from .db import database_sync_to_async
from .exceptions import StopConsumer
from .layers import get_channel_layer
from .types import Message, Receive, Scope, Send
from .utils import await_many_dispatch


def get_handler_name(message: Message) -> str:
    """
    The name of the method that handles ``message``: its type, with underscores for periods.

    Raises:
        ValueError: the message has no type, or one that would reach a private method.
    """
    if "type" not in message:
        raise ValueError(f"Expected a message with a type, but got the keys {sorted(message)}.")
    name: str = message["type"].replace(".", "_")
    if name.startswith("_"):
        raise ValueError(f"Malformed type in message (leading underscore): {message['type']!r}")
    return name


class AsyncConsumer:
    """
    An ASGI application whose coroutine methods handle the events of one connection, one at a time.

    Events come from the client and, where the settings have a channel layer for ``channel_layer_alias``,
    from a channel of the consumer's own, ``channel_name``. Set the alias to None in a consumer that is
    sent nothing through a channel: it then costs no mailbox.
    """

    channel_layer_alias: str | None = DEFAULT_CHANNEL_LAYER
    _sync = False

    scope: Scope
    channel_layer: Any
    channel_name: str
    channel_receive: Receive
    base_send: Callable[[Message], Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle events until a handler raises; ``StopConsumer`` ends it in peace."""
        self.scope = scope
        self.base_send = async_to_sync(send) if self._sync else send
        self.channel_layer = get_channel_layer(self.channel_layer_alias)
        try:
            if self.channel_layer is None:
                while True:
                    await self.dispatch(await receive())
            self.channel_name = await self.channel_layer.new_channel()
            self.channel_receive = functools.partial(self.channel_layer.receive, self.channel_name)
            await await_many_dispatch([receive, self.channel_receive], self.dispatch)
        except StopConsumer:
            pass

    async def dispatch(self, message: Message) -> None:
        """Call the handler of ``message``; ``ValueError`` if there is none."""
        await self._handler(message)(message)

    async def send(self, message: Message) -> None:
        """Send an ASGI message to the client."""
        await self.base_send(message)

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """
        An ASGI application that makes a consumer for each connection, with these arguments.

        Typed as Any, because Django's ``path()`` is typed for views.
        """

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(**initkwargs)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        app.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        functools.update_wrapper(app, cls, updated=())
        return app

    def _handler(self, message: Message) -> Callable[[Message], Any]:
        handler = getattr(self, get_handler_name(message), None)
        if not handler:
            raise ValueError(f"{type(self).__qualname__} has no method for the message type {message['type']!r}.")
        return handler  # type: ignore[no-any-return]


class SyncConsumer(AsyncConsumer):
    """A consumer whose handlers are plain functions, each called in a thread that may use the database."""

    _sync = True

    @database_sync_to_async
    def dispatch(self, message: Message) -> None:  # type: ignore[override]
        self._handler(message)(message)

    def send(self, message: Message) -> None:  # type: ignore[override]
        self.base_send(message)

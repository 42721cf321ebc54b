"""Consumers: one object per connection, one method per type of event."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync

from . import DEFAULT_CHANNEL_LAYER
from .db import database_sync_to_async, is_tidying_due, tidy_if_used
from .exceptions import StopConsumer
from .layers import get_channel_layer
from .layers.patience import patiently
from .types import Message, Receive, Scope, Send
from .utils import await_many_dispatch

logger = logging.getLogger(__name__)


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
    _event = "its start"  # the type of what is being handled, for the log

    scope: Scope
    channel_layer: Any
    channel_name: str
    channel_receive: Receive
    base_send: Callable[[Message], Any]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle events until a handler raises; ``StopConsumer`` ends it in peace."""
        is_tidying_due.set(False)  # what was queried before is not ours
        self.scope = scope
        self.base_send = async_to_sync(send) if self._sync else send
        self.channel_layer = get_channel_layer(self.channel_layer_alias)
        try:
            if self.channel_layer is None:
                while True:
                    await self.dispatch(await receive())
            self.channel_name = await patiently(self.channel_layer.new_channel)
            self.channel_receive = functools.partial(self.channel_layer.receive, self.channel_name)
            try:
                await await_many_dispatch([receive, self.channel_receive], self.dispatch)
            finally:
                if forget := getattr(self.channel_layer, "forget_channel", None):  # others find out by themselves
                    forget(self.channel_name)
        except StopConsumer:
            pass

    async def dispatch(self, message: Message) -> None:
        """Call the handler of ``message``; ``ValueError`` if there is none."""
        try:
            await self._handler(message)(message)
        finally:
            # Only where it has used the database: most events have not, and go without a thread.
            await tidy_if_used()

    async def send(self, message: Message) -> None:
        """Send an ASGI message to the client."""
        await self.base_send(message)

    @classmethod
    def as_asgi(cls, **initkwargs: Any) -> Any:
        """
        An ASGI application that makes a consumer for each connection, with these arguments.

        Typed as Any, because Django's ``path()`` is typed for views.

        Raises:
            TypeError: no ``__init__`` of the consumer takes one of the arguments.
        """

        _require_accepted(cls, initkwargs)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await cls(**initkwargs)(scope, receive, send)

        app.consumer_class = cls  # type: ignore[attr-defined]
        app.consumer_initkwargs = initkwargs  # type: ignore[attr-defined]
        functools.update_wrapper(app, cls, updated=())
        return app

    def _handler(self, message: Message) -> Callable[[Message], Any]:
        self._event = message.get("type", "a message without a type")
        name = get_handler_name(message)
        handler = getattr(self, name, None)
        if not callable(handler) or not _is_for_messages(self.__class__, name):
            raise ValueError(f"{type(self).__qualname__} has no handler for the message type {message['type']!r}.")
        return handler  # type: ignore[no-any-return]

    def _log_failure(self) -> None:
        """Log the exception that is being handled, with whose connection it ends."""
        logger.exception(
            "%s failed on %s: path %s, user %s.",
            type(self).__qualname__,
            self._event,
            self.scope.get("path"),
            getattr(self.scope.get("user"), "pk", None),
        )


class SyncConsumer(AsyncConsumer):
    """A consumer whose handlers are plain functions, each called in a thread that may use the database."""

    _sync = True

    @database_sync_to_async
    def dispatch(self, message: Message) -> None:  # type: ignore[override]
        self._handler(message)(message)

    def send(self, message: Message) -> None:  # type: ignore[override]
        self.base_send(message)


def _is_for_messages(consumer: type[AsyncConsumer], name: str) -> bool:
    """
    Whether a message may call the method ``name``.

    What the runtime's own classes define is not for messages (``{"type": "close"}`` must not close), apart
    from the handlers of the protocols.
    """
    if name.startswith(("websocket_", "http_")):
        return True
    return hasattr(consumer, name) and not any(name in vars(base) for base in consumer.__mro__ if _is_ours(base))


def _require_accepted(consumer: type, initkwargs: dict[str, Any]) -> None:
    """``TypeError`` for an argument that every ``__init__`` would ignore or refuse once somebody connects."""
    inits = [vars(base)["__init__"] for base in consumer.__mro__ if "__init__" in vars(base) and not _is_ours(base)]
    parameters = [parameter for init in inits for parameter in inspect.signature(init).parameters.values()]
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    if unknown := initkwargs.keys() - {parameter.name for parameter in parameters}:
        raise TypeError(f"{consumer.__qualname__}.as_asgi() got arguments that its __init__ does not take: {unknown}.")


def _is_ours(base: type) -> bool:
    return base is object or base.__module__.startswith(f"{__package__}.")

"""One websocket connection from its start to its end, whatever ends it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from .. import DEFAULT_CHANNEL_LAYER
from ..broadcast import get_hub
from ..consumer import AsyncConsumer
from ..db import is_tidying_due
from ..exceptions import InvalidChannelLayerError
from ..frames import WRITE_FRAMES
from ..layers.patience import patiently
from ..meters import meters
from ..outbox import Outbox
from ..types import Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

NO_STATUS = 1005  # RFC 6455, section 7.4.1: the peer gave no code
VANISHED = 1006  # and: the connection ended without a close
INTERNAL_ERROR = 1011


class Connection(AsyncConsumer):
    """
    What asynchronous and synchronous websocket consumers share: one connection from its start to its end.

    ``_leave`` runs exactly once for every connection that began, whatever ended it.
    """

    groups: Iterable[str] | None = None  # groups of the channel layer to be in
    broadcast_layer_alias = DEFAULT_CHANNEL_LAYER  # whose broadcasts ``subscribe`` is about
    outbox_capacity = 256  # events that a slow client may fall behind before it is closed with 1013

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if self.groups is None:
            self.groups = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ready_made = (scope.get("extensions") or {}).get(WRITE_FRAMES, {})
        self._outbox = Outbox(send, self.outbox_capacity, ready_made.get("write"))
        self._subscriptions: set[str] = set()
        self._is_connected = False  # from the first event of the client to the clean-up
        is_tidying_due.set(False)  # what was queried before is not ours
        context = contextvars.copy_context()
        meters.opened += 1
        meters.connections += 1
        try:
            await super().__call__(scope, receive, self._outbox.send)
        except Exception:
            self._log_failure()
            await self._end_after_error()
            raise
        finally:
            if self._is_connected:
                # A synchronous handler that is cancelled leaves its thread's executor in this context, and
                # what is awaited next would be sent there: the clean-up gets the context from before.
                await asyncio.create_task(self._end(VANISHED), context=context)
            meters.connections -= 1

    async def _end_after_error(self) -> None:
        try:
            await self._end(INTERNAL_ERROR)
        except Exception:
            logger.exception("%s failed once more while it was cleaning up.", type(self).__qualname__)
        if self._outbox.is_accepted:
            # Pushed, not awaited: nothing may come between the close and the exception that explains it.
            self._outbox.push({"type": "websocket.close", "code": INTERNAL_ERROR})

    async def _end(self, code: int) -> None:
        """Free what the connection holds and let the consumer clean up; the first call does it."""
        if not self._is_connected:
            return
        self._is_connected = False
        try:
            if self._subscriptions:
                await self._unsubscribe(*self._subscriptions)
        finally:
            await self._leave(code)

    async def _leave(self, code: int) -> None:
        raise NotImplementedError("A connection says how it ends.")

    def _receive_arguments(self, message: Message) -> dict[str, Any]:
        meters.received += 1
        if message.get("text") is not None:
            return {"text_data": message["text"]}
        return {"bytes_data": message.get("bytes")}

    def _data_message(self, text_data: str | None, bytes_data: bytes | None) -> Message:
        if text_data is not None:
            return {"type": "websocket.send", "text": text_data}
        if bytes_data is not None:
            return {"type": "websocket.send", "bytes": bytes_data}
        raise ValueError("Expected text_data or bytes_data to send, but got neither.")

    def _accept_message(self, subprotocol: str | None, headers: Iterable[Any] | None) -> Message:
        message: Message = {"type": "websocket.accept", "subprotocol": subprotocol}
        return message | ({"headers": list(headers)} if headers else {})

    def _close_message(self, code: int | bool | None, reason: str | None) -> Message:
        message: Message = {"type": "websocket.close"}
        if code is not None and code is not True:
            message["code"] = int(code)  # servers refuse a member of an IntEnum
        return message | ({"reason": reason} if reason else {})

    async def _for_each_group(self, act: str) -> None:
        """``group_add`` or ``group_discard`` for each of ``groups``."""
        for group in self.groups or ():
            try:
                await patiently(getattr(self.channel_layer, act), group, self.channel_name)
            except AttributeError as error:
                raise InvalidChannelLayerError(
                    f"{type(self).__qualname__} has groups: it needs a channel layer (see CHANNEL_LAYERS) with groups."
                ) from error

    async def _subscribe(self, *groups: str) -> None:
        # A thread that was cancelled goes on for a while: what it asks for now, nobody would free.
        if self._is_connected:
            self._subscriptions.update(groups)
            await get_hub(self.broadcast_layer_alias).subscribe(self._outbox, *groups)

    async def _unsubscribe(self, *groups: str) -> None:
        self._subscriptions.difference_update(groups)
        await get_hub(self.broadcast_layer_alias).unsubscribe(self._outbox, *groups)

    @asynccontextmanager
    async def _subscribing(self, *groups: str) -> AsyncIterator[None]:
        if not self._is_connected:
            yield
            return
        self._subscriptions.update(groups)
        async with get_hub(self.broadcast_layer_alias).subscribing(self._outbox, *groups):
            yield

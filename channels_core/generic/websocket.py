"""Websocket consumers: connect, receive, send, close, groups and broadcasts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asgiref.sync import async_to_sync

from ..consumer import SyncConsumer
from ..db import database_sync_to_async, tidy_if_used
from ..exceptions import AcceptConnection, DenyConnection, StopConsumer
from ..frames import Burst
from ..types import Message
from .connection import NO_STATUS, Connection


class AsyncWebsocketConsumer(Connection):
    """
    One websocket connection, with coroutine methods.

    Override ``connect``, ``receive`` and ``disconnect``. ``disconnect`` runs once for every connection,
    also after an error, a cancellation or a client that vanished.
    """

    async def websocket_connect(self, message: Message) -> None:
        self._is_connected = True
        await self._for_each_group("group_add")
        try:
            await self.connect()
        except AcceptConnection:
            await self.accept()
        except DenyConnection:
            await self.close()

    async def connect(self) -> None:
        """A client wants to connect: ``accept`` it, or ``close`` to refuse."""
        await self.accept()

    async def accept(
        self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None
    ) -> None:
        """Open the connection; ``subprotocol`` is one of ``scope["subprotocols"]``."""
        await super().send(self._accept_message(subprotocol, headers))

    async def websocket_receive(self, message: Message) -> None:
        await self.receive(**self._receive_arguments(message))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A frame has come, as text or as bytes."""

    async def send(  # type: ignore[override]
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool | int = False
    ) -> None:
        """Send a frame, and with ``close`` (True or a code) close behind it. After a close it does nothing."""
        await super().send(self._data_message(text_data, bytes_data))
        if close:
            await self.close(close)

    async def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close; before ``accept`` this refuses the handshake, and a browser learns neither code nor reason."""
        await super().send(self._close_message(code, reason))

    def send_soon(self, *texts: str) -> None:
        """Send text frames without waiting, in their turn; together they may leave in one write."""
        self._outbox.write(Burst(*texts))

    def close_soon(self, code: int, reason: str | None = None) -> None:
        """Close without waiting, behind what has been sent."""
        self._outbox.push(self._close_message(code, reason))

    async def websocket_disconnect(self, message: Message) -> None:
        self._outbox.close()
        await self._end(message.get("code", NO_STATUS))
        raise StopConsumer

    async def disconnect(self, code: int) -> None:
        """The connection is over; ``code`` is why, by RFC 6455: 1006 when nobody said."""

    async def subscribe(self, *groups: str) -> None:
        """From now on this socket gets what is broadcast to these groups."""
        await self._subscribe(*groups)

    async def unsubscribe(self, *groups: str) -> None:
        """This socket gets nothing more of these groups."""
        await self._unsubscribe(*groups)

    @asynccontextmanager
    async def subscribing(self, *groups: str) -> AsyncIterator[None]:
        """Subscribe; what is broadcast while the block runs is held back and follows it."""
        async with self._subscribing(*groups):
            yield

    async def _leave(self, code: int) -> None:
        try:
            await self._for_each_group("group_discard")
        finally:
            await self.disconnect(code)
            await tidy_if_used()


class WebsocketConsumer(Connection, SyncConsumer):
    """One websocket connection, with plain methods that run in a thread and may use the database."""

    def websocket_connect(self, message: Message) -> None:
        self._is_connected = True
        async_to_sync(self._for_each_group)("group_add")
        try:
            self.connect()
        except AcceptConnection:
            self.accept()
        except DenyConnection:
            self.close()

    def connect(self) -> None:
        """A client wants to connect: ``accept`` it, or ``close`` to refuse."""
        self.accept()

    def accept(self, subprotocol: str | None = None, headers: Iterable[tuple[bytes, bytes]] | None = None) -> None:
        """Open the connection; ``subprotocol`` is one of ``scope["subprotocols"]``."""
        super().send(self._accept_message(subprotocol, headers))

    def websocket_receive(self, message: Message) -> None:
        self.receive(**self._receive_arguments(message))

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """A frame has come, as text or as bytes."""

    def send(  # type: ignore[override]
        self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool | int = False
    ) -> None:
        """Send a frame, and with ``close`` (True or a code) close behind it. After a close it does nothing."""
        super().send(self._data_message(text_data, bytes_data))
        if close:
            self.close(close)

    def close(self, code: int | bool | None = None, reason: str | None = None) -> None:
        """Close; before ``accept`` this refuses the handshake, and a browser learns neither code nor reason."""
        super().send(self._close_message(code, reason))

    def websocket_disconnect(self, message: Message) -> None:
        self._outbox.close()
        async_to_sync(self._end)(message.get("code", NO_STATUS))
        raise StopConsumer

    def disconnect(self, code: int) -> None:
        """The connection is over; ``code`` is why, by RFC 6455: 1006 when nobody said."""

    def subscribe(self, *groups: str) -> None:
        """From now on this socket gets what is broadcast to these groups."""
        async_to_sync(self._subscribe)(*groups)

    def unsubscribe(self, *groups: str) -> None:
        """This socket gets nothing more of these groups."""
        async_to_sync(self._unsubscribe)(*groups)

    @contextmanager
    def subscribing(self, *groups: str) -> Iterator[None]:
        """Subscribe; what is broadcast while the block runs is held back and follows it."""
        subscription = self._subscribing(*groups)
        async_to_sync(subscription.__aenter__)()
        try:
            yield
        except BaseException as error:
            async_to_sync(subscription.__aexit__)(type(error), error, error.__traceback__)
            raise
        async_to_sync(subscription.__aexit__)(None, None, None)

    async def _leave(self, code: int) -> None:
        try:
            await self._for_each_group("group_discard")
        finally:
            await database_sync_to_async(self.disconnect)(code)


class JsonWebsocketConsumer(WebsocketConsumer):
    """A websocket consumer for JSON text frames: override ``receive_json``."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Decode a text frame; ``ValueError`` for what is no JSON text."""
        if not text_data:
            raise ValueError("Expected a text frame with JSON, but got a binary or an empty one.")
        self.receive_json(self.decode_json(text_data), **kwargs)

    def receive_json(self, content: Any, **kwargs: Any) -> None:
        """A frame has come, decoded."""

    def send_json(self, content: Any, close: bool | int = False) -> None:
        """Send ``content`` as a JSON text frame."""
        super().send(text_data=self.encode_json(content), close=close)

    @classmethod
    def decode_json(cls, text_data: str) -> Any:
        return json.loads(text_data)

    @classmethod
    def encode_json(cls, content: Any) -> str:
        return json.dumps(content)


class AsyncJsonWebsocketConsumer(AsyncWebsocketConsumer):
    """An asynchronous websocket consumer for JSON text frames: override ``receive_json``."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Decode a text frame; ``ValueError`` for what is no JSON text."""
        if not text_data:
            raise ValueError("Expected a text frame with JSON, but got a binary or an empty one.")
        await self.receive_json(await self.decode_json(text_data), **kwargs)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """A frame has come, decoded."""

    async def send_json(self, content: Any, close: bool | int = False) -> None:
        """Send ``content`` as a JSON text frame."""
        await super().send(text_data=await self.encode_json(content), close=close)

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        return json.loads(text_data)

    @classmethod
    async def encode_json(cls, content: Any) -> str:
        return json.dumps(content)

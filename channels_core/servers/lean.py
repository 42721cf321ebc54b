"""
uvicorn's websockets with less of everything that thousands of idle connections keep.

No timer and no queue of asyncio's for each, nothing of a handshake that is over; and a connection that has
ended is gone at once, instead of waiting for the garbage collector in circles of references.
"""

from __future__ import annotations

import asyncio
import random
from math import inf
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from .gate import Gate
from .inbox import Inbox

PING = b"\x89\x04"  # RFC 6455, section 5.5.2: the head of a ping with four bytes, unmasked
PING_BYTES = 4

# The names that browsers send: kept once instead of with each connection.
NAMES = {
    name: name
    for name in (
        *(b"host", b"connection", b"upgrade", b"origin", b"cookie", b"user-agent", b"pragma", b"cache-control"),
        *(b"accept-encoding", b"accept-language", b"sec-websocket-key", b"sec-websocket-version"),
        *(b"sec-websocket-extensions", b"sec-websocket-protocol", b"x-forwarded-for", b"x-forwarded-proto"),
        *(b"x-forwarded-host", b"x-real-ip", b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site"),
    )
}


class LeanProtocol(WebSocketsSansIOProtocol):
    """One websocket connection; once a second somebody has to call ``keep_alive``."""

    # uvicorn's own, as slots: more than 30 attributes cost a dict of 1.5 KB. What is not named here goes into one.
    __slots__ = (
        *("config", "app", "loop", "logger", "root_path", "asgi_version", "app_state"),
        *("connections", "tasks", "default_headers", "transport", "server", "client", "scheme"),
        *("queue", "handshake_initiated", "handshake_complete", "close_sent", "disconnected"),
        *("close_timer", "close_timeout", "initial_response", "conn", "read_paused", "writable"),
        *("ping_interval", "ping_timeout", "ping_timer", "pong_timer", "pending_ping_payload"),
        *("ping_sent_at", "last_ping_rtt", "frames", "curr_msg_data_type", "request", "response", "scope"),
        *("_gate", "_tend_at"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate = Gate()
        self.writable = self._gate  # type: ignore[assignment]
        self.queue = Inbox()  # type: ignore[assignment]
        self._tend_at = inf  # when to ping, or when the answer to a ping has to be there, in the loop's seconds

    # --- What is over --------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        event.headers.clear()  # the library's parser keeps them otherwise; the scope has its own
        if not self.close_sent:
            self.scope["headers"] = [(NAMES.get(name, name), value) for name, value in self.scope["headers"]]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # What leads back to the library's connection, or to us: its parser, and errors by their tracebacks.
        self.conn.parser.close()
        for error in (self.conn.parser_exc, self.conn.handshake_exc):
            forget_tracebacks(error)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        self.scope = self.scope | {"extensions": {}}  # some lead to us

    # --- Keepalive -----------------------------------------------------------------------------------

    def start_keepalive(self) -> None:
        self.response.headers.clear()  # the handshake is over
        if self.ping_interval:
            # Spread: after a restart all connections are of the same age.
            self._tend_at = self.loop.time() + random.uniform(self.ping_interval / 2, self.ping_interval)

    def keep_alive(self, now: float) -> None:
        """Ping if it is time, and close with 1011 if the client has had its time to answer."""
        if now < self._tend_at or self.close_sent or self.transport.is_closing():
            return
        if self.pending_ping_payload is not None:
            self._tend_at = inf
            return self.keepalive_timeout()
        payload = random.randbytes(PING_BYTES)
        self.ping_sent_at = now
        if self.ping_timeout is None:
            self._tend_at = now + (self.ping_interval or inf)
        else:
            self._tend_at = now + self.ping_timeout
            self.pending_ping_payload = payload
        self.transport.write(PING + payload)

    def handle_pong(self, event: Frame) -> None:
        was_pinged = self.pending_ping_payload is not None
        super().handle_pong(event)
        if was_pinged and self.pending_ping_payload is None:  # it is the answer
            self._tend_at = self.ping_sent_at + (self.ping_interval or inf)

    def stop_keepalive(self) -> None:
        super().stop_keepalive()
        self._tend_at = inf


def forget_tracebacks(error: BaseException | None) -> None:
    """Of an error and those that it came from."""
    while error:
        error.__traceback__ = None
        error = error.__context__

"""HTTP of uvicorn's, with an end to everything that a client may take its time with."""

from __future__ import annotations

import functools
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .overdue import Connection

HEAD_S = 10.0  # from the connection, or from the first byte after a response, to the end of a request's head
HEAD_BYTES = 64 * 1024
HEADERS = 128  # the websockets library takes no more either
BODY_S = 20.0  # for a body, and a second more for every ...
BODY_BYTES_PER_S = 4 * 1024  # ... bytes of it that have come
PIPELINED = 16  # requests of one connection that wait for their turn
SPARE_FILES = 100  # which connections leave for everything else: databases, Redis, uploads


class TooMuch(Exception):
    """A request that asks for more than it may; httptools has the client told that it is invalid."""


class HttpProtocol(Connection, HttpToolsProtocol):
    """One connection, up to its end or to the websocket that it becomes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._due: float | None = None  # when the request that comes in has to be complete; none comes: None
        self._head_bytes: int | None = None  # of the head that comes in, before this piece of it

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for(HEAD_S)
        if len(self.connections) > room_for_connections():
            transport.write(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            )
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._due is None and self.cycle and self.cycle.response_complete:
            self._wait_for(HEAD_S)
        super().data_received(data)
        if self._head_bytes is not None and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("The head of this request is too large.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._due is None:
            self._wait_for(HEAD_S)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_BYTES or len(self.headers) > HEADERS or len(self.pipeline) >= PIPELINED:
            raise TooMuch
        self._head_bytes = None
        self._wait_for(BODY_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._due is not None:
            self._due += len(body) / BODY_BYTES_PER_S
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._due = None
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment] # it holds this connection, which nobody else does anymore

    def is_overdue(self, now: float) -> bool:
        if self._due is not None and self.flow.read_paused:  # it is us who let it wait
            self._due = max(self._due, now + HEAD_S)
        return (self._due is not None and now >= self._due) or self.is_stuck(now)

    def _wait_for(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds


@functools.cache
def room_for_connections() -> int:
    """How many connections there can be at once: each is an open file."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(files - SPARE_FILES, files // 2)

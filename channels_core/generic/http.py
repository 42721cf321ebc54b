"""HTTP consumers: a request is answered at once, in parts, or when something happens elsewhere."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ..consumer import AsyncConsumer
from ..db import tidy_if_used
from ..exceptions import RequestTimeout, StopConsumer
from ..types import Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

Headers = Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]]


class BodyTimeout(RequestTimeout):
    """The body of the request did not come within ``body_timeout_s``."""


class AsyncHttpConsumer(AsyncConsumer):
    """
    One HTTP request, with coroutine methods: override ``handle``, and ``disconnect`` to clean up.

    ``handle`` answers with ``send_response``, or in parts with ``send_headers`` and ``send_body``. It may
    return before the last part, and even before the first: handlers of events from the channel layer then go
    on with the response. The consumer ends with the response, or when the client leaves; if ``handle`` is
    still at work on the response then, it is cancelled.

    ``disconnect`` runs once for every request, whatever ended it.
    """

    max_body_bytes: int | None = None  # a longer request is answered with 413
    body_timeout_s: float | None = None  # one that takes longer to arrive is answered with 408

    _receive: Receive
    _send: Send

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.body: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self.body = []
        self._body_bytes = 0
        self._body_deadline = None
        if self.body_timeout_s is not None:
            self._body_deadline = asyncio.get_running_loop().time() + self.body_timeout_s
        self._leaving: asyncio.Task[Message] | None = None  # waits for the client to go, once its request is here
        self._has_begun = False  # from the first message of the client to the clean-up
        self._is_started = self._is_complete = False  # the response
        try:
            await super().__call__(scope, self._next_message, self._send_part)
        except BodyTimeout:
            await self._refuse(408, f"The request took longer than {self.body_timeout_s} s to arrive.")
        except Exception:
            self._log_failure()
            await self._end_after_error()
            raise
        finally:
            try:
                await self._end()
            finally:
                if self._leaving:
                    self._leaving.cancel()
                    await asyncio.gather(self._leaving, return_exceptions=True)

    async def send_headers(self, *, status: int = 200, headers: Headers | None = None) -> None:
        """Start the response; servers keep it back until the first part of the body, which may be empty."""
        if headers is None:
            headers = []
        elif isinstance(headers, Mapping):
            headers = list(headers.items())
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def send_body(self, body: bytes, *, more_body: bool = False) -> None:
        """Send a part of the body: the last one, unless there is ``more_body`` to come."""
        if not isinstance(body, bytes):
            raise AssertionError(f"Expected a body of bytes, but got a {type(body).__name__}.")
        await self.send({"type": "http.response.body", "body": body, "more_body": more_body})

    async def send_response(self, status: int, body: bytes, **kwargs: Any) -> None:
        """Send a whole response; ``headers`` may be given too."""
        await self.send_headers(status=status, **kwargs)
        await self.send_body(body)

    async def handle(self, body: bytes) -> None:
        """The request has come, with all of its body: answer it."""
        raise NotImplementedError(f"{type(self).__qualname__} must implement handle().")

    async def disconnect(self) -> None:
        """The request is over, answered or not."""

    async def dispatch(self, message: Message) -> None:
        await super().dispatch(message)
        if self._is_complete:
            raise StopConsumer

    async def http_request(self, message: Message) -> None:
        if part := message.get("body"):
            self.body.append(part)
            self._body_bytes += len(part)
        if self.max_body_bytes is not None and self._body_bytes > self.max_body_bytes:
            await self._refuse(413, f"Expected a body of at most {self.max_body_bytes} bytes.")
            raise StopConsumer
        if not message.get("more_body"):
            await self._handle(b"".join(self.body))

    async def http_disconnect(self, message: Message) -> None:
        await self._end()
        raise StopConsumer

    async def _handle(self, body: bytes) -> None:
        """Run ``handle`` as long as somebody waits for what it does."""
        leaving = self._leaving
        assert leaving is not None  # since the last part of the request was received
        is_working = True
        try:
            async with asyncio.timeout(None) as patience:

                def give_up(_: asyncio.Task[Message]) -> None:
                    # Servers tell the end of a complete response as a disconnect too; what ``handle`` does
                    # behind that is its own affair.
                    if is_working and not self._is_complete:
                        patience.reschedule(0)

                leaving.add_done_callback(give_up)
                try:
                    await self.handle(body)
                finally:
                    is_working = False
        except TimeoutError:
            if not patience.expired():
                raise
        if self._is_complete:
            return
        if leaving.done():
            leaving.result()  # it may be the server that failed
            raise StopConsumer
        if self.channel_layer is None:
            raise RuntimeError(
                f"{type(self).__qualname__}.handle() returned before the response was complete, and there is no "
                "channel layer whose events could go on with it."
            )

    async def _next_message(self) -> Message:
        """What the client sends: the parts of its request, then only that it leaves."""
        if self._leaving:
            return await asyncio.shield(self._leaving)
        try:
            async with asyncio.timeout_at(self._body_deadline) as deadline:
                message = await self._receive()
        except TimeoutError:
            if deadline.expired():
                raise BodyTimeout from None
            raise
        self._has_begun = True
        if message["type"] == "http.request" and not message.get("more_body"):
            # Listened for from now on, and not only between two handlers.
            self._leaving = asyncio.create_task(self._disconnect_of_the_client())
        return message

    async def _disconnect_of_the_client(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.disconnect":
            raise ValueError(f"Expected nothing but http.disconnect behind a request, but got {message['type']!r}.")
        return message

    async def _send_part(self, message: Message) -> None:
        """Send a part of the response; behind its end, and to nobody, it does nothing."""
        if self._is_complete or (self._leaving and self._leaving.done()):
            logger.debug("Dropped a %s: the request is over.", message["type"])
            return
        if message["type"] == "http.response.start":
            self._is_started = True
        elif message["type"] == "http.response.body":
            self._is_complete = not message.get("more_body")
        await self._send(message)

    async def _refuse(self, status: int, reason: str) -> None:
        """Answer with a sentence, unless an event of the layer has begun to answer."""
        if not self._is_started:
            await self.send_response(status, reason.encode(), headers=[(b"content-type", b"text/plain")])

    async def _end_after_error(self) -> None:
        try:
            await self._end()
        except Exception:
            logger.exception("%s failed once more while it was cleaning up.", type(self).__qualname__)

    async def _end(self) -> None:
        """Let the consumer clean up; the first call does it."""
        if self._has_begun:
            self._has_begun = False
            await self.disconnect()
            await tidy_if_used()

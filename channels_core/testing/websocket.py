# ruff: noqa: ASYNC109 - callers of Channels' communicators give a timeout
"""The communicator for websocket applications."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from ..types import ASGIApplication
from .application import ApplicationCommunicator, expect, expect_type


class WebsocketCommunicator(ApplicationCommunicator):
    """
    A websocket client for ``application``: connect, send and receive frames, disconnect.

    Args:
        path: as in a URL: may be quoted and have a query.
        headers: pairs of bytes.
        subprotocols: what the client offers.
        spec_version: of ASGI, put into the scope.
    """

    def __init__(
        self,
        application: ASGIApplication,
        path: str,
        headers: Iterable[tuple[bytes, bytes]] | None = None,
        subprotocols: Iterable[str] | None = None,
        spec_version: str | None = None,
    ) -> None:
        if not isinstance(path, str):
            raise TypeError(f"path must be a str, but is a {type(path).__name__}.")
        url = urlsplit(path)
        scope: dict[str, Any] = {
            "type": "websocket",
            "path": unquote(url.path),
            "query_string": url.query.encode(),
            "headers": list(headers or ()),
            "subprotocols": list(subprotocols or ()),
        }
        if spec_version is not None:
            scope["spec_version"] = spec_version
        super().__init__(application, scope)
        self.response_headers: list[tuple[bytes, bytes]] | None = None

    async def connect(self, timeout: float = 1) -> tuple[bool, str | int | None]:
        """``(True, subprotocol or None)`` once accepted, or ``(False, close code)`` when refused."""
        await self.send_input({"type": "websocket.connect"})
        message = await self.receive_output(timeout)
        if message["type"] == "websocket.close":
            return False, message.get("code", 1000)
        expect_type(message, "websocket.accept")
        self.response_headers = message.get("headers", [])
        return True, message.get("subprotocol")

    async def send_to(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send one frame, text or binary; it may be empty."""
        expect((text_data is None) != (bytes_data is None), "Give either text_data or bytes_data.")
        if bytes_data is None:
            expect(isinstance(text_data, str), f"text_data must be a str, but is {text_data!r}.")
            await self.send_input({"type": "websocket.receive", "text": text_data})
        else:
            expect(isinstance(bytes_data, bytes), f"bytes_data must be bytes, but is {bytes_data!r}.")
            await self.send_input({"type": "websocket.receive", "bytes": bytes_data})

    async def send_json_to(self, data: Any) -> None:
        """Send ``data`` as JSON in a text frame."""
        await self.send_to(text_data=json.dumps(data))

    async def receive_from(self, timeout: float = 1) -> str | bytes:
        """The content of the next frame: text or binary."""
        message = await self.receive_output(timeout)
        expect_type(message, "websocket.send")
        expect(("text" in message) != ("bytes" in message), f"Either text or bytes, but got {message}.")
        content: str | bytes = message["text"] if "text" in message else message["bytes"]
        expect(isinstance(content, str if "text" in message else bytes), f"No such frame: {message}.")
        return content

    async def receive_json_from(self, timeout: float = 1) -> Any:
        """The next frame, a text frame, decoded from JSON."""
        content = await self.receive_from(timeout)
        expect(isinstance(content, str), f"Expected a text frame with JSON, but got {content!r}.")
        return json.loads(content)

    async def disconnect(self, code: int = 1000, timeout: float = 1) -> None:
        """Leave, and wait until the application has ended."""
        await self.send_input({"type": "websocket.disconnect", "code": code})
        await self.wait(timeout)

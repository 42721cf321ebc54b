# ruff: noqa: ASYNC109 - callers of Channels' communicators give a timeout
"""The communicator for HTTP applications."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from ..types import ASGIApplication
from .application import ApplicationCommunicator, expect, expect_type


class HttpCommunicator(ApplicationCommunicator):
    """
    An HTTP client that sends one request to ``application``.

    ``get_response`` is all that most tests need. For a response that comes in parts or late, use
    ``send_request``, ``receive_output`` for each message, and ``disconnect`` to leave before its end.

    Args:
        path: as in a URL: may be quoted and have a query.
        headers: pairs of bytes.
    """

    def __init__(
        self,
        application: ASGIApplication,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] | None = None,
    ) -> None:
        expect(isinstance(body, bytes), f"body must be bytes, but is a {type(body).__name__}.")
        url = urlsplit(path)
        scope: dict[str, Any] = {
            "type": "http",
            "http_version": "1.1",
            "method": method.upper(),
            "path": unquote(url.path),
            "query_string": url.query.encode(),
            "headers": list(headers or ()),
        }
        super().__init__(application, scope)
        self.body = body
        self.sent_request = False

    async def send_request(self) -> None:
        """Send the request; once is enough, the calls after the first do nothing."""
        if not self.sent_request:
            self.sent_request = True
            await self.send_input({"type": "http.request", "body": self.body})

    async def get_response(self, timeout: float = 1) -> dict[str, Any]:
        """
        The whole response, as a dict with ``status``, ``headers`` and ``body``.

        ``timeout`` is for each message of it. The request is sent unless it has been.
        """
        await self.send_request()
        response = await self.receive_output(timeout)
        expect_type(response, "http.response.start")
        del response["type"]
        response.setdefault("headers", [])
        parts = []
        more_body = True
        while more_body:
            message = await self.receive_output(timeout)
            expect_type(message, "http.response.body")
            parts.append(message.get("body", b""))
            more_body = message.get("more_body", False)
        response["body"] = b"".join(parts)
        return response

    async def disconnect(self, timeout: float = 1) -> None:
        """Leave, and wait until the application has ended."""
        await self.send_input({"type": "http.disconnect"})
        await self.wait(timeout)

"""
Daphne, told to close connections the way ASGI describes.

By itself it drops the reason of a close, turns the codes 1001 to 2999 into an error of its own, and cuts the
line on a frame that it cannot read, so that a browser learns nothing.
"""

from __future__ import annotations

from typing import Any

from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

MAX_REASON_BYTES = 123  # RFC 6455, section 5.5: a control frame has 125 bytes, two of them the code


class Protocol(WebSocketProtocol):  # type: ignore[misc]
    """One websocket connection; the factory below makes it."""

    def onConnect(self, request: Any) -> Any:
        self.failByDrop = False  # Autobahn has set it from its own default meanwhile
        return super().onConnect(request)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do what the application sent."""
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            reason = (message.get("reason") or "").encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            self.sendCloseFrame(code=message.get("code", 1000), reasonUtf8=reason.encode(), isReply=False)
        else:
            super().handle_reply(message)


def install() -> None:
    """Make every Daphne server of this process use ``Protocol``."""
    WebSocketFactory.protocol = Protocol

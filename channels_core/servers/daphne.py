"""
Daphne, told to close connections the way ASGI describes, and to let applications end.

By itself it drops the reason of a close, turns the codes 1001 to 2999 into an error of its own, and cuts the
line on a frame that it cannot read, so that a browser learns nothing. And when it stops with a websocket
open, it stumbles over it and ends without a word to the applications.
"""

from __future__ import annotations

import asyncio
from typing import Any

from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet.defer import Deferred

MAX_REASON_BYTES = 123  # RFC 6455, section 5.5: a control frame has 125 bytes, two of them the code
APPLICATIONS_END_WITHIN_S = 10


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


def end_applications(server: Server) -> Deferred[Any] | None:
    """Cancel what still runs when the server stops; it goes on stopping when all of it has cleaned up."""
    # A handshake stays listed as a request too, which has none.
    applications = [details.get("application_instance") for details in server.connections.values()]
    running = [application for application in applications if application and not application.done()]
    if not running:
        return None
    for application in running:
        application.cancel()
    return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(running, timeout=APPLICATIONS_END_WITHIN_S)))


def install() -> None:
    """Make every Daphne server of this process work like this."""
    WebSocketFactory.protocol = Protocol
    Server.kill_all_applications = end_applications

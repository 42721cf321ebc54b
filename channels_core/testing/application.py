# ruff: noqa: ASYNC109 - callers of Channels' communicators give a timeout
"""The communicator for any ASGI application."""

from __future__ import annotations

import asyncio
from typing import Any

from asgiref.testing import ApplicationCommunicator as BaseCommunicator

from ..db import keep_connections
from ..types import ASGIApplication, Message, Receive, Scope, Send


class ApplicationCommunicator(BaseCommunicator):
    """
    Runs ``application`` for one scope: send it messages, receive what it sends.

    Database connections that it uses stay open, since a test's transaction lives on them.
    """

    # Looked for when the object goes, even if a constructor has raised.
    _future: asyncio.Task[Any] | None = None

    def __init__(self, application: ASGIApplication, scope: Scope) -> None:
        super().__init__(application, scope)
        self.application = _keeping_connections(self.application)

    async def receive_output(self, timeout: float = 1) -> Message:
        """
        The next message from the application, within ``timeout`` seconds.

        Raises:
            TimeoutError: there was none; the application has been cancelled.
            Exception: what ended the application, instead of the close that tells its client.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        message: Message = await super().receive_output(timeout)
        if message.get("type") == "websocket.close":
            if message.get("code") == 1011 and not self.future.done():
                # The consumer's answer to an exception. It cleans up before it passes that on.
                await asyncio.wait([self.future], timeout=deadline - loop.time())
            if self.future.done():
                self.future.result()
        return message


def _keeping_connections(application: ASGIApplication) -> ASGIApplication:
    async def run(scope: Scope, receive: Receive, send: Send) -> Any:
        # In the application's task, which starts with an empty context: it and what it starts see this,
        # and nobody else does.
        keep_connections.set(True)
        return await application(scope, receive, send)

    return run


def expect(holds: bool, otherwise: str) -> None:
    """A test's ``assert``, which stays one when Python runs optimised."""
    if not holds:
        raise AssertionError(otherwise)


def expect_type(message: Message, expected: str) -> None:
    """The ``assert`` that ``message`` is of the type ``expected``."""
    expect(message["type"] == expected, f"Expected type '{expected}', but was '{message['type']}'")

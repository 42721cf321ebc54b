"""What has come for an application and waits to be received."""

from __future__ import annotations

import asyncio
from typing import Any


class Inbox:
    """
    In place of the ``asyncio.Queue`` that uvicorn gives to each connection.

    That one takes 3 KB for an idle connection. This has the part of it that uvicorn uses, without bounds:
    reading from the client stops as soon as there is something in it.
    """

    __slots__ = ("_messages", "_readers")

    def __init__(self) -> None:
        self._messages: list[Any] = []  # one or two, mostly
        self._readers: list[asyncio.Future[None]] = []

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        """Add a message behind the others."""
        self._messages.append(message)
        self._wake_reader()

    def get_nowait(self) -> Any:
        """
        Take the first message.

        Raises:
            asyncio.QueueEmpty: there is none.
        """
        if not self._messages:
            raise asyncio.QueueEmpty
        return self._messages.pop(0)

    async def get(self) -> Any:
        """Take the first message, as soon as there is one; who is cancelled takes none."""
        while not self._messages:
            reader = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            except BaseException:
                if reader in self._readers:
                    self._readers.remove(reader)
                self._wake_reader()  # another one, in place of this, which may have been woken before
                raise
        return self._messages.pop(0)

    def _wake_reader(self) -> None:
        while self._readers and self._messages:
            reader = self._readers.pop(0)
            if not reader.done():
                return reader.set_result(None)

"""What stands before a socket that takes no more: who has something to send passes in the order of coming."""

from __future__ import annotations

import asyncio
from collections import deque


class Gate:
    """
    In place of the ``asyncio.Event`` on which the sends of uvicorn's connections wait.

    That one lets a send overtake those that have been let in and not had their turn yet; and it says nothing
    of them, while a ready-made frame must not overtake anybody.
    """

    __slots__ = ("_is_open", "_waiting", "is_free")

    def __init__(self) -> None:
        self.is_free = True  # open, and nobody is waiting
        self._is_open = True
        self._waiting: deque[asyncio.Future[None]] | None = None  # most sockets never need it

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._is_open

    def set(self) -> None:
        """Let those who wait in, one after the other."""
        self._is_open = True
        self._let_next_in()

    def clear(self) -> None:
        """Close; one who has been let in already passes."""
        self._is_open = self.is_free = False

    async def wait(self) -> None:
        """Return when it is open and everybody who came before has passed: at once, mostly."""
        if self.is_free:
            return
        self._waiting = waiting = self._waiting or deque()
        turn = asyncio.get_running_loop().create_future()
        waiting.append(turn)
        try:
            await turn
        finally:
            waiting.remove(turn)
            self._let_next_in()

    def _let_next_in(self) -> None:
        if not self._is_open:
            return
        if not self._waiting:
            self.is_free = True
        elif not self._waiting[0].done():
            self._waiting[0].set_result(None)

"""What every connection of ours has: it can be asked, once a second, whether its client has let us wait too long."""

from __future__ import annotations

import asyncio

STUCK_S = 20.0  # for a client that takes nothing of what is being sent to it


class Connection(asyncio.Protocol):
    """Goes before a protocol class of uvicorn's; one look in a second costs less than a timer for each."""

    transport: asyncio.Transport
    _stuck: tuple[int, float] | None = None  # how many bytes wait for the client, and since when so many

    def is_overdue(self, now: float) -> bool:
        """Whether this connection has had its time at ``now``, in the event loop's seconds."""
        raise NotImplementedError("A connection says what it waits for.")

    def give_up(self) -> None:
        """End it at once, whatever is still to be sent."""
        self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.transport.get_write_buffer_size(), asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stuck = None

    def is_stuck(self, now: float) -> bool:
        """Whether the client has taken nothing for ``STUCK_S``, though there is more than a little for it."""
        if self._stuck is None and not self.transport.is_closing():
            return False
        waiting = self.transport.get_write_buffer_size()
        if self._stuck is None or waiting < self._stuck[0]:
            self._stuck = waiting, now
        return now - self._stuck[1] >= STUCK_S

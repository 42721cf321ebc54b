"""A timer that is exact to some microseconds: those of event loops count in milliseconds."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
import time

_libc = ctypes.CDLL(None, use_errno=True)
# timerfd_create(2), with the kernel's numbers for it.
CLOCK_MONOTONIC = 1
TFD_NONBLOCK = os.O_NONBLOCK
TFD_TIMER_ABSTIME = 1


class Timer:
    """Wakes one coroutine of a running loop at a time of the monotonic clock."""

    def __init__(self) -> None:
        self._fd = _libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed.")
        self._due: asyncio.Future[None] | None = None
        asyncio.get_running_loop().add_reader(self._fd, self._wake)

    async def wait_until(self, at_ns: int) -> None:
        """Return at that time; at once if it has gone by."""
        if at_ns <= time.monotonic_ns():
            return
        self._due = asyncio.get_running_loop().create_future()
        # struct itimerspec: no interval, then the time, in seconds and nanoseconds.
        _libc.timerfd_settime(self._fd, TFD_TIMER_ABSTIME, struct.pack("@llll", 0, 0, *divmod(at_ns, 10**9)), None)
        await self._due

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def _wake(self) -> None:
        os.read(self._fd, 8)
        if self._due and not self._due.done():
            self._due.set_result(None)

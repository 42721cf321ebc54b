"""
uvicorn, with the limits that this runtime is made for, and an end that cuts nobody off.

By itself uvicorn closes its listener and every websocket in the moment in which it is told to stop. Here it
drains: see ``Server``. And once a second it looks for connections whose client lets it wait for too long.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from ..meters import drops, each_second, meters
from .http import HttpProtocol
from .overdue import Connection
from .websocket import WebSocketProtocol

logger = logging.getLogger(__name__)

# The drain, in seconds.
NOTICE_S = 2.0  # from the moment in which readiness turns red until the listener closes
SPREAD_S = 5.0  # within which sockets are closed, at most
CLOSES_PER_S = 100  # the pace at which a few are closed
END_S = 11.0  # from the start; what has not come to its end by then is cut off
CUT_OFF_S = 2  # for what was cut off to notice; then it is cancelled
CLEAN_UP_S = 1.0  # for what was cancelled to clean up

TICK_S = 0.1  # how often uvicorn looks around


# What the runtime is made for, as uvicorn's ``Config`` takes it.
DEFAULTS: dict[str, Any] = {
    "loop": "uvloop",
    "http": HttpProtocol,
    "ws": WebSocketProtocol,
    "ws_per_message_deflate": False,  # frames are small, and it would encode for each recipient anew
    "ws_max_size": 2**20,  # bytes of a frame from a client
    "ws_ping_interval": 20.0,
    "ws_ping_timeout": 20.0,
    "timeout_graceful_shutdown": CUT_OFF_S,
    "access_log": False,  # the proxy writes one
    "server_header": False,
}


class Server(uvicorn.Server):
    """
    A uvicorn server that drains before it stops.

    On SIGTERM ``meters.is_draining`` is set, for the application to tell in its readiness, and handshakes
    are refused with 503. After 2 s the listener closes. Then websockets are told to end, spread over at most
    5 s, so that their clients do not come back as one wave, and everything that runs has until 11 s to end by
    itself. SIGINT leaves the waiting out.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._is_in_a_hurry = False
        self._ticked_at: float | None = None
        self._worst_lag_s = 0.0
        self._ticks = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._is_in_a_hurry = self._is_in_a_hurry or sig != signal.SIGTERM
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        now = asyncio.get_running_loop().time()
        if self._ticked_at is not None:
            self._worst_lag_s = max(self._worst_lag_s, now - self._ticked_at - TICK_S)
        if counter % 10 == 0:
            meters.loop_lag_s, self._worst_lag_s = self._worst_lag_s, 0.0
            acts: list[Callable[[], None]] = [partial(self._give_up_overdue, now), *each_second]
            for act in acts:
                try:
                    act()
                except Exception:  # it would end the server, with everybody who is connected
                    logger.exception("What is done once a second failed: %s.", act)
        is_over = await super().on_tick(counter)
        self._ticked_at = asyncio.get_running_loop().time()
        return is_over

    def _give_up_overdue(self, now: float) -> None:
        """End what a client lets us wait for: handshakes that never come, answers that nobody reads."""
        connections = (each for each in self.server_state.connections if isinstance(each, Connection))
        overdue = [connection for connection in connections if connection.is_overdue(now)]
        for connection in overdue:
            connection.give_up()
        if overdue:
            drops["overdue"] += len(overdue)
            logger.info("Gave up %d connections whose clients let us wait.", len(overdue))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._drain(sockets or [])
        for connection in list(self.server_state.connections):
            if not isinstance(connection, WebSocketProtocol):
                connection.transport.abort()  # a stream without end hears of it, and ends
        await super().shutdown(sockets)  # closes sockets that are left, and cancels what does not mind
        await self._clean_up()

    async def _drain(self, sockets: list[socket.socket]) -> None:
        meters.is_draining = True
        end = asyncio.get_running_loop().time() + END_S
        logger.info("Stopping, with %d connections open.", len(self.server_state.connections))
        await self._tick_while(lambda: not self._is_in_a_hurry, NOTICE_S)
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()
        for connection in list(self.server_state.connections):
            if not isinstance(connection, WebSocketProtocol):
                connection.shutdown()  # ends what is idle, and tells the others that there is no next request
        await self._close_websockets()
        await self._tick_while(self._is_busy, end - asyncio.get_running_loop().time())

    async def _clean_up(self) -> None:
        """Let what has been cancelled come to its end: the process may be gone as soon as we return."""
        if self.force_exit:  # uvicorn would leave it as it is
            for task in self.server_state.tasks:
                task.cancel()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=CLEAN_UP_S)

    async def _close_websockets(self) -> None:
        """Ask them to end, in no order of their own, a slice with each tick."""
        leaving = [each for each in self.server_state.connections if isinstance(each, WebSocketProtocol)]
        random.shuffle(leaving)
        spread_s = 0 if self._is_in_a_hurry else min(SPREAD_S, len(leaving) / CLOSES_PER_S)
        slices = max(1, round(spread_s / TICK_S))
        for number in range(slices):
            if number:
                await self._tick_while(lambda: not self._is_in_a_hurry, TICK_S)
            for connection in leaving[number::slices]:
                connection.drain()

    def _is_busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _tick_while(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Wait as long as ``condition()`` holds, at most ``timeout_s``, and do meanwhile what is due regularly."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while condition() and not self.force_exit and (left := deadline - loop.time()) > 0:
            await asyncio.sleep(min(TICK_S, left))
            self._ticks += 1
            await self.on_tick(self._ticks)

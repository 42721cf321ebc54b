"""The one way to a socket: keeps the order of what a consumer sends and what a hub writes."""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any

from .exceptions import StopConsumer
from .frames import Burst
from .meters import drops, meters
from .types import Message, Send

logger = logging.getLogger(__name__)

TOO_SLOW = 1013  # "try again later", RFC 6455's registry of close codes
CAPACITY_BYTES = 2**22


class Outbox:
    """
    Wraps the ``send`` of one websocket connection.

    A consumer awaits ``send``; a hub calls ``write``, which never waits: what the socket cannot take now
    is queued here, behind what came before. A socket that falls ``capacity`` events or ``CAPACITY_BYTES``
    behind is closed with 1013, so that a slow reader costs itself only. After a close everything else is
    dropped quietly. What is written before the handshake is answered follows the accept, or goes with the refusal.

    Args:
        send: the server's.
        capacity: in events.
        write_frames: where the server takes ready-made frames, its function for that: it returns whether it has
            written them, or False where they have to go through ``send``.
    """

    __slots__ = ("_busy", "_bytes", "_capacity", "_queue", "_send", "_task", "_write_frames", "is_accepted", "is_open")

    def __init__(self, send: Send, capacity: int = 256, write_frames: Callable[[bytes], bool] | None = None) -> None:
        self.is_accepted = False
        self.is_open = True
        self._send = send
        self._write_frames = write_frames
        self._capacity = capacity
        # A list, which is small while it is empty, as it is with most sockets, and short else.
        self._queue: list[tuple[Message, asyncio.Future[None] | None]] = []
        self._bytes = 0  # that have been written and are queued
        # The server's send has been called and waits, or the handshake is not answered yet: what is written waits.
        self._busy = True
        self._task: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        """
        Send after everything before it has been taken; errors of the server come out here.

        Raises:
            StopConsumer: the client has gone, which the server says by an ``OSError`` (ASGI specification,
                "Send after disconnect").
        """
        if not self._admits(message):
            return await asyncio.sleep(0)  # who sends without end must not keep the loop to itself
        if self._busy and self.is_accepted:  # else it answers the handshake
            taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append((message, taken))
            return await taken
        self._busy = True
        try:
            await self._send(message)
        except OSError as error:
            self._lost(error)
            raise StopConsumer from error
        finally:
            self._busy = not self.is_accepted
            if self._queue and self.is_accepted:
                self._start(self._drain())

    def write(self, burst: Burst) -> None:
        """Send what a hub has for this socket: at once if the socket is ready, else in its turn."""
        if not self.is_open:
            drops["after_close"] += len(burst.texts)
        elif self._write_frames and not self._busy and self._write_frames(burst.frames):
            meters.sent += len(burst.texts)
        else:
            meters.sent += len(burst.texts)
            for event in burst.events:
                if self.is_open:  # the one before may have been too much
                    self._put(event)

    def push(self, message: Message) -> None:
        """Send without waiting: at once if the socket is ready, else in its turn."""
        if self._admits(message):
            self._put(message)

    def _put(self, message: Message) -> None:
        if self._busy:
            self._enqueue(message)
            return
        sending = _steps(self._send(message))
        try:
            # Most sends end without waiting: stepping them here saves a task for each.
            waits_for = sending.send(None)
        except StopIteration:
            return
        except (Exception, asyncio.CancelledError) as error:
            return self._lost(error)
        self._start(self._drain(_resume(sending, waits_for)))

    def _enqueue(self, message: Message) -> None:
        self._queue.append((message, None))
        self._bytes += _size(message)
        if len(self._queue) > self._capacity or self._bytes > CAPACITY_BYTES:
            self._overflow()

    def close(self) -> None:
        """Take nothing more, and give up what waits: the connection is over."""
        self.is_open = False
        self._forget_queue()
        if self._task:
            self._task.cancel()

    def _admits(self, message: Message) -> bool:
        if not self.is_open:
            drops["after_close"] += 1
            logger.debug("Dropped a %s after the close of its connection.", message["type"])
            return False
        if message["type"] == "websocket.send":
            meters.sent += 1
        elif message["type"] == "websocket.accept":
            if not self.is_accepted:
                self.is_accepted, self._busy = True, False
        elif message["type"] == "websocket.close":
            self.is_open = False
            if not self.is_accepted:  # that is the answer: what has waited for another is void
                self._forget_queue()
                self._busy = False
        return True

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._busy = True
        self._task = asyncio.ensure_future(work)  # kept here: the loop holds tasks by weak references only

    async def _drain(self, first: Awaitable[None] | None = None) -> None:
        """Send what is queued, one after the other."""
        try:
            if first is not None:
                await first
            while self._queue:
                message, taken = self._queue.pop(0)
                if taken is None:
                    self._bytes -= _size(message)
                try:
                    await self._send(message)
                except Exception as error:
                    if taken is None or taken.done():
                        raise
                    taken.set_exception(StopConsumer() if isinstance(error, OSError) else error)
                finally:  # where the connection ends meanwhile, too
                    if taken and not taken.done():
                        taken.set_result(None)
        except Exception as error:
            self._lost(error)
        finally:
            self._busy = False
            self._task = None

    def _overflow(self) -> None:
        drops["slow_socket"] += 1
        fell = len(self._queue), self._bytes
        logger.warning("A connection fell %d events (%d bytes) behind and is closed with %d.", *fell, TOO_SLOW)
        self.is_open = False
        self._forget_queue()
        self._queue.append(({"type": "websocket.close", "code": TOO_SLOW, "reason": "Too slow."}, None))
        if not self.is_accepted:  # it refuses the handshake, which nobody else has answered
            self._start(self._drain())

    def _lost(self, error: BaseException) -> None:
        """The server does not take it: the client has gone, and its disconnect is on the way."""
        logger.debug("A connection takes no more: %r", error)
        self.is_open = False
        self._forget_queue()

    def _forget_queue(self) -> None:
        while self._queue:
            _, taken = self._queue.pop(0)
            if taken and not taken.done():
                taken.set_result(None)


def _size(message: Message) -> int:
    return len(message.get("text") or message.get("bytes") or b"")


def _steps(awaitable: Awaitable[None]) -> Generator[Any, Any, None]:
    """What a coroutine or a future gives to the event loop, step by step."""
    if type(awaitable) is types.CoroutineType or isinstance(awaitable, Coroutine):  # the first is the faster question
        return awaitable  # type: ignore[return-value]
    return awaitable.__await__()


@types.coroutine
def _resume(steps: Generator[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that has been stepped once and waits for ``waits_for``."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:
            step = partial(steps.throw, error)
        else:
            step = partial(steps.send, sent)
        try:
            waits_for = step()
        except StopIteration:
            return

"""A connection to Redis that nobody has to look after: written once per turn of the event loop, always back soon."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Coroutine, Iterable
from typing import Any, Protocol

from redis.exceptions import ConnectionError, ResponseError

SHORTEST_S, LONGEST_S = 0.05, 1.0  # between two attempts to connect; each is twice the one before, give or take
SETTLED_S = 5.0  # a connection that has lived for so long was a good one: the next begins with the shortest delay
PATIENCE_S = 0.5  # for so long a lost connection is waited for before anybody is refused
CONNECT_S = 2.0  # for reaching the server, unless the options of the host say otherwise,
HANDSHAKE_S = 2.0  # and then for what it says first
ANSWER_S = 1.5  # between one and two of these an answer may take
DEAD_S = 10.0  # a connection that answers nothing for so long is given up
CLOSE_S = 1.0

Waiter = asyncio.Future[None]


class Keeper(Protocol):
    """Who is told how a link is."""

    def away(self, link: Link, error: BaseException) -> None: ...

    def back(self, link: Link) -> None: ...


class Link:
    """
    One connection of one event loop, from the first thing that is to be sent until ``close``.

    A subclass collects what is to be sent and calls ``due``; it is asked for it once per turn of the loop
    (``_collect``), and given one reply after the other (``_take``). All that one read from the socket has brought
    is given before anything else runs.

    Args:
        pool: redis-py's, which knows how to connect.
    """

    def __init__(self, pool: Any, keeper: Keeper) -> None:
        self.error: BaseException | None = None  # why the server is known not to answer now
        self._pool = pool
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._connection: Any = None  # while there is one
        self._running: asyncio.Task[None] | None = None
        self._serving: list[asyncio.Task[None]] = []
        self._given_up: BaseException | None = None  # why the connection is being given up
        self._news = asyncio.Event()
        self._clock: asyncio.TimerHandle | None = None
        self._oldest_seen: Any = None
        self._oldest_since = 0.0

    # For subclasses to define

    def _opened(self) -> None:
        """There is a connection."""
        raise NotImplementedError

    def _answers(self) -> None:
        """The server was slow, and answers again."""
        self._keeper.back(self)

    def _collect(self) -> Iterable[bytes]:
        """What is to be sent now."""
        raise NotImplementedError

    def _take(self, reply: Any) -> None:
        """The next reply, or the error that Redis replied."""
        raise NotImplementedError

    def _oldest(self) -> Any:
        """What has been waiting longest for an answer; None where nobody waits."""
        raise NotImplementedError

    def _refuse(self, error: BaseException) -> None:
        """Nobody is to wait any longer."""
        raise NotImplementedError

    def _reset(self, error: BaseException) -> None:
        """The connection is no more: what was sent and not answered will not be."""
        raise NotImplementedError

    def _lost(self, error: BaseException) -> None:
        """It was not we who ended the connection."""

    # For subclasses to call

    def due(self) -> None:
        """There is something to send, and somebody who waits for its answer."""
        self._news.set()
        if self._clock is None:
            self._clock = self._loop.call_later(ANSWER_S, self._tick)
        if self._running is None or self._running.done():  # cancelled, as all tasks are when an event loop is to end
            self._running = _start(self._run())

    def refusal(self) -> ConnectionError:
        """What to raise while ``error`` says that nothing would be answered."""
        return ConnectionError(f"Redis does not answer: {told(self.error)}")

    async def close(self) -> None:
        """End the connection; who still waits is refused."""
        self._stop_clock()
        self._refuse(ConnectionError("The channel layer was flushed."))
        if self._running:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=2 * CLOSE_S)

    async def _run(self) -> None:
        connection: Any = None
        delay_s, since = SHORTEST_S, self._loop.time()
        try:
            while True:
                try:
                    connection = connection or self._pool.make_connection()
                    async with asyncio.timeout(connection.socket_connect_timeout + HANDSHAKE_S):
                        await connection.connect()
                except Exception as error:  # a wrong option, too: who waits is told, and it is tried again
                    if self._loop.time() - since >= PATIENCE_S:
                        self.error = error
                        self._refuse(self.refusal())
                        self._keeper.away(self, error)
                    await _part(connection)  # which may be open, and not know who we are
                else:
                    begun = self._loop.time()
                    self._lost(await self._serve(connection))
                    since = self._loop.time()
                    if since - begun > SETTLED_S:
                        delay_s = SHORTEST_S
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                delay_s = min(2 * delay_s, LONGEST_S)
        finally:
            await _part(connection)

    async def _serve(self, connection: Any) -> BaseException:
        """Read and write until that fails; returns why."""
        self._connection, self._given_up, self.error = connection, None, None
        self._opened()
        self.due()  # what is sent first may stay without an answer, too
        reading, writing = asyncio.create_task(self._read(connection)), asyncio.create_task(self._write(connection))
        self._serving = [reading, writing]
        try:
            await asyncio.wait(self._serving, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connection = None
            for task in self._serving:
                task.cancel()
            outcomes = await asyncio.gather(*self._serving, return_exceptions=True)
            errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            reason = self._given_up or (errors[0] if errors else ConnectionError("The connection was closed."))
            self._reset(reason)
            await _part(connection)
        return reason

    async def _read(self, connection: Any) -> None:
        read, take = connection.read_response, self._take
        while True:
            try:
                # Not closed by redis-py, which would not wait for the end of it: an event loop that ends needs that.
                reply = await read(disconnect_on_error=False)
            except ResponseError as error:
                reply = error
            if self.error is not None:  # it was slow, and has begun to answer
                self.error = None
                self._answers()
            take(reply)

    async def _write(self, connection: Any) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if commands := self._collect():
                await connection.send_packed_command(commands, check_health=False)

    def _tick(self) -> None:
        """Look whether somebody waits for too long: for an answer, or for a connection."""
        self._clock = None
        oldest, now = self._oldest(), self._loop.time()
        if oldest is None:
            self._oldest_seen = None
            return
        if oldest is not self._oldest_seen:
            self._oldest_seen, self._oldest_since = oldest, now
        else:
            self._overdue(now - self._oldest_since)
        self._clock = self._loop.call_later(ANSWER_S, self._tick)

    def _overdue(self, waited_s: float) -> None:
        if self.error is None:
            self.error = TimeoutError(f"no answer for {waited_s:.1f} s")
            self._keeper.away(self, self.error)
        self._refuse(self.refusal())
        if waited_s >= DEAD_S and self._connection:
            self._given_up = self.error
            for task in self._serving:
                task.cancel()

    def _stop_clock(self) -> None:
        if self._clock:
            self._clock.cancel()
            self._clock = None


async def _part(connection: Any) -> None:
    """Close the connection and wait until it is closed, but not for long."""
    try:
        async with asyncio.timeout(CLOSE_S):
            if connection:
                await connection.disconnect()
    except Exception:  # one that is broken already may say so again, in many ways
        pass


def told(error: BaseException | None) -> str:
    """What an error says, or else what it is: a time limit says nothing, and redis-py's ``repr`` too little."""
    return str(error) or type(error).__name__


def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that outlives the connection which happens to need it first, and therefore has none of its context."""
    return asyncio.create_task(work, context=contextvars.Context())


def fail(waiters: Iterable[Waiter], error: BaseException) -> None:
    """Tell those who still wait that they wait in vain."""
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)

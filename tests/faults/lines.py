"""A socket that comes back, as in static/js/core/socket.js."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.faults.history import Record

CONNECT_WITHIN_S = 10.0
MISSED_BEATS = 2.5
NOT_A_MEMBER = 4403
FINAL_CODES = {1009, 4400, 4401, NOT_A_MEMBER, 4404}
TOO_FAST = 4429
SILENT, DROPPED = 0, 1  # among the close codes: the client itself gave up a dead line, or was told to lose it

Frame = dict[str, Any]


def reconnect_delay(attempt: int, down_s: float, random: Random) -> float:
    """How long to wait before try number ``attempt`` (from 0): full jitter."""
    return random.random() * min(5.0 if down_s < 60 else 30.0, 2.0**attempt)


class Line:
    """
    JSON frames in and out. ``servers`` are the ports of this machine that it may lead to.

    As with a load balancer, each try goes to one of them by chance.
    """

    def __init__(self, record: Record, cookie: str, servers: Sequence[int], random: Random) -> None:
        self.record = record  # how its lines ended goes into it
        self.random = random
        self.is_online = False
        self.may_read = asyncio.Event()  # cleared, it leaves what it is sent lying in the network
        self.may_read.set()
        self.receive_buffer: int | None = None  # bytes that lie there, at most; None: as the system likes
        self.closed_for_good: int | None = None  # the code
        self._cookie, self._servers = cookie, servers
        self._socket: ClientConnection | None = None
        self._silence_s = CONNECT_WITHIN_S
        self._told_delay_s = 0.0
        self._is_dropped = False
        self._asked: dict[int, asyncio.Future[Frame | None]] = {}
        self._last_ref = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def path(self) -> str:
        """The address, read anew for each try."""
        raise NotImplementedError

    def hear(self, frame: Frame) -> None:
        """Take what is told, other than replies."""
        raise NotImplementedError

    def resume(self) -> None:
        """Go on, now that there is a line again."""

    async def live(self) -> None:
        """Be online, and come back, until cancelled or refused for good."""
        loop, attempt, lost_at = asyncio.get_running_loop(), 0, None
        try:
            while not self.closed_for_good:
                if await self._connection():
                    attempt, lost_at = 0, None
                lost_at = lost_at or loop.time()
                delay_s = reconnect_delay(attempt, loop.time() - lost_at, self.random)
                await asyncio.sleep(max(self._told_delay_s, delay_s))
                attempt += 1
        finally:
            for task in self._tasks:
                task.cancel()

    def drop(self) -> None:
        """Lose the line, as when a phone leaves the network."""
        if self._socket:
            self._is_dropped = True
            self._socket.transport.abort()

    def expect_beats(self, beat_s: float) -> None:
        """From now on a silence of more than two beats means that the line is dead."""
        self._silence_s = MISSED_BEATS * beat_s

    async def ask(self, frame: Frame) -> Frame | None:
        """The reply; None when there is no line, or it was lost before the reply came."""
        if not (self._socket and self.is_online):
            return None
        self._last_ref += 1
        answer = self._asked[self._last_ref] = asyncio.get_running_loop().create_future()
        with suppress(websockets.ConnectionClosed):
            await self._socket.send(json.dumps(frame | {"ref": self._last_ref}))
        return await answer

    async def insist(self, frame: Frame) -> Frame | None:
        """Ask until it is answered other than by "not now"."""
        while True:
            reply = await self.ask(frame)
            if not reply or reply["ok"] or not (wait_s := reply["error"].get("retry_after")):
                return reply
            await asyncio.sleep(wait_s)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it beside everything else; a failure goes to the loop's handler."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            raise error

    async def _connection(self) -> bool:
        """One line from its start to its end; whether anything was heard on it."""
        self._told_delay_s, self._silence_s = 0.0, CONNECT_WITHIN_S
        heard = self._is_dropped = False
        try:
            self._socket = line = await self._connect()
        except (OSError, websockets.WebSocketException, TimeoutError):
            self.record.unwelcome += 1
            return False  # nobody is there yet
        try:
            while True:
                await self.may_read.wait()
                async with asyncio.timeout(self._silence_s):
                    frame = json.loads(await line.recv())
                if frame["type"] == "reply":
                    self._settle(frame["ref"], frame)
                else:
                    self.hear(frame)
                if not heard:
                    heard = self.is_online = True
                    self.record.online.append([asyncio.get_running_loop().time()])
                    self.resume()
        except TimeoutError:
            self.record.closes[SILENT] += 1
        except websockets.ConnectionClosed as error:
            self._note(error, heard=heard)
        finally:
            if heard:
                self.record.online[-1].append(asyncio.get_running_loop().time())
            self.is_online, self._socket = False, None
            for ref in list(self._asked):
                self._settle(ref, None)
            line.transport.abort()
        return heard

    def _settle(self, ref: int, reply: Frame | None) -> None:
        answer = self._asked.pop(ref, None)
        if answer and not answer.done():
            answer.set_result(reply)

    def _note(self, error: websockets.ConnectionClosed, *, heard: bool) -> None:
        code = DROPPED if self._is_dropped else error.rcvd.code if error.rcvd else 1006
        self.record.closes[code] += 1
        self.record.unwelcome += code != DROPPED and not heard
        if code in FINAL_CODES:
            self.closed_for_good = code
        elif code == TOO_FAST:
            self._told_delay_s = float(next(word for word in error.rcvd.reason.split() if word.isdigit()))

    async def _connect(self) -> ClientConnection:
        port = self.random.choice(self._servers)
        options: dict[str, Any] = {}
        if self.receive_buffer:
            options["sock"] = sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return await websockets.connect(
            f"ws://127.0.0.1:{port}{self.path}",
            origin=f"http://127.0.0.1:{port}",
            additional_headers={"Cookie": self._cookie},
            open_timeout=CONNECT_WITHIN_S,
            ping_interval=None,
            compression=None,
            max_size=None,
            proxy=None,
            **options,
        )

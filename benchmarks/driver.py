"""
A process full of sockets, in an environment of its own: ``.bench/driver/bin/python -m benchmarks.driver``.

It reads a command in each line of its input, a JSON object, and answers with a line of JSON; ``fleet`` is the other
end. It has to be cheap: a message that arrives is compared with what the neighbour got, and no more.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from collections import Counter
from functools import partial
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from .ledger import Ledger, Member
from .timer import Timer
from .wire import PROTOCOLS, Raw, Said, payload

AT_A_TIME = 8  # handshakes
LOOK_S = 0.002  # how often it is asked whether all has arrived
HANDSHAKE_S = 60.0
STALLED_S = 8.0  # without a message, after which those that are missing are given up


class Socket(WSListener):
    """One member of a room."""

    def __init__(self, room: Room, sender: int) -> None:
        self.room = room
        self.sender = sender
        self.member = Member(room.ledger)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.in_flight = 0  # how many posts it keeps on their way
        self.posted = self.copies = self.acknowledged = 0
        self.is_leaving = False
        self.closed = "without a close frame"

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.room.protocol.is_ready(None):
            self.ready.set_result(None)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        content = frame.get_payload_as_bytes()
        room, member = self.room, self.member
        ledger, position = room.ledger, member.position
        if room.latencies is None and ledger.frames[position] == content:
            member.position = position + 1  # as Member.take does, without the call
            if self.in_flight:
                self._recognise(ledger.said[position])
        elif frame.msg_type == WSMsgType.TEXT:
            self._take(content)
        elif frame.msg_type == WSMsgType.CLOSE:
            self.closed = f"{frame.get_close_code()} {frame.get_close_reason()}"

    def _take(self, content: bytes) -> None:
        room = self.room
        if not self.ready.done():
            if room.protocol.is_ready(content):
                self.ready.set_result(None)
        elif (said := self.member.take(content)) is not None:
            if room.latencies is not None:
                now = time.monotonic_ns()
                room.latencies.extend((now - each.at_ns) // 1000 for each in said)
            if self.in_flight:
                self._recognise(said)
            return
        elif room.protocol.acknowledges:
            try:
                self.acknowledged += room.protocol.is_acknowledgement(content)
            except ValueError as error:
                room.ledger.fault(str(error))
            self.go_on()
        if answer := room.protocol.answer(content):
            self.transport.send(WSMsgType.TEXT, answer)

    def _recognise(self, said: list[Said]) -> None:
        for sender, _, _ in said:
            if sender == self.sender:
                self.copies += 1
                self.go_on()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("The server ended a connection before it was in its room."))
        elif not self.is_leaving:
            self.room.ledger.fault(f"The server ended the connection of sender {self.sender}: {self.closed}.")

    def go_on(self) -> None:
        """Keep as many posts on their way as is wanted."""
        if not self.in_flight or not self.room.is_posting:
            return
        done = min(self.copies, self.acknowledged) if self.room.protocol.acknowledges else self.copies
        while self.posted - done < self.in_flight:
            self.post(time.monotonic_ns())

    def post(self, at_ns: int) -> None:
        self.posted += 1
        said = Said(self.sender, self.posted, at_ns)
        self.transport.send(WSMsgType.TEXT, self.room.protocol.ask(payload(said, self.room.ledger.size), said))


class Room:
    """The members of one room that are in this process."""

    def __init__(self, protocol: Raw) -> None:
        self.protocol = protocol
        self.ledger = Ledger(protocol)
        self.sockets: dict[int, Socket] = {}
        self.is_posting = False
        self.latencies: list[int] | None = None  # in microseconds, of each delivery, where they are wanted

    def posted(self) -> dict[int, int]:
        return {number: socket.posted for number, socket in self.sockets.items() if socket.posted}


class Driver:
    """What it does for each command: the method of that name, with the command's other fields."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    async def open(
        self,
        room: str,
        protocol: str,
        run: int,
        seats: list[tuple[int, str, dict[str, str]]],
        at_a_time: int = AT_A_TIME,
    ) -> dict[str, Any]:
        """Open sockets in a room: each has a number, an address and headers. Returns when all are in the room."""
        here = self.rooms.setdefault(room, Room(PROTOCOLS[protocol](run)))
        left = list(reversed(seats))

        async def open_next() -> None:
            while left:
                number, url, headers = left.pop()
                socket = here.sockets[number] = Socket(here, number)
                await ws_connect(
                    partial(_itself, socket),
                    url,
                    extra_headers=headers,
                    websocket_handshake_timeout=HANDSHAKE_S,
                )
                await asyncio.wait_for(socket.ready, HANDSHAKE_S)

        began = time.monotonic()
        await asyncio.gather(*(open_next() for _ in range(at_a_time)))
        gc.collect()
        gc.freeze()
        return {"seconds": time.monotonic() - began}

    async def close(self, room: str) -> dict[str, Any]:
        """End a room's connections."""
        sockets = self.rooms.pop(room).sockets.values()
        for socket in sockets:
            socket.is_leaving = True
            socket.transport.disconnect()
        for socket in sockets:
            await socket.transport.wait_disconnected()
        return {}

    async def prepare(self, rooms: list[str], size: int, is_timed: bool) -> dict[str, Any]:
        """Before anybody posts anything, in whatever process, every process has to be ready for it."""
        for room in map(self.rooms.__getitem__, rooms):
            room.ledger.clear()
            room.ledger.size = size
            room.latencies = [] if is_timed else None
            for socket in room.sockets.values():
                socket.in_flight = 0
        return {}

    async def post(self, lanes: dict[str, dict[str, int]], seconds: float) -> dict[str, Any]:
        """Closed loop in some rooms: these sockets (by number) keep so many posts each on their way for that time."""
        rooms = {name: self.rooms[name] for name in lanes}
        began = time.monotonic()
        for name, room in rooms.items():
            room.is_posting = True
            for number, in_flight in lanes[name].items():
                socket = room.sockets[int(number)]
                socket.in_flight = in_flight
                socket.copies = socket.acknowledged = socket.posted
                socket.go_on()
        await asyncio.sleep(seconds)
        for room in rooms.values():
            room.is_posting = False
        return self._so_far(rooms, time.monotonic() - began)

    async def pace(
        self, room: str, seconds: float, rate: float, begin_ns: int, seed: int, senders: list[int]
    ) -> dict[str, Any]:
        """Open loop: the room's senders post in turn, at random times, whether or not anything comes back."""
        here = self.rooms[room]
        chance, at_ns, turn = random.Random(seed), float(begin_ns), 0
        timer = Timer()
        while (at_ns := at_ns + chance.expovariate(rate) * 1e9) < begin_ns + seconds * 1e9:
            sender = senders[turn % len(senders)]
            turn += 1
            if sender in here.sockets:
                await timer.wait_until(int(at_ns))
                here.sockets[sender].post(int(at_ns))
        await timer.wait_until(int(begin_ns + seconds * 1e9))
        timer.close()
        return self._so_far({room: here}, seconds)

    async def finish(self, posted: dict[str, dict[str, int]]) -> dict[str, Any]:
        """Wait until everybody has got everything that was posted in some rooms, or nothing comes any more."""
        answer: dict[str, Any] = {"delivered": 0, "faults": [], "latencies_us": []}
        for name, counts in posted.items():
            room = self.rooms[name]
            await self._finish(room.ledger, Counter({int(number): count for number, count in counts.items()}))
            answer["delivered"] += room.ledger.delivered()
            answer["faults"] += room.ledger.faults
            answer["latencies_us"] += room.latencies or []
            room.ledger.faults, room.latencies = [], None
        return answer

    async def _finish(self, ledger: Ledger, expected: Counter[int]) -> None:
        moved, got = time.monotonic(), -1
        while not ledger.is_complete(expected):
            await asyncio.sleep(LOOK_S)
            if (now := ledger.delivered()) != got:
                moved, got = time.monotonic(), now
            elif time.monotonic() - moved > STALLED_S:
                ledger.complain(expected)
                ledger.numbers = expected  # the next run is judged by itself
                return

    def _so_far(self, rooms: dict[str, Room], seconds: float) -> dict[str, Any]:
        return {
            "seconds": seconds,
            "in_time": sum(room.ledger.delivered() for room in rooms.values()),
            "posted": {name: room.posted() for name, room in rooms.items()},
        }


def _itself(socket: Socket) -> Socket:
    return socket


async def main() -> None:
    driver = Driver()
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        try:
            answer = await getattr(driver, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": repr(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    gc.set_threshold(100_000, 50, 50)
    uvloop.run(main())

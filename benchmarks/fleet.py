"""The drivers, seen from the one who measures: sockets that are opened, runs that are driven, what came of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import machine
from .systems import ROOT

if TYPE_CHECKING:
    from .bench import Running

SOCKETS = 250  # of one driver, at most
SOON_NS = 20_000_000  # from a command for an open loop until it begins
SEED = 11


@dataclass
class Run:
    """What came of a run. Deliveries: one message at one member is one, however many share a frame."""

    posts: int = 0
    deliveries: int = 0  # until everybody had everything
    in_time: int = 0  # those of them before the end of the posting
    seconds: float = 0.0  # of posting
    whole_s: float = 0.0  # until everybody had everything
    server_s: float = 0.0  # CPU time until everybody had everything: the server's processes,
    beside_s: float = 0.0  # Redis and the database,
    drivers_s: float = 0.0  # the drivers
    faults: list[str] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Deliveries a second, as long as there was posting."""
        return self.in_time / self.seconds

    def per_delivery_us(self, cpu_s: float) -> float:
        return cpu_s / max(1, self.deliveries) * 1e6


class Driver:
    """One process of sockets; see ``driver``."""

    def __init__(self, cores: Iterable[int]) -> None:
        with machine.pinned(list(cores)):
            self._process = subprocess.Popen(
                [str(ROOT / ".bench/driver/bin/python"), "-m", "benchmarks.driver"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": ""},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        self.pid = self._process.pid
        self.rooms: set[str] = set()
        self.free = SOCKETS

    def tell(self, command: str, **fields: Any) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": command, **fields}) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout
        answer: dict[str, Any] = json.loads(self._process.stdout.readline() or '{"error": "It has ended."}')
        if "error" in answer:
            raise RuntimeError(f"A driver failed: {answer['error']}")
        return answer

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Fleet:
    """As many drivers as the sockets of one server need."""

    def __init__(self, server: Running) -> None:
        self._server = server
        self._drivers: list[Driver] = []
        self._senders: dict[str, list[int]] = {}  # room -> the numbers of its sockets
        self._at: dict[str, dict[Driver, list[int]]] = {}
        self._seats = 0
        self._run = random.getrandbits(32)

    def open(self, room: str, count: int, *, at_a_time: int = 8) -> float:
        """
        Have ``count`` sockets in that room; nothing happens where they are there already.

        Returns the seconds that it took until all of them were in it; ``at_a_time`` handshakes of each driver run
        at once. RuntimeError where the server refuses one.
        """
        if room in self._senders:
            return 0.0
        self._senders[room] = list(range(self._seats, self._seats + count))
        self._seats += count
        self._at[room] = self._spread(room, self._senders[room])
        path, headers = self._server.seats(room, count)
        first = self._senders[room][0]
        began = time.monotonic()
        for driver, numbers in self._at[room].items():
            driver.tell(
                "open",
                room=room,
                protocol=self._server.system.protocol,
                run=self._run,
                seats=[(number, path, headers[number - first]) for number in numbers],
                at_a_time=at_a_time,
            )
        for driver in self._at[room]:
            driver.answer()
        return time.monotonic() - began

    def shut(self, room: str) -> None:
        """Close the sockets of a room."""
        for driver, numbers in self._at.pop(room).items():
            driver.tell("close", room=room)
            driver.answer()
            driver.free += len(numbers)
        del self._senders[room]

    def post(self, *rooms: str, size: int, in_flight: int, seconds: float) -> Run:
        """
        Closed loop: ``in_flight`` posts of ``size`` bytes are on their way all the time, spread over the rooms.

        Who posts does it again when its own copy has come back and, where posts are acknowledged, that too. After
        ``seconds`` it waits until everybody has everything.
        """
        lanes: dict[Driver, dict[str, dict[int, int]]] = defaultdict(dict)
        for number, room in enumerate(rooms):
            wanted = in_flight // len(rooms) + (number < in_flight % len(rooms))
            senders = self._senders[room]
            posters: dict[int, int] = defaultdict(int)
            for each in range(wanted):
                posters[senders[(each * len(senders) // wanted if wanted < len(senders) else each) % len(senders)]] += 1
            for driver, numbers in self._at[room].items():
                lanes[driver][room] = {sender: posters[sender] for sender in numbers if sender in posters}
        self._prepare(rooms, size)
        return self._drive({driver: ("post", {"lanes": mine}) for driver, mine in lanes.items()}, seconds)

    def pace(self, room: str, *, size: int, rate: float, seconds: float) -> Run:
        """Open loop: ``rate`` posts a second at random times, by everybody in turn; ``latencies_ms`` are sorted."""
        self._prepare([room], size, is_timed=True)
        fields = {
            "room": room,
            "rate": rate,
            "begin_ns": time.monotonic_ns() + SOON_NS,
            "seed": SEED,
            "senders": self._senders[room],
        }
        run = self._drive(dict.fromkeys(self._at[room], ("pace", fields)), seconds)
        run.latencies_ms.sort()
        return run

    def _prepare(self, rooms: Iterable[str], size: int, *, is_timed: bool = False) -> None:
        names: dict[Driver, list[str]] = defaultdict(list)
        for room in rooms:
            for driver in self._at[room]:
                names[driver].append(room)
        for driver, mine in names.items():
            driver.tell("prepare", rooms=mine, size=size, is_timed=is_timed)
        for driver in names:
            driver.answer()

    def _drive(self, commands: dict[Driver, tuple[str, dict[str, Any]]], seconds: float) -> Run:
        run = Run()
        pids = [driver.pid for driver in commands]
        began = time.monotonic()
        before = self._server.cpu_s(), self._server.beside_s(), machine.cpu_s(pids)
        for driver, (name, fields) in commands.items():
            driver.tell(name, seconds=seconds, **fields)
        posted: dict[str, dict[str, int]] = defaultdict(dict)
        for driver in commands:
            answer = driver.answer()
            run.in_time += answer["in_time"]
            run.seconds = max(run.seconds, answer["seconds"])
            for room, counts in answer["posted"].items():
                posted[room] |= counts
        for driver in commands:
            driver.tell("finish", posted={room: posted[room] for room in posted if driver in self._at[room]})
        for driver in commands:
            answer = driver.answer()
            run.deliveries += answer["delivered"]
            run.faults += answer["faults"]
            run.latencies_ms += [each / 1000 for each in answer["latencies_us"]]
        if run.faults and (said := self._server.said()):
            run.faults.append(f"The server said: {said}")
        run.whole_s = time.monotonic() - began
        after = self._server.cpu_s(), self._server.beside_s(), machine.cpu_s(pids)
        run.server_s, run.beside_s, run.drivers_s = (end - begin for begin, end in zip(before, after, strict=True))
        run.posts = run.deliveries // max(1, min(len(self._senders[room]) for room in posted))
        return run

    def _spread(self, room: str, numbers: list[int]) -> dict[Driver, list[int]]:
        """A room that fits into one driver is in one; others fill as many as they need."""
        placed: dict[Driver, list[int]] = {}
        left = list(numbers)
        while left:
            fitting = [driver for driver in self._drivers if driver.free >= min(len(left), SOCKETS)]
            driver = fitting[0] if fitting else Driver(self._server.other_cores)
            if not fitting:
                self._drivers.append(driver)
            placed[driver], left = left[: driver.free], left[driver.free :]
            driver.free -= len(placed[driver])
        return placed

    def close(self) -> None:
        for driver in self._drivers:
            driver.stop()

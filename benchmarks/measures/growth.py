"""Whether a message costs each member the same, however many members, rooms, processes and messages there are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.request import urlopen

from .. import inside
from ..bench import Bench, Running
from ..fleet import Fleet
from ..table import Row
from .fanout import BESIDE, SERVER

TITLE = "Growth"
NOTE = (
    "The cost of a message of 60 B for each member, four of them on their way in each room; and what it takes to read, "
    "as things grow. The rooms of 200, 1,000 and 5,000 are open side by side and take five turns. With two workers "
    "each message is published to both, and each has half of the members. Reading: medians of 40 questions to the "
    "database, of which EXPLAIN says that no index is missing. `loop lag`: how late the server's event loop was at "
    "worst for anything else, while the room was written to."
)
LAG = "loop lag ms"
ROUNDS = 1
IN_FLIGHT = 4
RUN_S = 0.8
WARM_UP_S = 0.2
MEMBERS = (200, 1000, 5000)
TURNS = 5
ROOM = 200
ROOMS = (1, 10)  # of ROOM members each
HISTORIES = (1_000, 1_000_000)  # messages


def run(bench: Bench) -> Iterator[Row]:
    if "ours" in bench.names:
        yield from members(bench)
        yield from processes(bench)
    for system in ("chat", "chat-sqlite"):
        if system in bench.names:
            with inside.database(bench, system) as url:
                found = inside.ask(url, "history", sizes=HISTORIES)
            for size, values in zip(HISTORIES, found, strict=True):
                yield Row(system, f"history of {size:,}", values)


def members(bench: Bench) -> Iterator[Row]:
    """Rooms of several sizes, which take their turns; and rooms that become more."""
    with bench.start("ours") as server:
        with bench.fleet(server) as fleet:
            for count in MEMBERS:
                fleet.open(f"members-{count}", count)
            for turn in range(TURNS):
                for count in MEMBERS:
                    row = cost(server, fleet, [f"members-{count}"], f"room of {count:,}")
                    lag = {LAG: lag_ms(server)} if turn == TURNS - 1 else {}
                    yield Row(row.system, row.case, row.values | lag, row.faults)
        for count in ROOMS:
            with bench.fleet(server) as fleet:
                names = [f"rooms-{count}-{number}" for number in range(count)]
                for name in names:
                    fleet.open(name, ROOM)
                yield cost(server, fleet, names, f"{count} x {ROOM}")


def processes(bench: Bench) -> Iterator[Row]:
    """The same room, in one process and in two."""
    for workers in (1, 2):
        with bench.start("ours", workers=workers) as server, bench.fleet(server) as fleet:
            fleet.open("processes", ROOM)
            yield cost(server, fleet, ["processes"], f"{workers} workers, room of {ROOM}")


def lag_ms(server: Running) -> float:
    """How late the event loop was at worst in the seconds around now."""
    lags = []
    for _ in range(2):
        with urlopen(server.url) as answer:
            lags.append(float(answer.read()))
        time.sleep(1)  # it is told once a second
    return max(lags) * 1000


def cost(server: Running, fleet: Fleet, rooms: list[str], case: str) -> Row:
    in_flight = IN_FLIGHT * len(rooms)
    before = fleet.post(*rooms, size=60, in_flight=in_flight, seconds=WARM_UP_S)
    run = fleet.post(*rooms, size=60, in_flight=in_flight, seconds=RUN_S)
    values = {SERVER: run.per_delivery_us(run.server_s), BESIDE: run.per_delivery_us(run.beside_s)}
    return Row(server.system.name, case, values, before.faults + run.faults)

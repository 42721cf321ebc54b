"""What one message costs the server for each member that gets it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bench import Bench, Running
from ..fleet import Fleet
from ..table import Result, Row, grid

TITLE = "Server CPU per delivery"
NOTE = (
    "Microseconds of CPU time (user's and kernel's) of the server's processes for each message at each member; one "
    "worker, on a core of its own. Closed loop: whoever posts does it again when the own copy is back and, for the "
    "chat, when it is acknowledged, too. 32 posts are on their way at a time in a room of 5 and in 40 rooms of 5 "
    "together, 16 in a room of 50, 4 in larger ones."
)
SERVER = "server µs/delivery"
BESIDE = "Redis and database µs/delivery"

IN_FLIGHT = {5: 32, 50: 16}  # and else:
FEW_IN_FLIGHT = 4
ROOMS = (5, 50, 200, 1000)
SIZES = (60, 1024)
MANY_ROOMS = 40
WARM_UP_S = 0.15
RUN_S = 0.25
RUNS = 2  # of each case and start; one is enough of what takes its time
SLOW_S = 0.6
MOST_FAULTY = 2  # cases; to wait for what never comes takes its time


def in_flight(room: int) -> int:
    """How many posts are on their way in a room of that size."""
    return IN_FLIGHT.get(room, FEW_IN_FLIGHT)


def visit(bench: Bench, server: Running, fleet: Fleet) -> Iterator[Row]:
    faulty = set()
    for row in _cases(bench, server, fleet):
        yield row
        if row.faults:
            faulty.add(row.case)
        if len(faulty) == MOST_FAULTY:
            return


def _cases(bench: Bench, server: Running, fleet: Fleet) -> Iterator[Row]:
    rooms = bench.rooms or ((200,) if bench.is_quick else ROOMS)
    for room in rooms:
        fleet.open(f"room-{room}", room)
        for size in (60,) if bench.is_quick else SIZES:
            yield from _rows(bench, server, fleet, [f"room-{room}"], size, in_flight(room), f"{room}, {_name(size)}")
    if 5 in rooms:
        names = [f"room-5-{number}" for number in range(MANY_ROOMS)]
        for name in names:
            fleet.open(name, 5)
        yield from _rows(bench, server, fleet, names, 60, in_flight(5), f"{MANY_ROOMS} x 5, {_name(60)}")


def _rows(
    bench: Bench, server: Running, fleet: Fleet, rooms: list[str], size: int, posts: int, case: str
) -> Iterator[Row]:
    faults = fleet.post(*rooms, size=size, in_flight=posts, seconds=WARM_UP_S).faults
    for _ in range(RUNS):
        run = fleet.post(*rooms, size=size, in_flight=posts, seconds=bench.seconds or RUN_S)
        values = {
            SERVER: run.per_delivery_us(run.server_s),
            BESIDE: run.per_delivery_us(run.beside_s),
            "driver µs/delivery": run.per_delivery_us(run.drivers_s),
            "deliveries/s": run.per_second,
        }
        yield Row(server.system.name, case, values, faults + run.faults)
        if run.whole_s > SLOW_S or faults or run.faults:
            return


def _name(size: int) -> str:
    return "1 KB" if size == 1024 else f"{size} B"


def table(results: Sequence[Result], titles: dict[str, str]) -> str:
    """The servers' own, and below it that of what stands beside them."""
    beside = [result for result in results if result.middle(BESIDE)]
    return grid(results, titles, SERVER) + "\nRedis and the database beside it:\n\n" + grid(beside, titles, BESIDE)

"""How many deliveries a second a server makes when it has more to do than it can."""

from __future__ import annotations

from collections.abc import Iterator

from ..bench import Bench, Running
from ..fleet import Fleet
from ..table import Row

TITLE = "Deliveries per second at saturation"
NOTE = (
    "A room of 200, 60 B, with 16 posts on their way, and with more until that brings no more. Where there are too few "
    "cores for each worker and the drivers, as with two workers on two cores, servers, drivers and Redis share all of "
    "them; what the server would deliver with cores to itself is told by the deliveries per second of its CPU time. "
    "`drivers` tells how busy a core of the drivers was: near 100 % they are the limit, and the server can do more."
)
WORKERS = (1, 2)

ROOM = 200
SIZE = 60
IN_FLIGHT = (16, 64, 192)
TOO_MUCH = 1.5  # times the time of posting until everybody has everything: more would only wait
WARM_UP_S = 0.2
RUN_S = 0.8


def visit(bench: Bench, server: Running, fleet: Fleet) -> Iterator[Row]:
    room = (bench.rooms or [ROOM])[0]
    fleet.open(f"room-{room}", room)
    faults = fleet.post(f"room-{room}", size=SIZE, in_flight=IN_FLIGHT[0], seconds=WARM_UP_S).faults
    best = None
    for in_flight in IN_FLIGHT:
        run = fleet.post(f"room-{room}", size=SIZE, in_flight=in_flight, seconds=bench.seconds or RUN_S)
        faults += run.faults
        if best is None or run.per_second > best.per_second:
            best = run
        if run is not best or run.whole_s > TOO_MUCH * run.seconds:
            break
    assert best
    server.found["saturation"] = best.per_second
    values = {
        "deliveries/s": best.per_second,
        "per s of server CPU": best.deliveries / best.server_s,
        "server %": best.server_s / best.whole_s * 100,
        "drivers %": best.drivers_s / best.whole_s * 100,
    }
    yield Row(server.system.name, f"{server.workers} worker{'s' if server.workers > 1 else ''}", values, faults)

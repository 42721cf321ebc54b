"""What somebody costs who is connected and does nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

from ..bench import Bench, Running
from ..fleet import Fleet
from ..systems import SIGNED_IN
from ..table import Row
from . import handshakes

TITLE = "Idle connections"
NOTE = (
    "2,000 connections in rooms of 50, signed in as for the handshakes (the bare application asks nobody who he is). "
    "KiB: how much more memory the server's processes have (proportional set size) with 2,000 than with 400 of them, "
    "for each. CPU: of 20 s in which nobody posts, which is the time between two pings of uvicorn, all systems at the "
    "same time. At the end a message is posted in each room, and has to reach everybody."
)
MEMORY = "KiB/connection"
IDLE = "idle µs/s and connection"

ROUNDS = 1
SYSTEMS = {
    "asgi": None,
    "ours": SIGNED_IN,
    "channels-pubsub": SIGNED_IN,
    "channels-core": SIGNED_IN,
    "chat": None,  # which knows its users in any case
}
FEW, MANY = 400, 2000
REST_S = 1.0  # in which what the last of them has set off comes to an end
IDLE_S = 20.0


def run(bench: Bench) -> Iterator[Row]:
    rooms = [f"hall-{number}" for number in range(MANY // handshakes.ROOM)]
    few = FEW // handshakes.ROOM
    with ExitStack() as stack:
        found: list[tuple[Running, Fleet, dict[str, float]]] = []
        for name, environment in SYSTEMS.items():
            if name not in bench.names:
                continue
            server = stack.enter_context(handshakes.started(bench, name, environment))
            fleet = stack.enter_context(bench.fleet(server))
            handshakes.fill(server, rooms)
            at = []
            for some in (rooms[:few], rooms[few:]):
                for room in some:
                    fleet.open(room, handshakes.ROOM)
                time.sleep(REST_S)
                at.append(server.rss_bytes())
            found.append((server, fleet, {MEMORY: (at[1] - at[0]) / 1024 / (MANY - FEW)}))
        before = [server.cpu_s() for server, _, _ in found]
        time.sleep(IDLE_S)
        for (server, _, values), then in zip(found, before, strict=True):
            values[IDLE] = (server.cpu_s() - then) / IDLE_S / MANY * 1e6
        for server, fleet, values in found:
            yield Row(server.system.name, f"{MANY:,} connections", values, handshakes.all_get_one(fleet, rooms))

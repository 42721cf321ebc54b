"""How long a message is on its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..bench import Bench, Running
from ..fleet import Fleet
from ..table import Row
from . import saturation

TITLE = "Latency"
NOTE = (
    "Milliseconds from the moment in which a message was meant to be sent until a member has it, over all deliveries. "
    "A room of 200, 60 B, one worker. Open loop: everybody posts in turn at random (exponential) intervals, whether or "
    "not anything has come back: at half of the rate that the same server has just had at saturation, and at one that "
    "is the same for all of them."
)
SHARE = 0.5
COMMON_RATE = 20.0  # posts a second
RUN_S = 1.5


def visit(bench: Bench, server: Running, fleet: Fleet) -> Iterator[Row]:
    room = (bench.rooms or [saturation.ROOM])[0]
    if "saturation" not in server.found:
        list(saturation.visit(bench, server, fleet))
    rates = {
        f"{SHARE:.0%} of saturation": server.found["saturation"] * SHARE / room,
        f"{COMMON_RATE:.0f} posts/s": COMMON_RATE,
    }
    for case, rate in rates.items():
        run = fleet.pace(f"room-{room}", size=saturation.SIZE, rate=rate, seconds=RUN_S)
        values = {
            "p50 ms": percentile(run.latencies_ms, 0.5),
            "p99 ms": percentile(run.latencies_ms, 0.99),
            "p99.9 ms": percentile(run.latencies_ms, 0.999),
            "posts/s": rate,
            "deliveries/s": run.per_second,
        }
        yield Row(server.system.name, case, values, run.faults)


def percentile(in_order: Sequence[float], share: float) -> float:
    """The value below which that share of them lies; 0 of none."""
    return in_order[min(len(in_order) - 1, int(len(in_order) * share))] if in_order else 0.0

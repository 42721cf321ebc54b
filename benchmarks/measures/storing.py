"""How many posts a second are stored for good, and how long their senders wait."""

from __future__ import annotations

from collections.abc import Iterator

from .. import inside
from ..bench import Bench
from ..table import Row

TITLE = "Storing"
NOTE = (
    "Posts a second that are committed, and the 99th percentile of the time until their senders know; all of them in "
    "one room, in one process of the chat, without sockets. One by one: the same service and the same pool of four "
    "database threads, with a transaction for each post. PostgreSQL as it is out of the box, so that a commit is on "
    "the disk; SQLite as the chat uses it, with a write-ahead log that goes to the disk now and then."
)
SYSTEMS = ("chat", "chat-sqlite")
IN_FLIGHT = (20, 100)
RUN_S = 1.2


def run(bench: Bench) -> Iterator[Row]:
    for system in SYSTEMS:
        if system not in bench.names:
            continue
        with inside.database(bench, system) as url:
            found = inside.ask(url, "storing", in_flight=IN_FLIGHT, seconds=RUN_S)
        for number in IN_FLIGHT:
            journal, single = found[f"journal {number}"], found[f"one by one {number}"]
            values = {
                "journal posts/s": journal["posts/s"],
                "one by one posts/s": single["posts/s"],
                "times": journal["posts/s"] / single["posts/s"],
                "journal p99 ms": journal["p99 ms"],
                "one by one p99 ms": single["p99 ms"],
                "journal µs CPU/post": journal["µs/post"],
            }
            yield Row(system, f"{number} in flight", values)

"""What it costs the server to take a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from tests.servers import postgres_binaries

from ..bench import Bench, Running
from ..fleet import Fleet
from ..people import MODEL_BACKEND
from ..systems import SIGNED_IN
from ..table import Row

TITLE = "Handshakes"
NOTE = (
    "CPU time of the server's processes from the request until somebody is in the room, in rooms of 50; 8 handshakes "
    "at a time. `per s and core` is how many of them fill a core. Session and user come from Django's own tables in "
    "PostgreSQL (SQLite where there is none), over connections that are kept. Session cached: `cached_db` with the "
    "memory of the process as its cache, so that the session takes no query; the user still takes one, unless the site "
    "keeps users there, too (`session and user cached`: an authentication backend of six lines). No session: "
    "nobody is asked who he is, as the bare application never does. The chat besides looks up the room and the "
    "membership, tells who is here, and sends a welcome with 50 messages. Everybody had been connected once before. "
    "All servers run side by side and take their turns, three times. At the end of each a message is posted in every "
    "room, and has to reach everybody in it."
)
SERVER = "server µs/handshake"
BESIDE = "Redis and database µs/handshake"
RATE = "per s and core"
ROUNDS = 1

CACHED = {"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"}
ALL_CACHED = {**CACHED, "AUTHENTICATION_BACKEND": "benchmarks.ours.users.CachedBackend"}

ROOM = 50
ROOMS = 8
HISTORY = 50  # messages in a room of the chat: what a welcome has at most
RUNS = 3


class Case(NamedTuple):
    system: str
    name: str
    environment: dict[str, str] | None = None  # of a site with users


CASES = [
    Case("asgi", "no session"),
    Case("ours", "no session"),
    Case("ours", "session and user cached", ALL_CACHED),
    Case("ours", "session cached", CACHED),
    Case("ours", "session and user", SIGNED_IN),
    Case("channels-pubsub", "session cached", CACHED),
    Case("channels-pubsub", "session and user", SIGNED_IN),
    Case("channels-core", "session and user", SIGNED_IN),
    Case("chat", "whole join"),
]
QUICK = ("session and user", "whole join")


def run(bench: Bench) -> Iterator[Row]:
    cases = [case for case in CASES if case.system in bench.names and (not bench.is_quick or case.name in QUICK)]
    with ExitStack() as stack:
        running = []
        for case in cases:
            server = stack.enter_context(started(bench, case.system, case.environment))
            fleet = stack.enter_context(bench.fleet(server))
            backend = (case.environment or {}).get("AUTHENTICATION_BACKEND", MODEL_BACKEND)
            rooms = [f"{'hall' if backend == MODEL_BACKEND else 'lounge'}-{number}" for number in range(ROOMS)]
            fill(server, rooms, backend)
            running.append((case, server, fleet, rooms))
        for turn in range(1 + RUNS):
            for each in running:
                row = _row(*each)
                if turn:  # the first time sessions are not cached yet, and nothing is warm
                    yield row


@contextmanager
def started(bench: Bench, name: str, environment: dict[str, str] | None) -> Iterator[Running]:
    """A system; with ``environment`` one that takes only who is signed in."""
    users = "postgres" if postgres_binaries() else "sqlite"
    with bench.start(name, environment=environment, users=users if environment else None) as server:
        yield server


def _row(case: Case, server: Running, fleet: Fleet, rooms: list[str]) -> Row:
    server.settle()
    before = server.cpu_s(), server.beside_s()
    for room in rooms:
        fleet.open(room, ROOM)
    after = server.cpu_s(), server.beside_s()
    count = len(rooms) * ROOM
    used, beside = ((now - then) / count for now, then in zip(after, before, strict=True))
    faults = all_get_one(fleet, rooms)
    for room in rooms:
        fleet.shut(room)
    return Row(case.system, case.name, {RATE: 1 / used, SERVER: used * 1e6, BESIDE: beside * 1e6}, faults)


def fill(server: Running, rooms: list[str], backend: str = MODEL_BACKEND) -> None:
    """Have people for these rooms and, in those of the chat, messages, where either is wanted."""
    if server.people:
        for room in rooms:
            server.people.cookies(room, ROOM, backend)
            if server.system.protocol == "chat":
                server.people.ask("history", room, HISTORY)


def all_get_one(fleet: Fleet, rooms: list[str]) -> list[str]:
    """What goes wrong when somebody posts in each of these rooms: whether all sockets are open, and in their rooms."""
    run = fleet.post(*rooms, size=60, in_flight=len(rooms), seconds=0.0)
    faults = list(run.faults)
    if run.deliveries < ROOM * len(rooms):
        faults.append(f"Expected {ROOM * len(rooms)} deliveries of one message in each room, but got {run.deliveries}.")
    return faults

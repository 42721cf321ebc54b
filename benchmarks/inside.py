"""
What is measured inside a process of the chat, without sockets: ``python -m benchmarks.inside``, and its other end.

It is a process of its own, since the site's settings are read from the environment once in a process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg

from . import machine
from .bench import Bench
from .systems import BY_NAME, ROOT

if TYPE_CHECKING:
    from chat.models import Room, User
    from chat.services import Draft

TEXT = "the quick brown fox jumps over the lazy dog and is number {:,}"
WARM_UP_S = 0.3
CALLS = 40  # of a query
LARGE = 100_000  # messages, of which it would be wrong to read all for a page
MISSED = 400  # changes that somebody who comes back has missed
ROW = "(room_id, author_id, seq, version, client_id, text, html, created)"
SEED = {
    "postgresql": f"""
        SET LOCAL session_replication_role = replica;
        INSERT INTO chat_message {ROW}
        SELECT %(room)s, %(author)s, n, n, lpad(to_hex(n), 32, '0')::uuid, 'message ' || n,
            '<p>message ' || n || '</p>', now() FROM generate_series(1, %(count)s) n""",
    "sqlite": f"""
        INSERT INTO chat_message {ROW}
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %(count)s)
        SELECT %(room)s, %(author)s, n, n, printf('%%032x', n), 'message ' || n, '<p>message ' || n || '</p>',
            datetime() FROM numbers""",
}
UNINDEXED = ("Seq Scan on chat_message", "SCAN chat_message")  # what EXPLAIN says where all messages are read


def ask(url: str, name: str, **arguments: Any) -> Any:
    """What a process of the chat with the database at ``url`` answers; RuntimeError where it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in ("ENV_FILE", "REDIS_URL")}
    environment |= BY_NAME["chat"].environment
    environment |= {"CHANNEL_LAYER_BACKEND": "channels_core.layers.InMemoryChannelLayer", "DATABASE_URL": url}
    cores, _ = machine.cores(1)
    with machine.pinned(cores):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.inside"],
            input=json.dumps([name, arguments]),
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{name} failed; what it said is above.")
    return json.loads(done.stdout)


@contextmanager
def database(bench: Bench, system: str) -> Iterator[str]:
    """The address of a database of one's own, in the server that the other measures use; it goes afterwards."""
    if BY_NAME[system].database == "sqlite":
        with TemporaryDirectory(prefix="bench-") as directory:
            yield f"sqlite:///{directory}/db.sqlite3"
        return
    url, _, _ = bench.database("postgres")
    name = f"inside_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{url.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


# --- In the process ------------------------------------------------------------------------------


def storing(in_flight: list[int], seconds: float) -> dict[str, dict[str, float]]:
    """Posts a second and p99 of the acknowledgement in ms, by way and number of posts in flight."""
    from channels_core.db import database_sync_to_async
    from chat import services
    from chat.journal import get_journals

    room, people = place("storing", max(in_flight))

    async def by_itself(draft: Draft) -> None:
        [outcome] = await database_sync_to_async(services.post_messages)([draft])
        assert outcome.pk

    async def by_journal(draft: Draft) -> None:
        await get_journals().posts.post(draft)

    found = {}
    for number in in_flight:
        for name, way in (("journal", by_journal), ("one by one", by_itself)):
            found[f"{name} {number}"] = asyncio.run(post(way, room, people[:number], seconds))
    return found


async def post(
    way: Callable[[Draft], Awaitable[None]], room: Room, people: list[User], seconds: float
) -> dict[str, float]:
    """Each of the people says one thing after the other; each waits until it is stored."""
    from chat.services import Draft

    numbers = count(1)
    latencies: list[float] = []

    async def talk(person: User, end: float) -> None:
        while (began := time.perf_counter()) < end:
            await way(Draft(room.pk, person.pk, uuid4(), TEXT.format(next(numbers))))
            latencies.append(time.perf_counter() - began)

    async def all_talk(seconds: float) -> float:
        latencies.clear()
        began = time.perf_counter()
        await asyncio.gather(*(talk(person, began + seconds) for person in people))
        return time.perf_counter() - began

    await all_talk(WARM_UP_S)
    cpu_s = time.process_time()
    took_s = await all_talk(seconds)
    cpu_s = time.process_time() - cpu_s
    latencies.sort()
    p99 = latencies[len(latencies) * 99 // 100]
    return {"posts/s": len(latencies) / took_s, "p99 ms": p99 * 1000, "µs/post": cpu_s / len(latencies) * 1e6}


def history(sizes: list[int]) -> list[dict[str, float]]:
    """What it takes to read from rooms with so many messages, in ms, and to post in them."""
    return [history_of(size) for size in sizes]


def history_of(size: int) -> dict[str, float]:
    from chat import queries
    from chat.journal import get_journals

    room, people = place(f"history-{size}", 32)
    fill(room, people[0], size)
    questions: dict[str, Callable[[], Any]] = {
        "newest page ms": lambda: queries.page_of(room),
        "page in the middle ms": lambda: queries.page_of(room, before=size // 2),
        f"resume after {MISSED} ms": lambda: queries.changes_of(room.pk, room.head - MISSED),
    }
    if size >= LARGE:
        for question in questions.values():
            require_index(question)
    found = {name: timed(question) for name, question in questions.items()}

    async def by_journal(draft: Draft) -> None:
        await get_journals().posts.post(draft)

    return {**found, "µs/post": asyncio.run(post(by_journal, room, people, 0.5))["µs/post"]}


def place(slug: str, count: int) -> tuple[Room, list[User]]:
    """A new room with so many members."""
    from chat.models import User
    from tests.people import make_room

    User.objects.bulk_create(User(username=f"{slug}-{number}", password="!") for number in range(count))
    people = list(User.objects.filter(username__startswith=f"{slug}-").order_by("pk"))
    return make_room(slug, people), people


def fill(room: Room, author: User, count: int) -> None:
    """Put so many messages into an empty room, past everything that tells or counts."""
    from django.db import connection, transaction

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA foreign_keys = OFF")  # one author and one room, and both are there
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SEED[connection.vendor], {"room": room.pk, "author": author.pk, "count": count})
        room.head = room.last_seq = count
        room.save(update_fields=["head", "last_seq"])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message")


def require_index(question: Callable[[], Any]) -> None:
    """RuntimeError with the database's plan if it would read all messages to answer."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        question()
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    for statement in captured.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"{explain} {statement['sql']}")
            plan = "\n".join(str(row) for row in cursor.fetchall())
        if any(each in plan for each in UNINDEXED):
            raise RuntimeError(f"No index serves {statement['sql']}:\n{plan}")


def timed(question: Callable[[], Any]) -> float:
    """Milliseconds of a call, in the middle of several."""
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        question()
        taken.append(time.perf_counter() - began)
    return median(taken) * 1000


def main() -> None:
    import django
    from django.core.management import call_command

    os.environ["ENV_FILE"] = os.devnull
    django.setup()
    call_command("migrate", verbosity=0)
    name, arguments = json.loads(sys.stdin.read())
    answers: dict[str, Callable[..., Any]] = {"storing": storing, "history": history}
    sys.stdout.write(json.dumps(answers[name](**arguments)))


if __name__ == "__main__":
    main()

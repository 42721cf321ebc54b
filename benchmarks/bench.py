"""What a measure is given: systems that run, with everything that they need, and drivers for them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import sql

from tests.servers import PostgresServer, RedisServer, Server, postgres_binaries

from . import machine
from .fleet import Fleet
from .people import People
from .systems import BY_NAME, ROOT, SIGNED_IN, System

START_S = 30.0
QUIET_S = 0.1  # a server that has used next to no CPU time for so long has come up
QUIET_SHARE = 0.1
TAIL = 2000  # characters of a log


class Postgres(PostgresServer):
    """PostgreSQL as it is out of the box: a commit is on the disk."""

    def command(self) -> list[str]:
        return [part for part in super().command() if "fsync" not in part and "full_page" not in part]


class Program(Server):
    """The server of a system."""

    stop_signal = signal.SIGKILL  # nothing of it is kept, and nobody waits for a drain
    start_timeout_s = START_S

    def __init__(self, system: System, workers: int, environment: dict[str, str]) -> None:
        super().__init__(system.name)
        self._system = system
        self._workers = workers
        self._environment = environment

    def command(self) -> list[str]:
        return self._system.arguments(self.port, self._workers)

    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if name != "ENV_FILE"},
            "PYTHONPATH": str(ROOT),
            "PORT": str(self.port),
            "WORKERS": str(self._workers),
            "WEB_CONCURRENCY": str(self._workers),
            "BIND": f"127.0.0.1:{self.port}",
            "SITE_URL": f"http://localhost:{self.port}",
            "PROMETHEUS_MULTIPROC_DIR": str(self.directory),  # else it would stay behind, as nobody stops in peace
            **self._system.environment,
            **self._environment,
        }

    def stop(self) -> None:
        """End it with all its processes."""
        assert self.process
        pids = machine.family(self.process.pid)
        super().stop()
        for pid in pids[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Running:
    """A system that has been started."""

    def __init__(self, system: System, workers: int, program: Program, beside: list[Server], people: People | None):
        self.system = system
        self.workers = workers
        self.port = program.port
        self.url = f"http://127.0.0.1:{program.port}"
        self.people = people
        self.server_cores, self.other_cores = machine.cores(workers)
        self.found: dict[str, float] = {}  # what one measure leaves for the next
        self._program = program
        self._beside = beside

    def pids(self) -> list[int]:
        """All processes of the server."""
        assert self._program.process
        return machine.family(self._program.process.pid)

    def cpu_s(self) -> float:
        """The CPU time of the server until now."""
        return machine.cpu_s(self.pids())

    def beside_s(self) -> float:
        """That of Redis and PostgreSQL."""
        return machine.cpu_s(
            pid for server in self._beside if server.process for pid in machine.family(server.process.pid)
        )

    def rss_bytes(self) -> int:
        return machine.rss_bytes(self.pids())

    def seats(self, room: str, count: int) -> tuple[str, list[dict[str, str]]]:
        """The address of a room's sockets, and the headers of each of so many."""
        base = f"ws://127.0.0.1:{self.port}"
        headers = {"Origin": self.url}
        if self.people:
            each = [{**headers, "Cookie": cookie} for cookie in self.people.cookies(room, count)]
        else:
            each = [headers] * count
        if self.system.protocol == "chat":
            return f"{base}/ws/rooms/{room}/", each
        if self.system.protocol == "socketio":
            return f"{base}/socket.io/?EIO=4&transport=websocket&room={room}", each
        return f"{base}/ws/{room}/", each

    def said(self) -> str:
        """The end of what it has written into its log."""
        return self._program.log.read_text()[-TAIL:]

    def settle(self) -> None:
        """Return when all of its processes have come up: when they have nothing to do."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            before = self.cpu_s()
            time.sleep(QUIET_S)
            if self.cpu_s() - before < QUIET_S * QUIET_SHARE:
                return


class Bench:
    """Starts what is asked for, and ends it."""

    def __init__(
        self, *, is_quick: bool, names: list[str], rooms: list[int] | None = None, seconds: float | None = None
    ) -> None:
        self.is_quick = is_quick
        self.names = names  # the systems that were asked for
        self.rooms = rooms  # the sizes of rooms that were asked for, if any were
        self.seconds = seconds  # of a run, if that was asked for
        self._stack = ExitStack()
        self._postgres: Postgres | None = None
        self._databases: dict[tuple[str, str], tuple[str, People, list[Server]]] = {}

    @contextmanager
    def start(
        self, name: str, *, workers: int = 1, environment: dict[str, str] | None = None, users: str | None = None
    ) -> Iterator[Running]:
        """
        A system, with a Redis of its own; its database is kept until the end of everything.

        ``users``: the kind of database, "sqlite" or "postgres", for one that else knows nobody: it gets one with
        users and sessions in Django's own tables, and takes only who is signed in.
        """
        system = BY_NAME[name]
        server_cores, other_cores = machine.cores(workers)
        beside: list[Server] = []
        people = None
        variables: dict[str, str] = dict(environment or {})
        with ExitStack() as stack:
            if system.uses_redis:
                redis = RedisServer()
                stack.callback(redis.remove)
                with machine.pinned(other_cores):
                    redis.start()
                variables["REDIS_URL"] = redis.url
                beside.append(redis)
            if kind := users or system.database:
                url, people, servers = self.database(kind, "ours" if users else "chat")
                variables["DATABASE_URL"] = url
                if users:
                    variables = {**SIGNED_IN, **variables}
                beside += servers
            program = Program(system, workers, variables)
            stack.callback(program.remove)
            with machine.pinned(server_cores):
                program.start()
            running = Running(system, workers, program, beside, people)
            running.settle()
            try:
                yield running
            except Exception as error:
                error.add_note(f"The server said: {running.said()}")
                raise

    @contextmanager
    def fleet(self, server: Running) -> Iterator[Fleet]:
        """Drivers for that server."""
        fleet = Fleet(server)
        try:
            yield fleet
        finally:
            fleet.close()

    def database(self, kind: str, site: str = "chat") -> tuple[str, People, list[Server]]:
        """The address of a database with the tables of "chat" or "ours", who is in it, and its server."""
        if (kind, site) not in self._databases:
            servers: list[Server] = []
            if kind == "postgres":
                postgres = self._start_postgres()
                url = postgres.url.replace("/postgres", f"/{site}")
                with psycopg.connect(postgres.url, autocommit=True) as connection:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(site)))
                servers.append(postgres)
            else:
                directory = self._stack.enter_context(TemporaryDirectory(prefix="bench-"))
                url = f"sqlite:///{Path(directory)}/db.sqlite3"
            environment = {
                **os.environ,
                **(SIGNED_IN if site == "ours" else {}),
                **BY_NAME[site].environment,
                "CHANNEL_LAYER_BACKEND": "channels_core.layers.memory.InMemoryChannelLayer",  # nobody listens
                "DATABASE_URL": url,
                "PYTHONPATH": str(ROOT),
            }
            people = People(environment)
            self._stack.callback(people.close)
            self._databases[kind, site] = (url, people, servers)
        return self._databases[kind, site]

    def _start_postgres(self) -> Postgres:
        if not self._postgres:
            binaries = postgres_binaries()
            assert binaries, "asked before: lacks()"
            self._postgres = Postgres(binaries)
            self._stack.callback(self._postgres.remove)
            with machine.pinned(machine.cores(1)[1]):
                self._postgres.start()
        return self._postgres

    def close(self) -> None:
        self._stack.close()

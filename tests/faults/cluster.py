"""Everything that is needed to serve the project by several processes, each of which can be made to fail."""

from __future__ import annotations

import shutil
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from tests.faults.proxies import CommitCutter, Proxy
from tests.faults.world import World
from tests.production import Production
from tests.servers import PostgresServer, RedisServer, Server, postgres_binaries, wait_until

T = TypeVar("T", bound=Server)
P = TypeVar("P", bound=Proxy)

WORKERS = 2
BEAT_S = 1.0


class KeepingRedis(RedisServer):
    """A Redis that writes down each command; without what it wrote it starts empty."""

    def command(self) -> list[str]:
        kept = ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(self.directory)]
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *kept]

    def forget(self) -> None:
        """Remove what was written; only while it is stopped."""
        shutil.rmtree(self.directory / "appendonlydir", ignore_errors=True)
        (self.directory / "appendonly.aof").unlink(missing_ok=True)  # Redis 6


class Gunicorn(Server):
    """gunicorn with its workers."""

    def is_ready(self) -> bool:
        return super().is_ready() and len(self.children()) == WORKERS


class Web(Gunicorn, Production):
    """This project, as it is served in production."""

    stop_signal = signal.SIGTERM


class Cluster:
    """Two servers of two workers each, with one Redis and one database, PostgreSQL or SQLite."""

    def __init__(self, *, seed: str, database: str = "postgres", backend: str | None = None) -> None:
        with ExitStack() as stack:
            self._begin(stack, seed, database, backend)
            self._stack = stack.pop_all()

    def _begin(self, stack: ExitStack, seed: str, database: str, backend: str | None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="faults-"))
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.switch = self.directory / "bad-layer"  # while it exists the layer of tests.faults.layers is bad
        self._started: list[Server] = []
        self.redis = self._start(stack, KeepingRedis())
        self.postgres: PostgresServer | None = None
        self.commits: CommitCutter | None = None
        if database == "postgres":
            binaries = postgres_binaries()
            assert binaries
            self.postgres = self._start(stack, PostgresServer(binaries))
            self.commits = self._proxy(stack, CommitCutter(self.postgres.port))
            direct = self.postgres.url
            url = direct.replace(f":{self.postgres.port}/", f":{self.commits.port}/")
        else:
            direct = url = f"sqlite:///{self.directory}/db.sqlite3"
        environment = {
            "REDIS_URL": self.redis.url,
            "WEB_CONCURRENCY": str(WORKERS),
            "CHAT_BEAT_INTERVAL": str(BEAT_S),
            "LOG_LEVEL": "WARNING",
            "FAULTS_SEED": seed,
            "FAULTS_SWITCH": str(self.switch),
            **{f"CHAT_{limit}": "0" for limit in ("POST_RATE", "SIGN_IN_RATE", "HANDSHAKE_RATE", "SOCKETS_PER_USER")},
        }
        if backend:
            environment["CHANNEL_LAYER_BACKEND"] = backend
        self.webs = [Web(**environment, DATABASE_URL=url) for _ in range(2)]
        world = self.webs[0].environment() | {"DATABASE_URL": direct}
        self.world = World(world, self.directory / "world.txt")
        stack.callback(self.world.close)
        self.world.migrate()
        for web in self.webs:
            self._start(stack, web)
        self.lines = [self._proxy(stack, Proxy(web.port)) for web in self.webs]

    def mend(self) -> None:
        """Start again what a fault has left lying that did not come to its end."""
        for server in self._started:
            if server.process and server.process.poll() is None:
                server.go_on()
            else:
                server.process = None
                server.start()
        self.switch.unlink(missing_ok=True)

    def logs(self) -> str:
        return "\n".join(f"--- {server.name} {server.port}\n{server.log.read_text()}" for server in self.webs)

    def close(self) -> None:
        """End everything and remove what it stored."""
        for web in self.webs:
            web.stop_signal = signal.SIGQUIT  # nobody waits for a drain
        self._stack.close()

    def _start(self, stack: ExitStack, server: T) -> T:
        stack.callback(server.remove)
        server.start()
        self._started.append(server)
        return server

    def _proxy(self, stack: ExitStack, proxy: P) -> P:
        stack.callback(proxy.close)
        return proxy


def respawned(web: Gunicorn, before: set[int]) -> None:
    """Return when none of the workers ``before`` is there, and as many others are."""

    def are_new() -> bool:
        workers = set(web.children())
        return len(workers) == WORKERS and not workers & before

    wait_until(are_new, what="new workers", timeout_s=40)

"""
Servers for the tests: real Redis and PostgreSQL, of their own, on free ports, gone afterwards.

``python -m tests.servers`` tells whether PostgreSQL can be started here.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NO_POSTGRES = (
    "PostgreSQL's programs (initdb, postgres) are not installed. On Debian and Ubuntu: apt-get install postgresql"
)


def free_port() -> int:
    """A TCP port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on that port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], object], *, what: str, timeout_s: float = 15) -> None:
    """Return as soon as ``condition()`` holds; TimeoutError naming ``what`` when it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout_s} s for {what}.")
        time.sleep(0.02)


async def until(condition: Callable[[], object], *, timeout_s: float = 15) -> None:
    """``wait_until`` for what happens in this event loop: it goes on meanwhile. TimeoutError when it never does."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


class Server:
    """
    A program that listens on a port: start, stop and start again, on the same port.

    Its output goes to ``log``, a file in ``directory``, and into the error when it does not start.
    """

    user: str | None = None  # the account that it runs as; None: ours
    stop_signal = signal.SIGTERM
    start_timeout_s = 15.0

    def __init__(self, name: str) -> None:
        self.name = name
        self.directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self.log = self.directory / "log.txt"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """The environment of the program."""
        return dict(os.environ)

    def is_ready(self) -> bool:
        """Whether it answers."""
        return is_listening(self.port)

    def start(self) -> None:
        """Start it and return when it answers; when it does not, remove it: RuntimeError with its output."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.directory,
                env=self.environment(),
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(
                lambda: self.process.poll() is not None or self.is_ready(),
                what=f"{self.name} to answer",
                timeout_s=self.start_timeout_s,
            )
            if self.process.poll() is not None:
                raise ChildProcessError(f"{self.name} ended at once.")
        except (TimeoutError, ChildProcessError) as error:
            said = self.log.read_text()
            self.remove()
            raise RuntimeError(f"{error} It said:\n{said}") from error

    def children(self) -> list[int]:
        """The process ids of those that it has started itself: workers, where it has some."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        if children.exists():
            listed = children.read_text()
        else:  # no Linux
            pgrep = ["pgrep", "-P", str(self.process.pid)]
            listed = subprocess.run(pgrep, capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in listed.split()]

    def pause(self) -> None:
        """Have it stand still: what is connected stays so, and nothing is answered."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Go on where it stood; nothing to do is fine."""
        if self.process:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole of it at once: none of its processes has a last word."""
        assert self.process
        for pid in [self.process.pid, *self.children()]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """Stop it, by force if it does not go; nothing to do is fine."""
        if self.process is None:
            return
        self.go_on()  # else it would not hear
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Stop it for good and remove what it stored."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class RedisServer(Server):
    """A Redis server that keeps nothing on disk: after a restart it is empty, as after a crash."""

    def __init__(self) -> None:
        super().__init__("redis")
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]


class PostgresServer(Server):
    """
    A PostgreSQL cluster in a temporary directory, fast rather than safe.

    It refuses to run as root, so root starts it as ``postgres`` or ``nobody``.
    """

    stop_signal = signal.SIGINT  # "fast": does not wait for clients to leave

    def __init__(self, binaries: Path) -> None:
        super().__init__("postgres")
        self.binaries = binaries
        self.url = f"postgres://tests@127.0.0.1:{self.port}/postgres"
        if os.geteuid() == 0:
            accounts = {account.pw_name for account in pwd.getpwall()}
            self.user = "postgres" if "postgres" in accounts else "nobody"
            shutil.chown(self.directory, self.user)
        subprocess.run(
            [
                binaries / "initdb",
                *("--pgdata=data", "--username=tests", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            cwd=self.directory,
            user=self.user,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def command(self) -> list[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
        }
        return [
            str(self.binaries / "postgres"),
            *("-D", "data", "-p", str(self.port)),
            *(f"--{name}={value}" for name, value in options.items()),
        ]

    def is_ready(self) -> bool:
        # It listens a moment before it takes connections.
        ready = [self.binaries / "pg_isready", "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ready, check=False).returncode == 0


def postgres_binaries() -> Path | None:
    """The newest directory with PostgreSQL's server programs, or None."""
    if initdb := shutil.which("initdb"):
        return Path(initdb).resolve().parent
    # Debian and Ubuntu keep them off the PATH, one directory for each version.
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest_last = sorted(found, key=lambda path: int(path.parts[-3]))
    return newest_last[-1].parent if newest_last else None


if __name__ == "__main__":
    if postgres_binaries() is None:
        sys.exit(f"Skipped: {NO_POSTGRES}")

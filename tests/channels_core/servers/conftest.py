"""The servers that the runtime is promised to work under, each as a real process."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from uuid import uuid4

import pytest
import uvicorn
from django.conf import settings
from uvicorn.server import ServerState

from channels_core.servers.uvicorn import DEFAULTS, WebSocketProtocol
from tests.channels_core.servers.lines import HANDSHAKE, Line, echo
from tests.servers import Server, until, wait_until

APPLICATION = "tests.channels_core.servers.app:application"
PYTHON = [sys.executable, "-m"]
UVICORN = [*PYTHON, "uvicorn", APPLICATION, "--host=127.0.0.1", "--log-level=warning", "--timeout-graceful-shutdown=5"]
OUR_WORKER = [
    "--worker-class=channels_core.servers.gunicorn.Worker",
    "--graceful-timeout=15",
    "--no-control-socket",
]
COMMANDS = {
    "daphne": lambda port: [*PYTHON, "daphne", "-b", "127.0.0.1", "-p", port, APPLICATION],
    "uvicorn, websockets": lambda port: [*UVICORN, "--ws=websockets-sansio", f"--port={port}"],
    "uvicorn, wsproto": lambda port: [*UVICORN, "--ws=wsproto", f"--port={port}"],
    "gunicorn, two workers": lambda port: (
        [*PYTHON, "gunicorn", APPLICATION, "--bind", f"127.0.0.1:{port}", "--workers=2", *OUR_WORKER]
    ),
}


class Site(Server):
    """One of them, with the consumers of ``app.py``, on the test's Redis."""

    def __init__(self, name: str, redis_url: str) -> None:
        super().__init__("site")
        self.kind = name
        self.notes = self.directory / "notes"
        self.redis_url = redis_url
        self.prefix = uuid4().hex
        self.test = uuid4().hex  # whose notes are looked at: those of the test before may come late

    def command(self) -> list[str]:
        return COMMANDS[self.kind](str(self.port))

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "REDIS_URL": self.redis_url,
            "REDIS_PREFIX": self.prefix,
            "NOTES": str(self.notes),
        }

    def at(self, path: str) -> str:
        """The address of a consumer, for this test."""
        return f"ws://127.0.0.1:{self.port}/{path}/?{self.test}"

    def noted(self) -> list[str]:
        """What is known of connections of this test that ended."""
        lines = self.notes.read_text().split("\n")[:-1] if self.notes.exists() else []
        return [line.removeprefix(f"{self.test} ") for line in lines if line.startswith(self.test)]

    def wait_for_notes(self, count: int) -> list[str]:
        """All notes, as soon as there are so many."""
        wait_until(lambda: len(self.noted()) >= count, what=f"{count} notes, there are {self.noted()}")
        return self.noted()


class Workshop(Server):
    """gunicorn with our worker and the application of ``workshop.py``: what is worked on ends when a test says so."""

    stop_signal = signal.SIGQUIT  # where a test is through, nobody waits for a drain

    def __init__(self, *options: str, **environment: str) -> None:
        super().__init__("workshop")
        self._options = options
        self._environment = environment

    def command(self) -> list[str]:
        return [
            *(*PYTHON, "gunicorn", "tests.channels_core.servers.workshop:application"),
            *("--bind", f"127.0.0.1:{self.port}", *OUR_WORKER, *self._options),
        ]

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "WORKSHOP": str(self.directory),
            **self._environment,
        }

    def at(self, bench: str, name: str = "") -> str:
        """The address of a consumer; ``name`` is what its notes start with."""
        return f"ws://127.0.0.1:{self.port}/{bench}/?{name}"

    def get(self, path: str, source: str = "127.0.0.1", **headers: str) -> HTTPResponse:
        """The response to a request from that address of this machine; its body is in ``text``."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10, source_address=(source, 0))
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        response.text = response.read().decode()
        connection.close()
        return response

    def state(self, **options: str) -> dict[str, Any]:
        """What the process that answers is, and how it sees us."""
        return json.loads(self.get("/state", **options).text)

    def notes(self) -> list[str]:
        """What has happened so far."""
        notes = self.directory / "notes"
        return notes.read_text().splitlines() if notes.exists() else []

    def wait_for_note(self, note: str) -> None:
        wait_until(lambda: note in self.notes(), what=f"{note!r}; so far there is {self.notes()}")

    def let(self, work: str) -> None:
        """Let that work come to its end."""
        (self.directory / work).touch()


@pytest.fixture
def open_workshop() -> Iterator[Callable[..., Workshop]]:
    """Start a workshop, with these options of gunicorn and these variables in its environment."""
    workshops: list[Workshop] = []

    def open_workshop(*options: str, **environment: str) -> Workshop:
        workshops.append(Workshop(*options, **environment))
        workshops[-1].start()
        return workshops[-1]

    yield open_workshop
    for workshop in workshops:
        workshop.remove()


@pytest.fixture(params=COMMANDS, scope="module")
def running_site(request, redis_server):
    """A server; one for all scenarios that leave it running."""
    site = Site(request.param, redis_server.url)
    site.start()
    yield site
    site.remove()


@pytest.fixture
def site(running_site):
    """That server, with a clean page for notes."""
    running_site.test = uuid4().hex
    return running_site


@pytest.fixture
async def open_connection():
    """Open a websocket without a server, past its handshake, with these options of uvicorn's."""
    opened = []

    async def open_connection(**options):
        connection = WebSocketProtocol(uvicorn.Config(echo, **DEFAULTS | options), ServerState(), {})
        connection.connection_made(Line())
        opened.append(connection)
        connection.data_received(HANDSHAKE)
        await until(lambda: connection.handshake_complete)
        assert connection.transport.taken.startswith(b"HTTP/1.1 101 ")
        connection.transport.taken.clear()
        return connection

    yield open_connection
    for connection in opened:
        connection.connection_lost(None)
        await until(lambda: not connection.tasks)  # noqa: B023 (awaited in its turn)

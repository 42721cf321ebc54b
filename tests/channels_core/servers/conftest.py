"""The servers that the runtime is promised to work under, each as a real process."""

import os
import sys
from uuid import uuid4

import pytest
from django.conf import settings

from tests.servers import Server, wait_until

APPLICATION = "tests.channels_core.servers.app:application"
PYTHON = [sys.executable, "-m"]
UVICORN = [*PYTHON, "uvicorn", APPLICATION, "--host=127.0.0.1", "--log-level=warning", "--timeout-graceful-shutdown=5"]
COMMANDS = {
    "daphne": lambda port: [*PYTHON, "daphne", "-b", "127.0.0.1", "-p", port, APPLICATION],
    "uvicorn, websockets": lambda port: [*UVICORN, "--ws=websockets-sansio", f"--port={port}"],
    "uvicorn, wsproto": lambda port: [*UVICORN, "--ws=wsproto", f"--port={port}"],
    "gunicorn, two workers": lambda port: (
        [*PYTHON, "gunicorn", APPLICATION, "--bind", f"127.0.0.1:{port}", "--workers=2", "--graceful-timeout=5"]
        + ["--worker-class=uvicorn_worker.UvicornWorker", "--no-control-socket"]
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

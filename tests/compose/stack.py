"""The whole system as `docker compose` runs it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from tests.plugin import variables
from tests.servers import free_port

ROOT = Path(settings.BASE_DIR)
TOKEN = "the-token-of-the-tests"


class Stack:
    """
    A Compose project of its own: its containers, volumes and ports, apart from others of the machine.

    ``environment`` is what somebody would write into .env; ``files`` are Compose files on top of the first.
    """

    def __init__(self, *files: str, **environment: str) -> None:
        self.port = free_port()
        self.url = environment.get("SITE_URL", f"http://localhost:{self.port}")
        own = {name: value for name, value in os.environ.items() if name not in variables() | {"ENV_FILE"}}
        self.environment = (
            own
            | {
                "COMPOSE_ENV_FILES": os.devnull,  # whatever .env says here
                "COMPOSE_PROJECT_NAME": f"tests-{uuid4().hex[:8]}",
                "COMPOSE_FILE": ":".join(("docker-compose.yml", *files)),
                "HTTP_PORT": str(self.port),
                "METRICS_TOKEN": TOKEN,
                "CHAT_SIGN_IN_RATE": "0",  # everybody comes from one address
                **environment,
            }
        )

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program in this project's environment; what it prints. AssertionError with all it said if it fails."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def compose(self, *arguments: str, check: bool = True) -> str:
        """``docker compose ...``."""
        return self.run("docker", "compose", *arguments, check=check)

    def up(self, *arguments: str) -> None:
        """Start what is not running, and return when all of it is healthy."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", "120", *arguments)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.compose('logs', '--tail', '40', check=False)}") from None

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """What `docker compose ps` knows of each container, also of those that have ended."""
        lines = self.compose("ps", "--all", "--format", "json", *services).splitlines()
        return [json.loads(line) for line in lines]

    def inside(self, service: str, *command: str, index: int = 1, check: bool = True) -> str:
        """Run a program in a container."""
        return self.compose("exec", "-T", "--index", str(index), service, *command, check=check)

    def metric(self, name: str, index: int = 1) -> float:
        """A number of one replica, without labels; 0 as long as it has not told any."""
        code = (
            "import urllib.request as r; print(r.urlopen(r.Request('http://127.0.0.1:8000/metrics', "
            f"headers={{'Authorization': 'Bearer {TOKEN}'}})).read().decode())"
        )
        page = self.inside("web", "python", "-c", code, index=index)
        return next((float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{name} ")), 0.0)

    def remove(self) -> None:
        """Take it down with its volumes."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")

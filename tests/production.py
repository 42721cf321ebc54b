"""The project as it is served in production: by gunicorn alone, or from a copy by scripts/serve."""

import http.client
import json
import os
import shutil
import signal
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.plugin import variables
from tests.renaming import rename
from tests.servers import Server

ROOT = Path(settings.BASE_DIR)
SECRET = "the tests sign with this one, which is long enough for production"


class Response:
    """What a server answered."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = HTTPStatus(response.status)
        self.headers = response.headers
        self.text = response.read().decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.text)


class Line:
    """One connection that is kept, so that one process answers everything on it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)

    def get(self, path: str, **headers: str) -> Response:
        self._connection.request("GET", path, headers={name.replace("_", "-"): headers[name] for name in headers})
        return Response(self._connection.getresponse())

    def close(self) -> None:
        self._connection.close()


class Production(Server):
    """
    What ``gunicorn`` alone starts, by gunicorn.conf.py, with DEBUG=0 and an environment by .env.example's names.

    ``application`` may be another one than the project's.
    """

    stop_signal = signal.SIGQUIT  # where a test is through, nobody waits for a drain

    def __init__(self, application: str | None = None, **environment: str) -> None:
        super().__init__("production")
        self.url = f"http://localhost:{self.port}"
        self._application = application
        self._environment = environment

    def command(self) -> list[str]:
        application = [self._application] if self._application else []
        return [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), *application]

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore:No directory at:UserWarning",  # static files need not have been collected
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "DEBUG": "0",
            "SECRET_KEY": SECRET,
            "BIND": f"127.0.0.1:{self.port}",
            "SITE_URL": self.url,
            "CHAT_SIGN_IN_RATE": "0",  # everybody comes from one address
            **self._environment,
        }

    def get(self, path: str, **headers: str) -> Response:
        """The answer to a request of its own connection."""
        line = Line(self.port)
        try:
            return line.get(path, **headers)
        finally:
            line.close()


class Copy(Production):
    """A copy of the project's own files, started by ``scripts/serve``: what ``make serve`` does, installing apart."""

    start_timeout_s = 40.0  # it migrates, and collects and compresses the static files

    def __init__(self, workers: int | None = None, **environment: str) -> None:
        super().__init__(**environment)
        self.project = self.directory / "project"
        self._workers = [] if workers is None else [str(workers)]
        for source in rename.files_of(ROOT):
            target = self.project / source.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        (self.project / ".venv").symlink_to(sys.prefix)

    def command(self) -> list[str]:
        return [str(self.project / "scripts/serve"), str(self.port), *self._workers]

    def environment(self) -> dict[str, str]:
        """Nothing that is ours, so that everything is as after a clone."""
        ours = {*variables(), "ENV_FILE", "DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
        return {name: value for name, value in os.environ.items() if name not in ours} | self._environment

    def manage(self) -> list[str]:
        """The start of a management command in the copy."""
        return [str(self.project / ".venv/bin/python"), str(self.project / "manage.py")]

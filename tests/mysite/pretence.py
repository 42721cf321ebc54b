"""Sites for ``manage.py doctor`` to knock at: a real one, and one that is broken as a test likes it."""

import os
import socket
import sys
from threading import Thread

from django.conf import settings
from django.test import override_settings
from websockets.sync.server import serve

from mysite.doctor import Finding, Level, line, visit
from tests.servers import Server

READY = '{"status": "ready", "reasons": []}'
PAGE = '<link rel="stylesheet" href="/static/index.css"><script type="module" src="/static/index.js"></script>'
WELL = {"/readyz": (200, READY), "/metrics": (404, ""), "/accounts/login/": (200, PAGE), "/static/index.css": (200, "")}


class Production(Server):
    """The production server with its own configuration, as a process; static files as they are in the project."""

    def __init__(self, scheme: str = "http", *arguments: str) -> None:
        super().__init__("production")
        self.url = f"{scheme}://localhost:{self.port}"
        self.arguments = arguments

    def command(self) -> list[str]:
        configuration = f"--config={settings.BASE_DIR}/gunicorn.conf.py"
        return [sys.executable, "-m", "gunicorn", configuration, f"--chdir={settings.BASE_DIR}", *self.arguments]

    def environment(self) -> dict[str, str]:
        address = {"SITE_URL": self.url, "BIND": f"127.0.0.1:{self.port}"}
        return os.environ | {"PYTHONPATH": str(settings.BASE_DIR)} | address

    def is_ready(self) -> bool:
        # It listens before it has loaded the application.
        try:
            return line.get(line.Target(site=self.url, url=self.url), "/healthz").status == 200
        except OSError:
            return False


class Pretence:
    """
    A site whose answers are made up: ``pages`` by path, and for every other path a websocket that is accepted.

    Its websockets are closed with ``code``, or cut off with None; ``foreign`` says whether any origin may open one.
    """

    def __init__(self, pages, *, code: int | None = 4404, foreign: bool = False, tls=None) -> None:
        self.pages = pages
        self.code = code
        self.foreign = foreign
        self._server = serve(
            self._close, "127.0.0.1", 0, process_request=self._answer, ssl=tls, close_timeout=1, open_timeout=5
        )
        self.port = self._server.socket.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._thread.join()

    def _answer(self, connection, request):
        if request.path in self.pages:
            status, body, *headers = self.pages[request.path]
        elif request.headers.get("Origin") == self.url or self.foreign:
            return None
        else:
            status, body, headers = 403, "", []
        response = connection.respond(status, body)
        del response.headers["Content-Type"]
        for name, value in [("Content-Type", "text/html"), *headers]:
            response.headers[name] = value.replace("HERE", self.url)
        return response

    def _close(self, websocket):
        if self.code is None:
            websocket.socket.shutdown(socket.SHUT_RDWR)
        else:
            websocket.close(self.code, "as told")


def at(url: str, *, site: str | None = None) -> list[Finding]:
    with override_settings(SITE_URL=site or url):
        return list(visit.examine(url))


def faults(pages=(), **how) -> list[tuple[str, str, str]]:
    """What is found at a site that is well, but for these pages and that."""
    with Pretence({**WELL, **dict(pages)}, **how) as site:
        found = at(site.url)
    return [(finding.level, finding.text, finding.fix) for finding in found if finding.level != Level.OK]

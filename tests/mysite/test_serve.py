"""scripts/serve, which is what ``make serve`` runs when everything is installed: production without Docker."""

import re
import stat
import subprocess
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest

from tests.people import PASSWORD
from tests.production import Copy
from tests.servers import free_port


class Browser:
    """Goes to pages, fills in forms and keeps cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def visit(self, path: str, form: dict[str, str] | None = None) -> str:
        """The page; after redirects ``self.at`` is where that has led."""
        data = urllib.parse.urlencode(form).encode() if form else None
        with self._opener.open(self.url + path, data, timeout=10) as response:
            self.at = urllib.parse.urlsplit(response.url).path
            return response.read().decode()

    def fill_in(self, path: str, **fields: str) -> str:
        [token] = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.visit(path)))
        return self.visit(path, {"csrfmiddlewaretoken": token, **fields})


@pytest.fixture(scope="module")
def copy():
    """A clone in which somebody has typed ``make serve``."""
    server = Copy()
    server.start()
    yield server
    server.remove()


def test_who_has_signed_in_still_is_after_a_restart(copy):
    """The database is kept, and so is the secret that signs the cookies: in var/, for nobody else to read."""
    browser = Browser(copy.url)
    browser.fill_in("/accounts/signup/", username="alice", password1=PASSWORD, password2=PASSWORD)
    assert "alice" in browser.visit("/rooms/")
    secret = copy.project / "var/secret_key"
    before = secret.read_text()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    copy.stop()
    copy.start()

    assert "alice" in browser.visit("/rooms/")
    assert browser.at == "/rooms/"
    assert secret.read_text() == before


def test_pages_name_files_by_their_hash_and_browsers_may_keep_them(copy):
    page = copy.get("/accounts/login/")

    assert page.status == 200
    named = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert named
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", path) for path in named)
    for path in named:
        assert copy.get(path).status == 200
        assert "immutable" in copy.get(path).headers["Cache-Control"]


def test_static_files_are_served_without_a_warning(copy):
    """Python shows each of them once, so it would be in the log."""
    [style] = re.findall(r'rel="stylesheet" href="([^"]+)"', copy.get("/accounts/login/").text)
    whole = copy.get(style)

    assert copy.get(style, Range="bytes=0-9").text == whole.text[:10]
    assert copy.get(style, If_Modified_Since=whole.headers["Last-Modified"]).status == 304
    assert copy.get("/static/nothing.css").status == 404
    assert "Warning:" not in copy.log.read_text()
    assert "Traceback" not in copy.log.read_text()


def test_an_error_shows_a_page_and_nothing_of_the_code(copy):
    page = copy.get("/nowhere/")

    assert page.status == 404
    assert "DEBUG" not in page.text
    assert "urlpatterns" not in page.text


def test_a_port_in_use_is_told_in_a_sentence(copy):
    ended = serve(copy, copy.port)

    assert ended.returncode == 1
    assert ended.stderr == f"Port {copy.port} is in use. Another one: make serve PORT=9000\n"


def test_workers_that_cannot_talk_to_each_other_are_refused_in_a_sentence(copy):
    ended = serve(copy, free_port(), 2)

    assert ended.returncode != 0
    assert ended.stderr.startswith("Wrong settings: WEB_CONCURRENCY=2 asks for several processes")
    assert "Traceback" not in ended.stderr


def serve(copy: Copy, *arguments: int) -> subprocess.CompletedProcess[str]:
    """scripts/serve in the copy, where it does not get as far as serving."""
    script = copy.project / "scripts/serve"
    return subprocess.run(
        [script, *map(str, arguments)], env=copy.environment(), capture_output=True, text=True, timeout=40
    )

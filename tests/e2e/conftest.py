"""
Browsers on real servers: `pytest tests/e2e`.

A failing test leaves a screenshot and a trace of each of its windows in test-results/, and the log of the
servers in its report. Servers and the database serve all tests; each test has people and rooms of its
own, so that none disturbs another.
"""

import os
import re
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from playwright.sync_api import BrowserContext, ConsoleMessage, expect

from chat.models import Room, User
from tests.browser import launch_args
from tests.e2e.site import Line, Site
from tests.e2e.window import Window
from tests.people import make_person, make_room, session_key
from tests.servers import RedisServer

# Playwright keeps an event loop running in this thread, so Django takes the tests for asynchronous code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"

# Chromium reports, where no page can catch it, a cross-fade to a page that is left before its style has come.
LEFT_EARLY = "ViewTransition opt-in disabled"
serial = count(1)

expect.set_options(timeout=10_000)


# --- Servers -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def password_hashing() -> None:
    """As the servers hash, which have to know these passwords."""


@pytest.fixture(scope="session", autouse=True)
def database(django_db_blocker) -> Iterator[None]:
    """The database that tests and servers share; it is no test database, and nothing is rolled back."""
    with django_db_blocker.unblock():
        call_command("migrate", verbosity=0)
        yield
        connection.close()


@pytest.fixture(scope="session")
def sites() -> Iterator[list[Site]]:
    """Every server that has been started so far."""
    sites: list[Site] = []
    yield sites
    for site in sites:
        site.remove()


@pytest.fixture(scope="session")
def start_site(database, sites: list[Site]) -> Callable[..., Site]:
    """Start another server, with these variables in its environment."""

    def start_site(**environment: str) -> Site:
        site = Site(**environment)
        site.start()
        sites.append(site)
        return site

    return start_site


@pytest.fixture(scope="session")
def server(start_site) -> Site:
    """One process on its own: SQLite and the in-memory layer, as a fresh clone runs."""
    return start_site()


@pytest.fixture(scope="session")
def servers(start_site, redis_server: RedisServer) -> list[Site]:
    """Two processes that share a database and Redis."""
    return [start_site(REDIS_URL=redis_server.url) for _ in range(2)]


@pytest.fixture
def open_line() -> Iterator[Callable[[Site], Line]]:
    """Open a line to a server, whole at first."""
    lines: list[Line] = []

    def open_line(site: Site) -> Line:
        lines.append(Line(site.port))
        return lines[-1]

    yield open_line
    for line in lines:
        line.close()


@pytest.fixture
def line(open_line, server: Site) -> Line:
    """A line to the server, whole at first."""
    return open_line(server)


@pytest.fixture(autouse=True)
def logs(request: pytest.FixtureRequest, sites: list[Site]) -> Iterator[None]:
    """What the servers logged meanwhile: shown for a test that fails, and never an error."""
    sizes = {site: site.log.stat().st_size for site in sites}
    yield
    for site in sites:
        text = site.log.read_bytes()[sizes.get(site, 0) :].decode()
        request.node.add_report_section("teardown", f"log of {site.url}", text)
        assert not re.search(r"^Traceback| ERROR ", text, re.MULTILINE), f"{site.url} logged an error."


# --- Browsers ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    return launch_args() | browser_type_launch_args


@pytest.fixture(autouse=True)
def complaints(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """
    Errors in the consoles of the test's windows: there must be none.

    Violations of the Content Security Policy are among them. A test that provokes some says which, by
    ``@pytest.mark.provokes("regular expression", ...)``.
    """
    complaints: list[str] = []
    yield complaints
    provoked = [pattern for marker in request.node.iter_markers("provokes") for pattern in marker.args]
    provoked.append(LEFT_EARLY)
    assert [text for text in complaints if not any(re.search(pattern, text) for pattern in provoked)] == []


@pytest.fixture
def new_context(new_context, complaints: list[str]) -> Callable[..., BrowserContext]:
    """A browser profile whose console is listened to."""

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.text} ({message.location['url']})")

    def listened_to(**options) -> BrowserContext:
        context = new_context(**options)
        context.on("console", note)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        return context

    return listened_to


@pytest.fixture
def open_window(new_context, request: pytest.FixtureRequest) -> Callable[..., Window]:
    """
    Open a window of ``person``, already logged in, or of somebody unknown.

    ``at`` is the server or line that it talks to; other options are those of a browser profile.
    """

    def open_window(person: User | None = None, *, at: Site | Line | None = None, **options) -> Window:
        url = (at or request.getfixturevalue("server")).url
        context = new_context(base_url=url, **options)
        if person:
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session_key(person), "url": url}
            context.add_cookies([cookie])
        return Window(context.new_page(), person)

    return open_window


# --- People and places -------------------------------------------------------------------------------


@pytest.fixture
def alice() -> User:
    return make_person(f"alice-{next(serial)}", display_name="Alice", email=f"alice-{next(serial)}@example.org")


@pytest.fixture
def bob() -> User:
    return make_person(f"bob-{next(serial)}", display_name="Bob")


@pytest.fixture
def carol() -> User:
    """A member of nothing."""
    return make_person(f"carol-{next(serial)}", display_name="Carol")


@pytest.fixture
def room(alice: User, bob: User) -> Room:
    """A public room with alice and bob in it."""
    return make_room(f"room-{next(serial)}", [alice, bob])

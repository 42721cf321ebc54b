"""The poll of docs/fork.md in two browsers (the rest of the page: tests/docs/test_fork.py)."""

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.site import Site
from tests.forking import Fork
from tests.people import PASSWORD

ADDRESS = "/polls/1/"  # of the question that the page makes

PEOPLE = f"""
from django.contrib.auth import get_user_model
for name in ("alice", "bob"):
    get_user_model().objects.create_user(name, password={PASSWORD!r})
"""


class ForkedSite(Site):
    """A fork with the poll in it, and with alice and bob."""

    def __init__(self) -> None:
        super().__init__()
        self.fork = Fork.made_in(self.directory / "project")
        self.fork.follow("A second real-time app")
        self.fork.manage("shell", "-c", PEOPLE)

    def command(self) -> list[str]:
        return [str(self.fork.folder / ".venv/bin/python"), str(self.fork.folder / "manage.py"), *super().command()[2:]]

    def environment(self) -> dict[str, str]:
        own = self.fork.environment()
        return own | {"SITE_URL": self.url, "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def forked(sites: list[Site]) -> ForkedSite:
    """Served until the tests are through, with its log watched like that of the others."""
    site = ForkedSite()
    site.start()
    sites.append(site)
    return site


@pytest.fixture
def open_poll(open_window, forked):
    def open_poll(name: str, **options):
        page = open_window(at=forked, **options).page
        page.goto(ADDRESS)
        expect(page).to_have_url(re.compile(r"/accounts/login/\?next="))
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        expect(page).to_have_url(re.compile(f"{ADDRESS}$"))
        return page

    return open_poll


def votes(page, choice: str):
    """The bar of a choice."""
    return page.get_by_role("meter", name=choice)


def test_bars_move_in_every_window(open_poll):
    """Also in one of a phone; and where script is switched off, the form does it."""
    alice, bob = open_poll("alice"), open_poll("bob", viewport={"width": 360, "height": 640}, color_scheme="dark")
    alice.evaluate("window.isStillThere = true")

    alice.get_by_role("button", name="Coffee").click()

    for page in (alice, bob):
        expect(votes(page, "Coffee")).to_have_js_property("value", 1)
        expect(votes(page, "Tea")).to_have_js_property("value", 0)
    assert alice.evaluate("window.isStillThere")  # by the socket: the page was not loaded anew

    without_script = open_poll("bob", java_script_enabled=False)
    without_script.get_by_role("button", name="Tea").click()

    for page in (alice, bob, without_script):
        expect(votes(page, "Tea")).to_have_attribute("max", "2")
        expect(votes(page, "Tea")).to_have_js_property("value", 1)
    width, needed = bob.evaluate("[innerWidth, document.scrollingElement.scrollWidth]")
    assert needed <= width

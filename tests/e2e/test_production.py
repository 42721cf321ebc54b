"""What ``make serve WORKERS=2`` serves, in browsers: two processes that talk through Redis, and are replaced."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect
from prometheus_client.mmap_dict import MmapedDict

from tests.e2e.window import Window
from tests.people import PASSWORD
from tests.production import Copy
from tests.servers import wait_until

# While a worker drains it turns browsers away, until they meet a new one.
TURNED_AWAY = "WebSocket connection to .* failed"
MOST_TABS = 10  # the chance that all of them meet the same worker is 1 in 500


class Site(Copy):
    """Production with two workers, on the database of the tests, with metrics where these can be read."""

    def __init__(self, **environment: str) -> None:
        super().__init__(workers=2, **environment)
        self.metrics = self.directory / "metrics"
        self.metrics.mkdir()

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PROMETHEUS_MULTIPROC_DIR": str(self.metrics)}

    def tabs(self) -> dict[int, int]:
        """How many sockets are open in each worker that has some, by its process id."""
        return {
            int(file.stem.rpartition("_")[2]): int(value)
            for file in self.metrics.glob("gauge_livesum_*.db")
            for key, value, *_ in MmapedDict.read_all_values_from_file(file)
            if '"channels_connections"' in key and value
        }


@pytest.fixture(scope="module")
def site(database, sites, redis_server):
    """One of them; its log is watched like that of the others."""
    site = Site(REDIS_URL=redis_server.url, DATABASE_URL=os.environ["DATABASE_URL"])
    site.start()
    sites.append(site)
    return site


@pytest.fixture
def log_in(open_window, site):
    """A window of somebody who logs in by the form, for the tests do not know the secret that signs cookies there."""

    def log_in(person) -> Window:
        window = Window(open_window(at=site).page, person)
        window.page.goto("/accounts/login/")
        window.page.get_by_label("Username").fill(person.username)
        window.page.get_by_label("Password", exact=True).fill(PASSWORD)
        window.press("Log in")
        expect(window.page).to_have_url(re.compile("/rooms/$"))
        return window

    return log_in


@pytest.fixture
def conversation(log_in, site, alice, bob, room):
    """A tab of alice, and as many of bob as it takes until both workers are in it."""
    wait_until(lambda: not site.tabs(), what="the tabs of the test before to be gone")
    tabs = [log_in(alice).enter(room), log_in(bob).enter(room)]

    def are_counted() -> bool:
        return sum(site.tabs().values()) == len(tabs)

    wait_until(are_counted, what="two tabs")
    while len(site.tabs()) < 2:
        assert len(tabs) < MOST_TABS, site.tabs()
        tabs.append(tabs[1].new_tab().enter(room))
        wait_until(are_counted, what=f"{len(tabs)} tabs")
    yield tabs
    for tab in tabs:
        tab.page.close()
    wait_until(lambda: not site.tabs(), what="all tabs to be gone")


def test_people_talk_from_one_worker_to_the_other(conversation):
    alice, *bobs = conversation

    alice.say("Hello from here")
    for tab in conversation:
        tab.sees("Hello from here")
    bobs[-1].say("And from there")

    for tab in conversation:
        tab.sees("Hello from here", "And from there")


def test_styles_and_scripts_come_under_names_with_a_hash_and_nothing_offends_the_policy(log_in, alice, room):
    """What does would be an error in the console, and fail the test."""
    window = log_in(alice)
    answers = []
    window.page.on("response", lambda answer: answers.append(answer))

    window.enter(room)

    served = [answer for answer in answers if "/static/" in answer.url]
    assert {answer.request.resource_type for answer in served} >= {"stylesheet", "script"}
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", answer.url) for answer in served)
    assert all("immutable" in answer.headers["cache-control"] for answer in served)
    [page] = [answer for answer in answers if answer.request.resource_type == "document"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert window.page.evaluate("[...document.styleSheets].every(sheet => sheet.cssRules.length > 0)")


@pytest.mark.provokes(TURNED_AWAY)
def test_when_the_workers_are_replaced_everybody_is_back_within_seconds_and_misses_nothing(conversation, site, room):
    alice, *bobs = conversation
    alice.say("Before")
    bobs[0].sees("Before")
    old = site.tabs().keys()

    site.process.send_signal(signal.SIGHUP)

    def are_back() -> bool:
        tabs = site.tabs()
        return old.isdisjoint(tabs) and sum(tabs.values()) == len(conversation)

    wait_until(are_back, what="everybody to be with the new workers")
    for tab in conversation:
        tab.is_now("online")
    alice.say("After")
    bobs[-1].say("Welcome back")
    for tab in conversation:
        tab.sees("Before", "After", "Welcome back")

"""Two people talk."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.site import Site
from tests.servers import RedisServer


def test_what_one_says_the_other_reads_at_once(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)

    hers.say("Hello, Bob!")
    his.sees("Hello, Bob!")
    his.say("Hello, Alice!")

    for window in (hers, his):
        window.sees("Hello, Bob!", "Hello, Alice!")
        expect(window.message("Hello, Bob!").locator(".message__author")).to_have_text("Alice")
        expect(window.message("Hello, Alice!").locator(".message__author")).to_have_text("Bob")


def test_a_page_that_is_loaded_later_shows_the_same(open_window, alice, bob, room):
    hers = open_window(alice).enter(room)
    hers.say("One")
    hers.sees("One")
    hers.say("Two")
    hers.sees("One", "Two")
    shown = "rows => rows.map(row => [row.id, row.dataset.seq, row.className, row.innerText])"
    live = hers.messages.evaluate_all(shown)

    hers.enter(room)

    assert hers.messages.evaluate_all(shown) == live


def test_both_tabs_of_one_person_show_what_she_says_in_one(open_window, alice, room):
    one = open_window(alice).enter(room)
    other = one.new_tab().enter(room)

    one.say("From the first tab")

    one.sees("From the first tab")
    other.sees("From the first tab")
    expect(other.present()).to_have_count(1)


def test_messages_sent_in_haste_arrive_once_and_in_order(open_window, alice, bob, room):
    texts = [f"Message {number}" for number in range(1, 21)]
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)

    for text in texts:
        hers.say(text)

    hers.sees(*texts)
    his.sees(*texts)


def test_a_run_of_messages_shows_its_author_once(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)

    hers.say("First")
    hers.sees("First")
    hers.say("Second")
    his.sees("First", "Second")
    his.say("Third")

    for window in (hers, his):
        window.sees("First", "Second", "Third")
        continued = [
            "message--continued" in window.message(text).get_attribute("class") for text in ("First", "Second", "Third")
        ]
        assert continued == [False, True, False]
        expect(window.page.locator(".day-separator")).to_have_count(1)


def test_who_is_here_is_shown_and_who_left_is_not(open_window, alice, bob, room):
    hers = open_window(alice).enter(room)
    his = open_window(bob).enter(room)
    for window in (hers, his):
        expect(window.present()).to_have_count(2)
        expect(window.page.locator(".presence-count")).to_contain_text("2")

    his.page.close()

    expect(hers.present()).to_have_count(1)
    assert hers.present().get_attribute("data-user-id") == str(alice.pk)


def test_an_empty_message_is_not_sent(open_window, alice, room):
    hers = open_window(alice).enter(room)

    hers.say("   ")
    hers.say("Something")

    hers.sees("Something")
    expect(hers.messages).to_have_count(1)


def test_a_message_that_is_too_long_is_refused_and_stays_to_be_shortened(open_window, alice, room):
    hers = open_window(alice).enter(room)

    hers.say("x" * 4001)

    expect(hers.page.get_by_text("1 too many")).to_be_visible()
    expect(hers.composer).to_have_value("x" * 4001)
    hers.say("Shorter")
    hers.sees("Shorter")
    expect(hers.messages).to_have_count(1)


def test_people_on_two_processes_talk_and_see_each_other(open_window, servers, alice, bob, room):
    hers, his = (open_window(who, at=site).enter(room) for who, site in zip((alice, bob), servers, strict=True))
    for window in (hers, his):
        expect(window.present()).to_have_count(2)

    hers.say("Hello over there!")
    his.sees("Hello over there!")
    his.say("Hello back!")

    hers.sees("Hello over there!", "Hello back!")
    his.sees("Hello over there!", "Hello back!")
    his.page.close()
    expect(hers.present()).to_have_count(1)


@pytest.fixture
def site_on_redis(database, own_redis: RedisServer) -> Iterator[Site]:
    """A process whose log is its own affair: without its Redis it has much to complain about."""
    site = Site(REDIS_URL=own_redis.url)
    site.start()
    yield site
    site.remove()


@pytest.mark.provokes("^WebSocket connection to .* failed")
def test_while_redis_is_away_the_page_says_that_others_may_be_here_too(
    open_window, own_redis, site_on_redis, alice, room
):
    """Each process knows its own people, and nobody else's."""
    hers = open_window(alice, at=site_on_redis).enter(room)
    label = hers.page.locator(".room__count")
    expect(label).to_contain_text("1here")

    own_redis.stop()
    expect(label).to_contain_text("1or more here", timeout=20_000)
    expect(label).to_have_attribute("title", re.compile("may be incomplete"))

    own_redis.start()
    expect(label).to_contain_text("1here", timeout=20_000)
    expect(label).to_have_attribute("title", "")

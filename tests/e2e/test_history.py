"""Older messages."""

import pytest
from playwright.sync_api import expect

from tests.people import fill

COUNT = 130  # three pages


@pytest.fixture
def texts(alice, room) -> list[str]:
    """What has been said in the room so far, oldest first."""
    texts = [f"Number {number}" for number in range(1, COUNT + 1)]
    fill(room, alice, texts)
    return texts


def test_scrolling_up_loads_every_older_message_once_and_in_order(open_window, bob, room, texts):
    window = open_window(bob).enter(room)
    expect(window.messages).to_have_count(50)
    expect(window.message(texts[-1])).to_be_in_viewport()

    for shown in (100, COUNT):
        window.page.locator("message-list").hover()
        window.page.mouse.wheel(0, -100_000)
        expect(window.messages).to_have_count(shown)

    assert window.texts() == texts
    seqs = window.messages.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    assert seqs == list(range(1, COUNT + 1))
    expect(window.page.locator(".message-list__older")).to_be_hidden()


def test_what_is_being_read_stays_where_it_is_while_older_messages_come_in_above(open_window, bob, room, texts):
    window = open_window(bob).enter(room)
    first = window.message(texts[-50])

    # In one step, so that it is measured before anything has been loaded.
    top = first.evaluate(
        """row => {
            row.scrollIntoView();
            return row.getBoundingClientRect().top;
        }"""
    )
    expect(window.messages).to_have_count(100)

    assert first.evaluate("row => row.getBoundingClientRect().top") == pytest.approx(top, abs=2)


def test_a_message_that_arrives_does_not_pull_a_reader_of_history_down(open_window, alice, bob, room, texts):
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)
    his.page.locator("message-list").hover()
    his.page.mouse.wheel(0, -100_000)
    expect(his.messages).to_have_count(100)

    hers.say("News")

    jump = his.page.locator(".jump-to-newest")
    expect(jump).to_be_visible()
    expect(his.message("News")).not_to_be_in_viewport()
    jump.click()
    expect(his.message("News")).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_without_script_links_lead_to_every_older_message(open_window, bob, room, texts):
    window = open_window(bob, java_script_enabled=False)
    window.page.goto(f"/rooms/{room.slug}/")
    seen = window.texts()

    while (older := window.page.get_by_role("link", name="Older messages")).count():
        older.click()
        seen = window.texts() + seen

    assert seen == texts
    window.page.get_by_role("link", name="Newest messages").click()
    assert window.texts() == texts[-50:]

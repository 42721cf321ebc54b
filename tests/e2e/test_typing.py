"""Who is writing is seen by the others, until they have sent it or stopped."""

import pytest
from playwright.sync_api import expect

from tests.e2e.test_looks import PHONE, serious_findings
from tests.people import make_person, make_room


def indicator(window):
    return window.page.locator("typing-indicator")


def type_something(window) -> None:
    window.composer.press_sequentially("Well, ")


def test_who_writes_is_shown_to_the_others_until_the_message_comes(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    tab = hers.new_tab().enter(room)

    type_something(hers)
    expect(indicator(his)).to_have_text("Alice is typing")
    for own in (hers, tab):
        expect(indicator(own)).to_have_text("")
    hers.composer.press("Enter")

    his.sees("Well,")
    expect(indicator(his)).to_have_text("", timeout=3_000)  # sooner than it is forgotten


def test_who_stops_writing_is_forgotten(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)

    type_something(hers)
    expect(indicator(his)).to_have_text("Alice is typing")

    expect(indicator(his)).to_have_text("", timeout=12_000)


def test_who_goes_on_writing_stays(open_window, alice, bob, room):
    """For longer than one telling lasts."""
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    type_something(hers)
    expect(indicator(his)).to_have_text("Alice is typing")
    indicator(his).evaluate(
        """(indicator) => {
            window.texts = [];
            const note = () => window.texts.push(indicator.textContent);
            new MutationObserver(note).observe(indicator, { childList: true });
        }"""
    )

    hers.composer.press_sequentially("x" * 40, delay=200)  # eight seconds

    assert his.page.evaluate("window.texts") == []
    expect(indicator(his)).to_have_text("Alice is typing")


def test_two_are_named_and_more_are_several(open_window, alice, bob, carol):
    dave = make_person(f"dave-{alice.pk}", display_name="Dave")
    room = make_room(f"busy-{alice.pk}", [alice, bob, carol, dave])
    hers, his, carols, daves = (open_window(each).enter(room) for each in (alice, bob, carol, dave))

    type_something(hers)
    expect(indicator(his)).to_have_text("Alice is typing")
    type_something(carols)
    expect(indicator(his)).to_have_text("Alice and Carol are typing")
    type_something(daves)

    expect(indicator(his)).to_have_text("Several people are typing")


def test_editing_is_not_writing(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    hers.say("Helo")
    his.sees("Helo")
    hers.composer.press("ArrowUp")
    hers.page.evaluate(
        """() => {
            window.asked = [];
            const send = WebSocket.prototype.send;
            WebSocket.prototype.send = function (text) {
                window.asked.push(JSON.parse(text).type);
                return send.call(this, text);
            };
        }"""
    )

    editor = hers.page.get_by_label("Edit message")
    editor.fill("Hello")
    editor.press("Enter")

    his.sees("Hello")
    asked = hers.page.evaluate("window.asked")
    assert "message.edit" in asked
    assert "typing.start" not in asked


@pytest.mark.parametrize("screen", [PHONE, {}], ids=["phone", "desktop"])
def test_nothing_moves_when_somebody_begins_to_write(open_window, alice, bob, room, screen):
    alice.display_name = "An extraordinarily long name that fits no line of a phone"
    alice.save()
    his, hers = open_window(bob, **screen).enter(room), open_window(alice).enter(room)
    expect(his.page.locator("connection-state")).to_have_text("Online")
    parts = [his.page.locator(each) for each in (".composer", ".composer__text", "connection-state")]
    before = [part.bounding_box() for part in parts]

    type_something(hers)
    expect(indicator(his)).to_contain_text("is typing")

    assert [part.bounding_box() for part in parts] == before
    his.does_not_scroll_sideways()
    assert serious_findings(his) == []

"""What is written is sent once and in order, whatever happens to the page, the line and the tab."""

import json
import re
from contextlib import suppress

import pytest
from playwright.sync_api import Error, Locator, WebSocketRoute, expect

from chat.models import Membership, Message, Room
from tests.e2e.test_line import DISCONNECTED, breaks_the_line
from tests.e2e.test_looks import DESKTOP, PHONE, serious_findings
from tests.e2e.window import Window

PENDING = ".message--pending"
ROOM_SOCKETS = "**/ws/rooms/**"
FILL_STORAGE = """() => {
    let piece = "x".repeat(1024 * 1024);
    for (let number = 0; piece; ) {
        try {
            localStorage.setItem(`filler-${number += 1}`, piece);
        } catch {
            piece = piece.slice(0, piece.length / 2);
        }
    }
}"""


def stored(room: Room) -> list[str]:
    """What the server has, in order."""
    return list(Message.objects.filter(room=room).order_by("seq").values_list("text", flat=True))


def waiting(window: Window) -> Locator:
    """The rows of what is not sent yet."""
    return window.page.locator(PENDING)


def failed(window: Window) -> Locator:
    return window.page.locator(".message--failed")


def lose_replies(window: Window) -> None:
    """What this tab sends from now on goes nowhere, though its line stays up."""

    def connect(line: WebSocketRoute) -> None:
        server = line.connect_to_server()
        line.on_message(lambda text: None if "message.post" in str(text) else server.send(text))

    window.page.route_web_socket(ROOM_SOCKETS, connect)


def answer(window: Window, **error: object) -> None:
    """What this tab sends from now on is refused with this error."""

    def connect(line: WebSocketRoute) -> None:
        server = line.connect_to_server()

        def receive(text: str | bytes) -> None:
            frame = json.loads(text)
            if frame["type"] == "message.post":
                line.send(json.dumps({"type": "reply", "ref": frame["ref"], "ok": False, "error": error}))
            else:
                server.send(text)

        line.on_message(receive)

    window.page.route_web_socket(ROOM_SOCKETS, connect)


def crash(window: Window) -> None:
    """End the process of this tab: no handler of the page runs."""
    with window.page.expect_event("crash"), suppress(Error):
        window.page.goto("chrome://crash")


@breaks_the_line
def test_what_was_written_offline_survives_a_reload_and_is_sent_once(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice)
    is_reachable = True

    def connect(line: WebSocketRoute) -> None:
        if is_reachable:
            line.connect_to_server()
        else:
            line.close()

    hers.page.route_web_socket(ROOM_SOCKETS, connect)
    hers.enter(room)
    hers.page.context.set_offline(True)
    hers.is_now("offline")
    for text in ("First", "Second\nin two lines"):
        hers.say(text)
    expect(waiting(hers)).to_have_count(2)
    is_reachable = False
    hers.page.context.set_offline(False)
    hers.is_now("reconnecting")

    hers.page.reload()
    hers.is_now("reconnecting")
    expect(waiting(hers)).to_have_count(2)
    assert hers.texts() == ["First", "Second\nin two lines"]
    for author in waiting(hers).locator(".message__author").all():
        expect(author).to_have_text("Alice")
    assert stored(room) == []
    is_reachable = True

    hers.is_now("online", timeout_s=20)
    for window in (hers, his):
        expect(window.messages).to_have_count(2)
        expect(waiting(window)).to_have_count(0)
    assert stored(room) == ["First", "Second\nin two lines"]


@breaks_the_line
def test_what_was_written_while_the_server_was_away_is_sent_by_the_next_visit(start_site, open_window, alice, room):
    site = start_site()
    hers = open_window(alice, at=site).enter(room)
    site.stop()
    hers.is_now(DISCONNECTED)
    hers.say("Written to nobody")
    expect(waiting(hers)).to_have_count(1)

    hers.page.close()
    site.start()
    later = Window(hers.page.context.new_page(), alice).enter(room)

    later.sees("Written to nobody")
    assert stored(room) == ["Written to nobody"]


def test_a_tab_that_crashes_right_after_enter_has_kept_what_was_written(open_window, alice, room):
    hers = open_window(alice)
    lose_replies(hers)
    hers.enter(room)
    hers.say("Last words")
    crash(hers)
    assert stored(room) == []

    later = Window(hers.page.context.new_page(), alice).enter(room)

    later.sees("Last words")
    assert stored(room) == ["Last words"]


def test_another_tab_takes_over_from_one_that_crashed_while_sending(open_window, alice, room):
    one = open_window(alice)
    lose_replies(one)
    one.enter(room)
    for text in ("One", "Two", "Three"):
        one.say(text)
    other = one.new_tab().enter(room)
    expect(waiting(other)).to_have_count(3)
    assert stored(room) == []

    crash(one)

    other.sees("One", "Two", "Three")
    assert stored(room) == ["One", "Two", "Three"]


@breaks_the_line
def test_two_tabs_of_one_person_send_all_that_was_written_in_both_once(open_window, line, alice, bob, room):
    his, one = open_window(bob).enter(room), open_window(alice, at=line).enter(room)
    other = one.new_tab().enter(room)
    line.cut()
    for window in (one, other):
        window.is_now(DISCONNECTED)
    one.say("One A")
    other.say("Other A")
    one.say("One B")
    other.say("Other B")
    for window in (one, other):
        expect(waiting(window)).to_have_count(4)

    line.mend()

    for window in (one, other):
        window.is_now("online", timeout_s=20)
    texts = ["One A", "Other A", "One B", "Other B"]
    for window in (one, other, his):
        window.sees(*texts)
        expect(window.messages).to_have_count(4)
    assert stored(room) == texts


@breaks_the_line
def test_a_message_that_was_stored_before_the_page_was_lost_is_not_doubled(open_window, line, alice, room):
    """The acknowledgement is lost, and the page is loaded again: it has the message and the draft."""
    hers = open_window(alice, at=line)

    def connect(line: WebSocketRoute) -> None:
        def tell(text: str | bytes) -> None:
            if "welcome" in str(text):
                line.send(text)

        line.connect_to_server().on_message(tell)

    hers.page.route_web_socket(ROOM_SOCKETS, connect)
    hers.enter(room)
    hers.say("Once")
    expect(waiting(hers)).to_have_count(1)
    for _ in range(100):
        if stored(room):
            break
        hers.page.wait_for_timeout(50)
    assert stored(room) == ["Once"]
    hers.page.unroute_all()
    hers.page.route_web_socket(ROOM_SOCKETS, lambda line: line.close())

    hers.page.reload()

    hers.is_now("reconnecting")
    expect(hers.messages).to_have_count(1)
    expect(waiting(hers)).to_have_count(0)


def test_what_is_refused_stays_with_its_reason_and_can_be_tried_again(open_window, alice, bob, room):
    hers = open_window(alice).enter(room)
    Room.objects.filter(pk=room.pk).update(archived=True)
    hers.say("Too early")
    expect(failed(hers)).to_contain_text("This room is archived")
    expect(failed(hers).get_by_role("button", name="Edit")).to_be_hidden()

    Room.objects.filter(pk=room.pk).update(archived=False)
    hers.enter(room)
    expect(failed(hers)).to_contain_text("This room is archived")
    hers.say("Said since")
    hers.press("Try again")

    expect(failed(hers)).to_have_count(0)
    hers.sees("Said since", "Too early")
    assert stored(room) == ["Said since", "Too early"]


def test_what_has_to_wait_says_so_and_is_sent_by_itself(open_window, alice, room):
    hers = open_window(alice)
    answer(hers, code="busy", detail="Too much at once.", retry_after=3600)
    hers.enter(room)
    hers.say("Patience")

    time = waiting(hers).locator(".message__time")
    expect(time).to_have_text("Waiting")
    expect(time).to_have_attribute("title", "Too much at once.")
    expect(waiting(hers).get_by_role("button")).to_have_count(0)
    tab = hers.new_tab().enter(room)
    hers.page.close()
    tab.sees("Patience")
    assert stored(room) == ["Patience"]


def test_what_is_refused_can_be_edited_and_discarded_with_the_keyboard_in_every_tab(open_window, alice, room):
    one = open_window(alice)
    other = one.new_tab()
    for window in (one, other):
        answer(window, code="invalid", detail="Not like that.")
        window.enter(room)
    for text in ("Helo", "Never mind"):
        one.say(text)
    for window in (one, other):
        expect(failed(window)).to_have_count(2)
    press = one.page.keyboard.press

    failed(one).first.get_by_role("button", name="Try again").focus()
    press("Tab")
    expect(failed(one).first.get_by_role("button", name="Edit")).to_be_focused()
    press("Enter")
    expect(one.composer).to_be_focused()
    expect(one.composer).to_have_value("Helo")
    failed(one).get_by_role("button", name="Discard").focus()
    press("Enter")

    for window in (one, other):
        expect(failed(window)).to_have_count(0)
        expect(window.messages).to_have_count(0)
    expect(one.page.locator("message-list")).to_be_focused()
    one.enter(room)
    expect(one.messages).to_have_count(0)
    assert stored(room) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("screen", "least_px"), [(PHONE, 44), (DESKTOP, 24)], ids=["phone", "desktop"])
def test_rows_that_wait_or_failed_fit_and_can_be_read_and_hit(open_window, alice, room, screen, least_px, theme):
    hers = open_window(alice, color_scheme=theme, **screen)
    answer(hers, code="invalid", detail="Not like that, " * 20)
    hers.enter(room)
    hers.say("Refused")
    expect(failed(hers)).to_have_count(1)
    for button in failed(hers).get_by_role("button").all():
        assert button.bounding_box()["height"] >= least_px

    hers.page.context.set_offline(True)
    for text in ("Offline", "x" * 200):
        hers.say(text)
    expect(waiting(hers).last.locator(".message__time")).to_have_css("opacity", "1")

    hers.does_not_scroll_sideways()
    hers.messages_fit()
    assert serious_findings(hers) == []


@breaks_the_line
def test_who_has_no_place_any_more_is_told_so_at_each_message(open_window, line, alice, room):
    hers = open_window(alice, at=line).enter(room)
    line.cut()
    hers.is_now(DISCONNECTED)
    hers.say("From outside")
    room.memberships.filter(user=alice).delete()

    line.mend()

    hers.is_now("refused", timeout_s=20)
    expect(failed(hers)).to_contain_text("You are no longer in this room.")
    hers.press("Try again")
    expect(failed(hers)).to_contain_text("You are no longer in this room.")
    Membership.objects.create(room=room, user=alice)
    hers.enter(room)
    hers.press("Try again")
    hers.sees("From outside")
    assert stored(room) == ["From outside"]


@breaks_the_line
def test_without_storage_it_says_so_and_sends_all_the_same(open_window, line, alice, room):
    hers = open_window(alice, at=line).enter(room)
    hers.page.evaluate(FILL_STORAGE)
    line.cut()
    hers.is_now(DISCONNECTED)

    hers.say("Nowhere to be kept")

    warning = hers.page.get_by_role("alert").get_by_text("would not survive a reload")
    expect(warning).to_be_visible()
    line.mend()
    hers.is_now("online", timeout_s=20)
    hers.sees("Nowhere to be kept")
    expect(warning).to_have_count(0)
    assert stored(room) == ["Nowhere to be kept"]


@breaks_the_line
def test_another_account_in_the_same_browser_neither_sees_nor_sends_it(open_window, line, alice, bob, room):
    hers = open_window(alice, at=line).enter(room)
    line.cut()
    hers.is_now(DISCONNECTED)
    hers.say("From Alice alone")
    expect(waiting(hers)).to_have_count(1)

    # Meanwhile Bob logs in, in another tab.
    mine = hers.page.context.cookies()
    his = open_window(bob, at=line)
    hers.page.context.add_cookies(his.page.context.cookies())
    line.mend()

    hers.is_now("refused", timeout_s=20)
    expect(hers.page.locator("connection-state")).to_contain_text("You are logged out.")
    bobs = hers.new_tab().enter(room)
    expect(bobs.messages).to_have_count(0)
    assert stored(room) == []

    hers.page.context.clear_cookies()
    hers.page.context.add_cookies(mine)
    bobs.page.close()
    hers.enter(room)
    hers.sees("From Alice alone")
    assert Message.objects.get(room=room).author == alice


def test_what_is_being_written_survives_a_reload(open_window, alice, room):
    hers = open_window(alice).enter(room)
    hers.composer.fill("Half a sent")

    hers.enter(room)
    expect(hers.composer).to_have_value("Half a sent")
    hers.composer.press("Enter")
    hers.sees("Half a sent")

    hers.enter(room)
    expect(hers.composer).to_have_value("")


def test_a_server_that_is_asked_too_often_is_left_alone_for_the_time_it_says(open_window, alice, room):
    hers = open_window(alice)
    calls = []

    def refuse(line: WebSocketRoute) -> None:
        calls.append(line)
        line.close(code=4429, reason="Too fast. Try again in 60 s.")

    hers.page.route_web_socket(ROOM_SOCKETS, refuse)
    hers.page.goto(f"/rooms/{room.slug}/")

    state = hers.page.locator("connection-state")
    expect(state).to_contain_text(re.compile(r"^Too fast\. Reconnecting in (60|5\d) s$"))
    hers.page.evaluate("dispatchEvent(new Event('online'))")
    expect(state).to_contain_text(re.compile(r"^Too fast\. Reconnecting in (60|5\d) s$"))
    assert len(calls) == 1

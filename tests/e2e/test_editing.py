"""Messages are edited and deleted: live everywhere, and after a reconnect."""

import pytest
from playwright.sync_api import Locator, expect

from chat.models import Membership, Message
from tests.e2e.test_line import DISCONNECTED, breaks_the_line
from tests.e2e.window import Window

TOMBSTONE = "This message was deleted."
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def actions(window: Window, text: str) -> Locator:
    """The button of that message."""
    return window.message(text).get_by_role("button", name="Message actions")


def editor(window: Window) -> Locator:
    return window.page.get_by_label("Edit message")


def choose(window: Window, text: str, action: str) -> None:
    """Choose from the menu of that message, with the pointer."""
    window.message(text).hover()
    actions(window, text).click()
    window.press(action)


def delete(window: Window, text: str) -> None:
    choose(window, text, "Delete")
    window.page.get_by_role("dialog").get_by_role("button", name="Delete").click()


def edit(window: Window, text: str, into: str) -> None:
    choose(window, text, "Edit")
    editor(window).fill(into)
    editor(window).press("Enter")


def is_marked(window: Window, text: str) -> None:
    expect(window.message(text).get_by_text("edited", exact=True)).to_be_visible()


def test_an_edit_shows_in_every_window_in_its_place(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)
    tab = hers.new_tab().enter(room)
    for text in ("Helo", "After it"):
        hers.say(text)
    hers.sees("Helo", "After it")

    edit(hers, "Helo", "**Hello**")

    for window in (hers, tab, his):
        window.sees("Hello", "After it")
        is_marked(window, "Hello")
        expect(window.message("Helo")).to_have_count(0)
        expect(window.page.locator(".message__text strong")).to_have_text("Hello")
    expect(editor(hers)).to_have_count(0)
    hers.enter(room)
    hers.sees("Hello", "After it")
    is_marked(hers, "Hello")


def test_a_deletion_is_confirmed_and_leaves_a_tombstone_in_every_window(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)
    for text in ("Secret", "After it"):
        hers.say(text)
    hers.sees("Secret", "After it")

    choose(hers, "Secret", "Delete")
    dialog = hers.page.get_by_role("dialog", name="Delete this message?")
    expect(dialog).to_contain_text("Secret")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    hers.sees("Secret", "After it")
    delete(hers, "Secret")

    expect(dialog).to_be_hidden()
    for window in (hers, his):
        window.sees(TOMBSTONE, "After it")
        expect(window.page.get_by_text("Secret")).to_have_count(0)
    expect(actions(hers, TOMBSTONE)).to_have_count(0)
    assert Message.objects.get(room=room, seq=1).text == ""


def test_the_keyboard_alone_edits_and_deletes(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice).enter(room)
    press = hers.page.keyboard.press
    for text in ("First", "Last"):
        hers.say(text)
    hers.sees("First", "Last")

    press("ArrowUp")
    expect(editor(hers)).to_be_focused()
    expect(editor(hers)).to_have_value("Last")
    hers.page.keyboard.type(" word")
    press("Enter")
    his.sees("First", "Last word")
    expect(hers.composer).to_be_focused()

    press("Shift+Tab")
    expect(actions(hers, "Last word")).to_be_focused()
    press("Enter")
    expect(hers.page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    press("Escape")
    expect(actions(hers, "Last word")).to_be_focused()
    press("Enter")
    expect(hers.page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    press("Tab")
    press("Enter")
    expect(hers.page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    press("Tab")
    press("Enter")

    his.sees("First", TOMBSTONE)
    expect(hers.page.get_by_role("dialog")).to_be_hidden()


def test_escape_leaves_the_message_as_it_was_and_an_empty_text_is_refused(open_window, alice, room):
    hers = open_window(alice).enter(room)
    hers.say("As it was")
    hers.sees("As it was")

    hers.composer.press("ArrowUp")
    editor(hers).fill("  ")
    editor(hers).press("Enter")
    expect(hers.page.get_by_role("alert").get_by_text("Write something, or delete the message.")).to_be_visible()
    editor(hers).fill("Changed")
    editor(hers).press("Escape")

    expect(editor(hers)).to_have_count(0)
    expect(hers.composer).to_be_focused()
    hers.sees("As it was")
    assert Message.objects.get(room=room).version == 1


def test_arrow_up_in_a_text_stays_in_the_text(open_window, alice, room):
    hers = open_window(alice).enter(room)
    hers.say("Said")
    hers.sees("Said")

    hers.composer.fill("Being written")
    hers.composer.press("ArrowUp")

    expect(hers.composer).to_be_focused()
    expect(editor(hers)).to_have_count(0)


def test_a_member_changes_only_what_is_their_own_and_a_moderator_deletes_the_rest(open_window, alice, bob, carol, room):
    Membership.objects.create(room=room, user=carol, role=Membership.Role.MODERATOR)
    hers, his, theirs = (open_window(person).enter(room) for person in (alice, bob, carol))
    hers.say("From Alice")

    his.sees("From Alice")
    his.message("From Alice").hover()
    expect(actions(his, "From Alice")).to_have_count(0)
    theirs.sees("From Alice")
    theirs.message("From Alice").hover()
    actions(theirs, "From Alice").click()
    expect(theirs.page.get_by_role("button", name="Delete", exact=True)).to_be_visible()
    expect(theirs.page.get_by_role("button", name="Edit", exact=True)).to_be_hidden()
    theirs.page.keyboard.press("Escape")
    delete(theirs, "From Alice")

    for window in (hers, his, theirs):
        window.sees(TOMBSTONE)


def test_an_editor_closes_when_its_message_is_deleted_meanwhile(open_window, alice, room):
    one = open_window(alice).enter(room)
    other = one.new_tab().enter(room)
    one.say("Soon gone")
    other.sees("Soon gone")

    one.composer.press("ArrowUp")
    expect(editor(one)).to_be_focused()
    delete(other, "Soon gone")

    one.sees(TOMBSTONE)
    expect(editor(one)).to_have_count(0)
    expect(one.composer).to_be_focused()


@breaks_the_line
def test_what_was_changed_while_the_line_was_cut_shows_after_it(open_window, line, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)
    for text in ("One", "Two", "Three"):
        his.say(text)
    hers.sees("One", "Two", "Three")

    line.cut()
    hers.is_now(DISCONNECTED)
    edit(his, "One", "One, edited")
    delete(his, "Two")
    his.sees("One, edited", TOMBSTONE, "Three")
    line.mend()

    hers.is_now("online", timeout_s=20)
    hers.sees("One, edited", TOMBSTONE, "Three")
    is_marked(hers, "One, edited")


@breaks_the_line
def test_an_edit_without_a_line_is_kept_in_its_editor_and_can_be_tried_again(open_window, line, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice, at=line).enter(room)
    hers.say("Before")
    his.sees("Before")
    hers.sees("Before")

    line.cut()
    hers.is_now(DISCONNECTED)
    hers.composer.press("ArrowUp")
    editor(hers).fill("After")
    editor(hers).press("Enter")
    expect(hers.page.get_by_role("alert").get_by_text("There is no connection right now.")).to_be_visible()
    line.mend()
    hers.is_now("online", timeout_s=20)
    editor(hers).press("Enter")

    for window in (hers, his):
        window.sees("After")


def test_reading_further_up_one_stays_where_one_reads(open_window, alice, bob, room):
    """A message above, which grows by an edit, pushes nothing away."""
    his, hers = open_window(bob).enter(room), open_window(alice, viewport={"width": 900, "height": 500}).enter(room)
    texts = [f"Line {number}" for number in range(40)]
    for text in texts:
        his.say(text)
    hers.sees(*texts)
    hers.message("Line 10").evaluate("row => row.scrollIntoView({block: 'start'})")
    before = hers.message("Line 15").bounding_box()

    edit(his, "Line 5", "Line 5\n\nis longer\n\nnow")
    expect(hers.page.get_by_text("is longer")).to_have_count(1)

    after = hers.message("Line 15").bounding_box()
    assert abs(after["y"] - before["y"]) < 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_a_finger_does_it_all(open_window, alice, bob, room, theme):
    his, hers = open_window(bob).enter(room), open_window(alice, color_scheme=theme, **PHONE).enter(room)
    hers.say("W" * 200)
    hers.sees("W" * 200)

    button = actions(hers, "W" * 200)
    expect(button).to_have_css("opacity", "1")
    button.tap()
    hers.page.get_by_role("button", name="Edit", exact=True).tap()
    editor(hers).fill("Typed with a thumb")
    hers.does_not_scroll_sideways()
    hers.page.get_by_role("button", name="Save").tap()
    his.sees("Typed with a thumb")

    actions(hers, "Typed with a thumb").tap()
    hers.page.get_by_role("button", name="Delete", exact=True).tap()
    hers.does_not_scroll_sideways()
    hers.page.get_by_role("dialog").get_by_role("button", name="Delete").tap()
    his.sees(TOMBSTONE)
    hers.messages_fit()

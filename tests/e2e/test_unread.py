"""What is unread: in the sidebar, in the title, above the first message that is new; and until when."""

import re

import pytest
from django.db.models import F
from django.urls import reverse
from playwright.sync_api import expect

from chat.models import Membership, Message, Room
from tests.e2e.test_looks import PHONE, serious_findings
from tests.people import fill, make_room

breaks_the_line = pytest.mark.provokes("^WebSocket connection to .* failed", "net::ERR_")


@pytest.fixture
def other(room, alice, bob) -> Room:
    """Another room of the same two."""
    return make_room(f"other-{room.pk}", [alice, bob], name=f"Other {room.pk}")


def badge(window, room):
    """The number beside a room in the sidebar."""
    return window.page.locator(f'room-list [data-slug="{room.slug}"] .unread')


def shows(window, room, count: int | str) -> None:
    expect(badge(window, room)).to_have_text(f"{count} unread")
    expect(badge(window, room)).to_be_visible(visible=bool(count))


def title(window, unread: int, name: str) -> None:
    start = rf"^\({unread}\) " if unread else "^"
    expect(window.page).to_have_title(re.compile(f"{start}{re.escape(name)} · "))


def look_away(window) -> None:
    """The window loses the focus; browsers under test keep it in all of them."""
    window.page.evaluate("document.hasFocus = () => false; dispatchEvent(new Event('blur'))")


def look_again(window) -> None:
    window.page.evaluate("delete document.hasFocus; dispatchEvent(new Event('focus'))")


def last_read(person, room) -> int:
    return Membership.objects.get(user=person, room=room).last_read


def is_divided_above(window, text: str) -> None:
    """There is one divider, and the message below it says this."""
    expect(window.page.locator(".divider")).to_have_count(1)
    below = window.page.locator(".divider ~ .message").first.locator(".message__text")
    expect(below).to_have_text(text)


def is_not_divided(window) -> None:
    expect(window.page.locator(".divider")).to_have_count(0)


# --- The sidebar -------------------------------------------------------------------------------------


def test_what_is_said_in_another_room_is_counted_in_the_sidebar_and_in_the_title(open_window, alice, bob, room, other):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(other)
    shows(hers, other, 0)
    title(hers, 0, room.name)

    his.say("One")
    shows(hers, other, 1)
    his.say("Two")
    shows(hers, other, 2)
    title(hers, 2, room.name)
    expect(hers.page.get_by_role("link", name=re.compile(f"{other.name}\\W+2\\W+unread"))).to_be_visible()

    hers.page.get_by_role("navigation", name="Rooms").get_by_role("link", name=other.name).click()
    hers.sees("One", "Two")
    shows(hers, other, 0)
    title(hers, 0, other.name)


@pytest.mark.parametrize("path", ["/rooms/", "/accounts/profile/"])
def test_pages_without_a_room_count_as_well(open_window, alice, bob, other, path):
    hers, his = open_window(alice), open_window(bob).enter(other)
    hers.page.goto(path)
    his.say("One")

    shows(hers, other, 1)
    expect(hers.page).to_have_title(re.compile(r"^\(1\) "))


def test_without_script_the_sidebar_counts_as_of_the_page(open_window, alice, bob, room, other):
    fill(other, bob, [f"Number {number}" for number in range(120)])
    window = open_window(alice, java_script_enabled=False)

    window.page.goto(f"/rooms/{room.slug}/")

    expect(badge(window, other)).to_have_text("99+ unread")
    expect(badge(window, room)).to_be_hidden()


def test_reading_in_one_tab_clears_the_count_in_the_others(open_window, alice, bob, room, other):
    fill(other, bob, ["One", "Two"])
    window = open_window(alice).enter(room)
    tab = window.new_tab()
    tab.page.goto("/rooms/")
    for each in (window, tab):
        shows(each, other, 2)

    third = window.new_tab().enter(other)

    third.sees("One", "Two")
    for each in (window, tab, third):
        shows(each, other, 0)


def test_what_one_says_oneself_is_not_unread_in_the_other_tabs(open_window, alice, bob, room, other):
    hers, tab = open_window(alice).enter(other), open_window(alice)
    tab.enter(room)
    open_window(bob).enter(other).say("Hello")
    hers.sees("Hello")

    hers.say("Hello, Bob")
    hers.sees("Hello, Bob")

    shows(tab, other, 0)
    title(tab, 0, room.name)


def test_a_room_that_is_not_looked_at_counts_as_any_other(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    look_away(hers)

    his.say("Are you there?")
    title(hers, 1, room.name)
    shows(hers, room, 1)
    assert last_read(alice, room) == 0

    look_again(hers)
    title(hers, 0, room.name)
    shows(hers, room, 0)


def test_a_room_appears_in_its_place_when_one_is_added_and_goes_when_one_is_removed(open_window, alice, bob, carol):
    rooms = [
        make_room(f"{name}-{alice.pk}", [alice, *others], name=f"{name.title()} {alice.pk}", kind="private")
        for name, others in [("ants", [bob]), ("bees", []), ("cows", [bob])]
    ]
    fill(rooms[1], alice, ["Before your time"])
    hers, his = open_window(alice).enter(rooms[1]), open_window(bob)
    his.page.goto("/rooms/")
    shows(his, rooms[0], 0)

    hers.open_people()
    hers.page.get_by_label("User name").fill(bob.username)
    hers.press("Add")

    names = his.page.locator("room-list .sidebar__name")
    expect(names).to_have_text([room.name for room in rooms])
    shows(his, rooms[1], 0)
    his.page.locator("room-list").get_by_role("link", name=rooms[1].name).click()
    his.sees("Before your time")
    his.page.goto("/rooms/")
    shows(his, rooms[1], 0)

    remove(hers, rooms[1], bob)
    expect(names).to_have_text([rooms[0].name, rooms[2].name])


def test_a_page_that_was_drawn_for_somebody_else_is_not_told_of_their_rooms(open_window, alice, bob, room):
    make_room(f"bobs-{room.pk}", [bob], name=f"Bob's {room.pk}")
    window = open_window(alice)
    window.page.goto("/rooms/")
    shows(window, room, 0)

    # Bob logs in with this browser while it is offline.
    window.page.context.set_offline(True)
    window.page.context.add_cookies(open_window(bob).page.context.cookies())
    with window.page.expect_websocket() as opened:
        window.page.context.set_offline(False)
    if not opened.value.is_closed():
        opened.value.wait_for_event("close")

    expect(window.page.locator("room-list .sidebar__name")).to_have_text([room.name])


# --- The divider -------------------------------------------------------------------------------------


@pytest.fixture
def read_some(alice, bob, room) -> None:
    """Alice has read two of four messages."""
    fill(room, bob, ["One", "Two", "Three", "Four"])
    Membership.objects.filter(user=alice, room=room).update(last_read=2)


def test_a_room_opens_with_a_line_above_what_is_new_and_next_time_without(open_window, alice, room, read_some):
    window = open_window(alice).enter(room)

    is_divided_above(window, "Three")
    expect(window.message("Three").locator(".message__author")).to_be_visible()
    shows(window, room, 0)
    expect(window.page.get_by_role("separator", name="New messages")).to_be_visible()

    window.new_tab().page.goto("/rooms/")
    window.enter(room)
    is_not_divided(window)


def test_who_answers_has_seen_what_was_new(open_window, alice, room, read_some):
    window = open_window(alice).enter(room)
    is_divided_above(window, "Three")

    window.say("I agree")

    window.sees("Four", "I agree")
    is_not_divided(window)


def test_the_line_stays_while_one_reads_on_and_when_another_tab_has_read_it(
    open_window, alice, bob, room, other, read_some
):
    window = open_window(alice).enter(room)
    his = open_window(bob).enter(room)

    his.say("Five")
    window.sees("Five")
    is_divided_above(window, "Three")
    look_away(window)
    his.say("Six")
    window.sees("Six")
    is_divided_above(window, "Six")

    tab = window.new_tab().enter(room)
    tab.sees("Six")
    shows(window, room, 0)
    is_divided_above(window, "Six")


def test_what_comes_while_one_looks_elsewhere_is_divided_once(open_window, alice, bob, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    his.say("One")
    hers.sees("One")
    is_not_divided(hers)

    look_away(hers)
    his.say("Two")
    his.say("Three")
    hers.sees("One", "Two", "Three")
    is_divided_above(hers, "Two")

    look_again(hers)
    is_divided_above(hers, "Two")
    shows(hers, room, 0)


def test_what_comes_while_one_reads_further_up_is_not_read_before_one_comes_back(open_window, alice, bob, room):
    fill(room, bob, [f"Number {number}" for number in range(1, 61)])
    Membership.objects.filter(user=alice, room=room).update(last_read=60)
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    hers.page.locator("message-list").hover()
    hers.page.mouse.wheel(0, -700)
    expect(hers.message("Number 60")).not_to_be_in_viewport()

    his.say("News")
    expect(hers.message("News")).to_have_count(1)
    shows(hers, room, 1)
    hers.page.locator(".jump-to-newest").click()

    shows(hers, room, 0)
    is_divided_above(hers, "News")
    expect(hers.page.locator(".divider")).to_be_in_viewport()


@breaks_the_line
def test_what_was_said_while_the_line_was_cut_is_divided_and_read_when_it_is_back(
    open_window, line, alice, bob, room, other
):
    hers, his = open_window(alice, at=line).enter(room), open_window(bob).enter(room)
    his.say("Before")
    hers.sees("Before")

    line.cut()
    hers.is_now("reconnecting|offline")
    his.say("Meanwhile")
    line.mend()

    hers.is_now("online", timeout_s=20)
    is_divided_above(hers, "Meanwhile")
    elsewhere = open_window(alice).enter(other)
    shows(elsewhere, room, 0)


@breaks_the_line
def test_who_missed_too_much_to_keep_their_place_is_told_and_can_go_back(open_window, line, alice, bob, room):
    fill(room, bob, [f"Number {number}" for number in range(1, 101)])
    Membership.objects.filter(user=alice, room=room).update(last_read=100)
    hers = open_window(alice, at=line).enter(room)
    hers.page.locator("message-list").hover()
    hers.page.mouse.wheel(0, -100_000)
    expect(hers.messages).to_have_count(100)
    hers.message("Number 40").evaluate("row => row.scrollIntoView({ block: 'start' })")
    expect(hers.message("Number 40")).to_be_in_viewport()

    line.cut()
    hers.is_now("reconnecting|offline")
    room.refresh_from_db()
    fill(room, bob, [f"Missed {number}" for number in range(1, 511)])
    line.mend()

    hers.is_now("online", timeout_s=20)
    expect(hers.message("Missed 510")).to_be_in_viewport()
    is_divided_above(hers, "Missed 461")
    hint = hers.page.locator("lost-place")
    expect(hint).to_contain_text("Too much was missed")
    hers.press("Back to where you were")
    expect(hint).to_be_hidden(timeout=20_000)
    expect(hers.message("Number 40")).to_be_in_viewport()
    is_divided_above(hers, "Missed 1")
    seqs = hers.messages.evaluate_all("rows => rows.map(row => Number(row.dataset.seq))")
    assert seqs == list(range(seqs[0], 611))


@breaks_the_line
def test_a_page_that_starts_afresh_keeps_the_place_that_is_on_it_still(open_window, line, alice, bob, room):
    """As much has changed as nobody is told one by one, further up."""
    fill(room, bob, [f"Number {number}" for number in range(1, 601)])
    Membership.objects.filter(user=alice, room=room).update(last_read=600)
    hers = open_window(alice, at=line).enter(room)
    row = hers.message("Number 560")
    row.evaluate("row => row.scrollIntoView({ block: 'start' })")
    top = row.bounding_box()["y"]

    line.cut()
    hers.is_now("reconnecting|offline")
    Message.objects.filter(room=room, seq__lte=510).update(version=F("seq") + 600)
    Room.objects.filter(pk=room.pk).update(head=1_110)
    line.mend()

    hers.is_now("online", timeout_s=20)
    assert row.bounding_box()["y"] == pytest.approx(top, abs=2)
    expect(hers.page.locator("lost-place")).to_be_hidden()
    is_not_divided(hers)


# --- Changes of a room, and its end ------------------------------------------------------------------


def remove(window, room, person) -> None:
    """Send somebody away, on a page of its own."""
    tab = window.new_tab().enter(room)
    tab.open_people()
    tab.page.locator(f'.people [data-user-id="{person.pk}"] .person__more').click()
    tab.press("Remove from the room")
    expect(tab.page.locator(".notices")).to_contain_text(person.name)
    tab.page.close()


def change(window, room, **fields) -> None:
    """Save the settings of a room with these values."""
    page = window.new_tab().page
    page.goto(reverse("chat:room_settings", args=[room.slug]))
    for label, value in fields.items():
        if isinstance(value, bool):
            page.get_by_label(label).set_checked(value)
        else:
            page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved").first.wait_for()
    page.close()


def test_the_name_and_topic_of_a_room_change_where_it_is_open(open_window, alice, bob, room):
    his = open_window(bob).enter(room)

    change(open_window(alice), room, Name=f"Renamed {room.pk}", Topic="Something <b>new</b>")

    expect(his.page.get_by_role("heading", level=1)).to_contain_text(f"Renamed {room.pk}")
    expect(his.page.locator("[data-topic]")).to_have_text("Something <b>new</b>")
    expect(his.page.locator("room-list").get_by_role("link", name=f"Renamed {room.pk}")).to_be_visible()
    title(his, 0, f"Renamed {room.pk}")


def test_a_room_that_is_archived_closes_where_it_is_open_and_opens_again(open_window, alice, bob, room):
    hers, his = open_window(alice), open_window(bob).enter(room)
    his.say("Before")
    his.sees("Before")

    change(hers, room, Archived=True)
    expect(his.composer).to_be_disabled()
    expect(his.page.get_by_text("This room is archived")).to_be_visible()
    late = open_window(bob).enter(room)
    expect(late.composer).to_have_count(0)

    change(hers, room, Archived=False)
    expect(his.composer).to_be_enabled()
    expect(his.page.get_by_text("This room is archived")).to_have_count(0)
    his.say("After")
    his.sees("Before", "After")
    late.page.get_by_role("link", name="Write in it").click()
    late.is_now("online")
    expect(late.composer).to_be_enabled()


def test_who_is_removed_is_told_so_and_the_sidebar_goes_on_without_the_room(open_window, alice, bob, room, other):
    hers, his = open_window(alice).enter(other), open_window(bob).enter(room)

    remove(hers, room, bob)

    his.is_now("refused")
    expect(his.page.locator("connection-state")).to_contain_text("You are no longer in this room.")
    expect(badge(his, room)).to_have_count(0)
    hers.say("Is anybody here?")
    shows(his, other, 1)


def test_a_room_that_is_deleted_is_said_to_be(open_window, alice, bob, room):
    his, hers = open_window(bob).enter(room), open_window(alice)

    hers.page.goto(reverse("chat:room_delete", args=[room.slug]))
    for field in hers.page.locator("main input[type=text]").all():
        field.fill(room.name)
    hers.page.locator("main").get_by_role("button", name=re.compile("^Delete")).click()

    his.is_now("refused")
    expect(his.page.locator("connection-state")).to_contain_text("This room was deleted.")
    expect(badge(his, room)).to_have_count(0)


def test_who_logs_out_in_one_tab_is_told_so_in_the_others(open_window, alice, room):
    window = open_window(alice).enter(room)
    tab = window.new_tab()
    tab.page.goto("/rooms/")

    tab.log_out()

    window.is_now("refused")
    expect(window.page.locator("connection-state")).to_contain_text("You are logged out.")


def test_whose_account_is_deactivated_is_told_so(open_window, alice, bob, room):
    his = open_window(bob).enter(room)
    alice.is_staff = alice.is_superuser = True
    alice.save()

    page = open_window(alice).page
    page.goto(reverse("admin:chat_user_change", args=[bob.pk]))
    page.get_by_label("Active").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()

    his.is_now("refused")
    expect(his.page.locator("connection-state")).to_contain_text("Your account was deactivated.")


# --- Looks -------------------------------------------------------------------------------------------


def test_on_a_phone_a_dot_at_the_way_back_says_that_another_room_has_news(open_window, alice, bob, room, other):
    hers, his = open_window(alice, **PHONE).enter(room), open_window(bob).enter(other)
    dot = hers.page.locator(".room__back .unread-mark")
    expect(dot).to_be_hidden()

    his.say("News")
    expect(dot).to_be_visible()
    hers.page.get_by_role("link", name=re.compile("^All rooms.*unread")).tap()

    shows(hers, other, 1)
    hers.does_not_scroll_sideways()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_counts_and_dividers_have_no_serious_accessibility_findings(open_window, alice, bob, room, other, theme):
    fill(room, bob, ["One", "Two"])
    fill(other, bob, ["Three"])
    window = open_window(alice, color_scheme=theme).enter(room)
    shows(window, other, 1)
    is_divided_above(window, "One")

    assert serious_findings(window) == []

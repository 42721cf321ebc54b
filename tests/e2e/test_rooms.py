"""Making rooms, coming in, leaving, and who is not let in."""

import re

import pytest
from playwright.sync_api import expect

from tests.people import fill, make_room


def create(window, name: str, kind: str) -> None:
    window.page.goto("/rooms/new/")
    window.page.get_by_label("Name").fill(name)
    window.page.get_by_label("Topic").fill(f"All about {name}")
    window.page.get_by_role("radio", name=kind).check()
    window.press("Create room")


def sidebar(window):
    return window.page.get_by_role("navigation", name="Rooms")


def test_a_public_room_is_found_joined_talked_in_and_left(open_window, alice, bob):
    name = f"Gardening {alice.pk}"
    hers, his = open_window(alice), open_window(bob)

    create(hers, name, "Public")
    hers.is_now("online")
    expect(sidebar(hers)).to_contain_text(name)

    his.page.goto("/rooms/")
    his.page.get_by_label("Find a room").fill(name)
    his.press("Find")
    row = his.page.get_by_role("listitem").filter(has_text=f"All about {name}")
    expect(row).to_contain_text("1 member")
    row.get_by_role("button", name="Join").click()
    his.is_now("online")
    expect(sidebar(his)).to_contain_text(name)

    his.say("What grows in the shade?")
    hers.sees("What grows in the shade?")

    his.open_people()
    his.press("Leave")
    expect(his.page.get_by_text(f"You left {name}")).to_be_visible()
    expect(sidebar(his)).not_to_contain_text(name)


def test_the_page_of_a_public_room_offers_to_join_it(open_window, carol, alice, room):
    fill(room, alice, ["Only for members"])
    window = open_window(carol)

    window.page.goto(f"/rooms/{room.slug}/")
    expect(window.page.get_by_text("Only for members")).to_have_count(0)
    window.press("Join")

    window.is_now("online")
    window.sees("Only for members")


@pytest.mark.provokes("status of 403")
def test_a_private_room_lets_in_only_who_was_added(open_window, alice, bob, carol):
    name = f"Surprise party {alice.pk}"
    hers, his, other = open_window(alice), open_window(bob), open_window(carol)
    create(hers, name, "Private")
    hers.is_now("online")
    address = hers.page.url

    hers.open_people()
    hers.page.get_by_label("User name").fill(bob.username)
    hers.press("Add")
    expect(hers.page.get_by_text("Bob can come in now.")).to_be_visible()
    his.page.goto(address)
    his.is_now("online")
    his.say("What do we bake?")
    hers.sees("What do we bake?")

    assert other.page.goto(address).status == 403
    expect(other.page.get_by_role("main")).not_to_contain_text("What do we bake?")
    other.page.goto("/rooms/")
    expect(other.page.get_by_role("main")).not_to_contain_text(name)


@pytest.mark.provokes("status of 404")
def test_a_room_that_is_not_there_has_a_page_that_says_so(open_window, alice):
    window = open_window(alice)

    assert window.page.goto("/rooms/nowhere/").status == 404
    expect(window.page.get_by_role("main")).to_contain_text("nowhere")
    window.page.get_by_role("main").get_by_role("link", name="rooms", exact=False).first.click()
    expect(window.page).to_have_url(re.compile("/rooms/$"))


def test_an_archived_room_can_be_read_but_not_written_in(open_window, alice):
    room = make_room(f"attic-{alice.pk}", [alice], archived=True)
    fill(room, alice, ["Long ago"])

    window = open_window(alice).enter(room)

    window.sees("Long ago")
    expect(window.composer).to_have_count(0)
    expect(window.page.get_by_text("This room is archived")).to_be_visible()


def test_a_room_that_is_archived_while_it_is_open_refuses_what_is_written(open_window, alice, room):
    window = open_window(alice).enter(room)
    room.archived = True
    room.save()

    window.say("Too late")

    expect(window.page.locator(".composer__error")).to_contain_text("archived")

"""Running a room: its settings, its people, and its end."""

import pytest
from playwright.sync_api import expect

from chat.models import Ban, Membership, Room


def act_on(window, person, action: str) -> None:
    """Choose something in the menu of somebody in the list of people."""
    window.page.get_by_role("button", name=f"Actions for {person.name}").click()
    window.press(action)


@pytest.mark.parametrize("java_script_enabled", [True, False], ids=["script", "no script"])
def test_the_owner_appoints_removes_bans_and_forgives(open_window, alice, bob, room, java_script_enabled):
    window = open_window(alice, java_script_enabled=java_script_enabled)
    window.page.goto(f"/rooms/{room.slug}/")

    window.open_people()
    act_on(window, bob, "Make moderator")
    expect(window.page.get_by_text("Bob moderates this room now.")).to_be_visible()
    assert Membership.objects.get(room=room, user=bob).role == "moderator"

    window.open_people()
    act_on(window, bob, "Ban from the room")
    expect(window.page.get_by_text("Bob is banned.")).to_be_visible()
    assert not room.memberships.filter(user=bob).exists()

    window.open_people()
    window.page.get_by_role("link", name="Room settings").click()
    window.press("Lift the ban of Bob")
    expect(window.page.get_by_text("Bob can come back now.")).to_be_visible()
    assert not Ban.objects.filter(room=room).exists()


def test_somebody_who_came_later_has_a_menu_of_their_own(open_window, alice, bob, carol, room):
    hers, his = open_window(alice).enter(room), open_window(bob).enter(room)
    Membership.objects.create(room=room, user=carol)
    open_window(carol).enter(room)
    expect(hers.present()).to_have_count(3)
    expect(his.present()).to_have_count(3)

    his.open_people()
    expect(his.page.get_by_role("button", name="Actions for")).to_have_count(0)
    hers.open_people()
    act_on(hers, carol, "Remove from the room")

    expect(hers.page.get_by_text("Carol is not in this room any more.")).to_be_visible()
    assert set(room.memberships.values_list("user", flat=True)) == {alice.pk, bob.pk}


def test_a_room_is_changed_archived_and_deleted(open_window, alice, room):
    window = open_window(alice)
    window.page.goto(f"/rooms/{room.slug}/settings/")

    window.page.get_by_label("Name").fill("Winter garden")
    window.page.get_by_label("Archived").check()
    window.press("Save")
    expect(window.page.get_by_text("Saved.")).to_be_visible()
    window.page.get_by_role("link", name="Back to the room").click()
    expect(window.page.get_by_text("This room is archived.")).to_be_visible()

    window.page.goto(f"/rooms/{room.slug}/settings/")
    window.page.get_by_role("link", name="Delete the room").click()
    window.page.get_by_label("Name of the room").fill("Winter garden")
    window.press("Delete the room")
    expect(window.page.get_by_text("Winter garden is gone.")).to_be_visible()
    assert not Room.objects.filter(pk=room.pk).exists()

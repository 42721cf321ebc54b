"""Pages with which a room is run: its settings, what can be done with its people, and its end."""

import pytest

from chat.models import Membership, Room
from tests.chat.drafts import post
from tests.chat.test_views import notices, templates
from tests.people import make_room

Role = Membership.Role
SETTINGS = {"name": "Hall", "topic": "News", "kind": "private", "archived": "on"}
PLAIN_AND_STRANGERS = [(Role.MEMBER, 403), (None, 403)]


def put(user, room: Room, role: str | None) -> None:
    """Give somebody this place in a room."""
    room.memberships.filter(user=user).delete()
    if role:
        Membership.objects.create(room=room, user=user, role=role)


def html(response) -> str:
    return response.content.decode()


# --- Settings ----------------------------------------------------------------------------------------


def test_the_owner_changes_the_room_on_its_settings(client_of, alice, lobby):
    client = client_of(alice)
    assert client.get("/rooms/lobby/settings/").context["form"]["name"].value() == "Lobby"

    response = client.post("/rooms/lobby/settings/", SETTINGS, follow=True)

    assert response.redirect_chain == [("/rooms/lobby/settings/", 302)]
    assert notices(response) == ["Saved."]
    assert response.context["form"]["archived"].value() is True
    lobby.refresh_from_db()
    assert (lobby.name, lobby.topic, lobby.kind, lobby.archived) == ("Hall", "News", "private", True)


def test_an_archived_room_is_opened_again(client_of, alice, lobby):
    Room.objects.update(archived=True)

    client_of(alice).post("/rooms/lobby/settings/", {"name": "Lobby", "topic": "", "kind": "public"})

    lobby.refresh_from_db()
    assert not lobby.archived


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "a\nb"}, {"kind": "direct"}, {"topic": "x" * 201}])
def test_settings_that_cannot_be_change_nothing_on_the_page_around_the_form(client_of, alice, lobby, fields):
    response = client_of(alice).post("/rooms/lobby/settings/", SETTINGS | fields)

    assert response.status_code == 200
    assert list(response.context["form"].errors) == list(fields)
    assert response.context["room"].name == "Lobby"
    lobby.refresh_from_db()
    assert (lobby.name, lobby.kind, lobby.archived) == ("Lobby", "public", False)


def test_moderators_see_the_bans_alone(client_of, alice, bob, carol, lobby):
    put(bob, lobby, Role.MODERATOR)
    client_of(alice).post(f"/rooms/lobby/members/{carol.pk}/ban/")

    response = client_of(bob).get("/rooms/lobby/settings/")

    assert [ban.user for ban in response.context["bans"]] == [carol]
    assert f'action="/rooms/lobby/members/{carol.pk}/unban/"' in html(response)
    assert 'name="topic"' not in html(response)
    assert "/rooms/lobby/delete/" not in html(response)
    assert client_of(bob).post("/rooms/lobby/settings/", SETTINGS).status_code == 403
    lobby.refresh_from_db()
    assert lobby.name == "Lobby"


@pytest.mark.parametrize(("role", "status"), PLAIN_AND_STRANGERS)
def test_settings_are_closed_to_everybody_else(client_of, carol, study, role, status):
    put(carol, study, role)

    for method in ("get", "post"):
        response = getattr(client_of(carol), method)("/rooms/study/settings/", SETTINGS)
        assert response.status_code == status
        assert ("Only the owner and moderators" in html(response)) == bool(role)
    study.refresh_from_db()
    assert study.name == "Study"


@pytest.mark.parametrize("role", [Role.OWNER, Role.MODERATOR, Role.MEMBER])
def test_the_way_to_the_settings_is_shown_to_who_has_some(client_of, carol, lobby, role):
    put(carol, lobby, role)

    assert ("/rooms/lobby/settings/" in html(client_of(carol).get("/rooms/lobby/"))) == (role != Role.MEMBER)


def test_a_direct_conversation_has_no_settings(client_of, alice, bob):
    make_room("two", [alice, bob], kind="direct")

    assert client_of(alice).get("/rooms/two/settings/").status_code == 403


# --- The end -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Lobby", " lobby "])
def test_a_room_is_deleted_by_typing_its_name(client_of, alice, lobby, name):
    post(alice, lobby, "Going")
    client = client_of(alice)
    assert "with 1 message," in html(client.get("/rooms/lobby/delete/"))

    response = client.post("/rooms/lobby/delete/", {"name": name}, follow=True)

    assert response.redirect_chain == [("/rooms/", 302)]
    assert notices(response) == ["Lobby is gone."]
    assert not Room.objects.filter(slug="lobby").exists()
    assert client.post("/rooms/lobby/delete/", {"name": name}).status_code == 404


@pytest.mark.parametrize("name", ["", "Study", "Lob", "lobb\0y"])
def test_another_name_deletes_nothing(client_of, alice, lobby, name):
    response = client_of(alice).post("/rooms/lobby/delete/", {"name": name})

    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["name"]
    assert Room.objects.filter(slug="lobby").exists()


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.MEMBER, None])
def test_nobody_else_deletes_a_room(client_of, carol, lobby, role):
    put(carol, lobby, role)

    assert client_of(carol).post("/rooms/lobby/delete/", {"name": "Lobby"}).status_code == 403
    assert client_of(carol).get("/rooms/lobby/delete/").status_code == (403 if role else 200)
    assert Room.objects.filter(slug="lobby").exists()


# --- People ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reader", "menus"), [(Role.OWNER, {"moderator", "member"}), (Role.MODERATOR, {"member"}), (Role.MEMBER, set())]
)
def test_the_menu_is_at_those_one_can_send_away(client_of, alice, bob, carol, lobby, django_user_model, reader, menus):
    other = django_user_model.objects.create(username="other")
    for user, role in [(alice, Role.OWNER), (bob, Role.MODERATOR), (carol, Role.MEMBER), (other, reader)]:
        put(user, lobby, role)

    page = html(client_of(other).get("/rooms/lobby/"))

    shown = {user for user in (alice, bob, carol, other) if f"/rooms/lobby/members/{user.pk}/ban/" in page}
    assert shown == {user for user, role in [(bob, "moderator"), (carol, "member")] if role in menus}
    assert ("/role/" in page) == (reader == Role.OWNER)


def test_the_menu_sends_away_bans_and_appoints(client_of, alice, bob, carol, lobby):
    put(carol, lobby, Role.MEMBER)
    client = client_of(alice)
    at = f"/rooms/lobby/members/{bob.pk}"

    response = client.post(f"{at}/role/", {"role": "moderator"}, follow=True)
    assert response.redirect_chain == [("/rooms/lobby/", 302)]
    assert notices(response) == ["Bob moderates this room now."]
    assert lobby.memberships.get(user=bob).role == Role.MODERATOR
    response = client.post(f"{at}/role/", {"role": "member"}, follow=True)
    assert notices(response) == ["Bob is a plain member now."]
    assert lobby.memberships.get(user=bob).role == Role.MEMBER

    response = client.post(f"{at}/remove/", follow=True)
    assert notices(response) == ["Bob is not in this room any more."]
    assert not lobby.memberships.filter(user=bob).exists()
    assert client_of(bob).post("/rooms/lobby/join/").url == "/rooms/lobby/"

    response = client.post(f"{at}/ban/", follow=True)
    assert notices(response) == ["Bob is banned. You can lift the ban in the room's settings."]
    response = client.post(f"{at}/unban/", follow=True)
    assert response.redirect_chain == [("/rooms/lobby/settings/", 302)]
    assert notices(response) == ["Bob can come back now."]


@pytest.mark.parametrize("role", [Role.MEMBER, None])
@pytest.mark.parametrize("change", ["remove", "ban", "unban", "role"])
def test_nobody_else_can_do_that(client_of, bob, carol, lobby, role, change):
    put(carol, lobby, role)

    response = client_of(carol).post(f"/rooms/lobby/members/{bob.pk}/{change}/", {"role": "moderator"})

    assert response.status_code == 403
    assert lobby.memberships.get(user=bob).role == Role.MEMBER
    assert not lobby.bans.exists()


@pytest.mark.parametrize("change", ["remove", "ban", "role"])
def test_a_moderator_cannot_do_that_to_an_owner(client_of, alice, carol, lobby, change):
    put(carol, lobby, Role.MODERATOR)

    response = client_of(carol).post(f"/rooms/lobby/members/{alice.pk}/{change}/", {"role": "member"})

    assert response.status_code == 403
    assert "This room is private" not in html(response)
    assert 'href="/rooms/lobby/"' in html(response)
    assert lobby.memberships.get(user=alice).role == Role.OWNER


@pytest.mark.parametrize("change", ["remove", "ban", "unban", "role"])
@pytest.mark.parametrize("user_id", [0, 10**6, 10**30])
def test_an_account_that_is_not_there_is_not_found(client_of, alice, lobby, change, user_id):
    assert client_of(alice).post(f"/rooms/lobby/members/{user_id}/{change}/").status_code == 404


@pytest.mark.parametrize("role", ["owner", "king", ""])
def test_a_role_that_cannot_be_given_is_said_in_the_room(client_of, alice, bob, lobby, role):
    response = client_of(alice).post(f"/rooms/lobby/members/{bob.pk}/role/", {"role": role}, follow=True)

    assert notices(response) == ["Expected moderator or member."]
    assert lobby.memberships.get(user=bob).role == Role.MEMBER


def test_forms_from_elsewhere_are_refused(client_of, alice, bob, lobby):
    client = client_of(alice, enforce_csrf_checks=True)

    for path in (f"members/{bob.pk}/ban/", "settings/", "delete/"):
        assert client.post(f"/rooms/lobby/{path}", SETTINGS | {"name": "Lobby"}).status_code == 403
    assert lobby.memberships.filter(user=bob).exists()
    assert Room.objects.filter(slug="lobby", archived=False).exists()


# --- Those who are banned ----------------------------------------------------------------------------


def test_who_is_banned_is_told_so_and_has_no_button_to_join(client_of, alice, bob, lobby):
    client_of(alice).post(f"/rooms/lobby/members/{bob.pk}/ban/")
    client = client_of(bob)

    for response in (client.get("/rooms/lobby/"), client.post("/rooms/lobby/join/")):
        assert response.status_code == 403
        assert "chat/room_join.html" in templates(response)
        assert "You were banned" in html(response)
        assert "/rooms/lobby/join/" not in html(response)
    assert not lobby.memberships.filter(user=bob).exists()


def test_who_is_banned_from_a_private_room_sees_what_everybody_sees(client_of, alice, carol, study):
    before = html(client_of(carol).get("/rooms/study/"))

    client_of(alice).post(f"/rooms/study/members/{carol.pk}/ban/")

    after = client_of(carol).get("/rooms/study/")
    assert after.status_code == 403
    assert "banned" not in html(after)
    assert "This room is private" in before


def test_who_is_banned_is_not_added_and_the_form_says_why(client_of, alice, carol, study):
    client = client_of(alice)
    client.post(f"/rooms/study/members/{carol.pk}/ban/")

    response = client.post("/rooms/study/members/", {"username": "carol"})

    assert response.status_code == 422
    assert "Carol is banned from this room" in html(response)
    assert not study.memberships.filter(user=carol).exists()


def test_an_archived_room_is_joined_read_run_and_left(client_of, alice, bob, carol, lobby):
    Room.objects.update(archived=True)
    client = client_of(carol)

    assert "archived" in html(client.get("/rooms/lobby/"))
    assert client.post("/rooms/lobby/join/").url == "/rooms/lobby/"
    assert client.get("/rooms/lobby/").status_code == 200
    assert client.post("/rooms/lobby/messages/", {"text": "Hello"}).status_code == 422
    assert client.post("/rooms/lobby/leave/").url == "/rooms/"
    assert client_of(alice).post(f"/rooms/lobby/members/{bob.pk}/remove/").status_code == 302
    assert not lobby.memberships.filter(user=bob).exists()

"""Rooms: who makes them, who comes in, who goes, and who stays behind."""

import re

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from chat.models import Membership, Room
from chat.rooms import add_member, create_room, join_room, leave_room
from tests.people import fill, make_person, make_room

Role = Membership.Role


def roles(room: Room) -> dict[str, str]:
    """Role of each member, by user name."""
    return dict(room.memberships.order_by("user__username").values_list("user__username", "role"))


def be(role: str, user, room: Room) -> None:
    room.memberships.filter(user=user).update(role=role)


@pytest.mark.parametrize("kind", ["public", "private"])
def test_whoever_creates_a_room_owns_it(carol, kind):
    room = create_room(owner=carol, name="Reading Club", topic="One book a month", kind=kind)

    room.refresh_from_db()
    assert (room.slug, room.name, room.topic, room.kind) == ("reading-club", "Reading Club", "One book a month", kind)
    assert roles(room) == {"carol": Role.OWNER}


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("  Crème & Söhne!  ", r"creme-sohne"),
        ("日本語", r"room"),
        ("!!!", r"room"),
        ("🎉🎉", r"room"),
        ("New", r"new-[0-9a-f]{6}"),
        ("x" * 60, r"x{48}"),
        ("a" * 47 + " b", r"a{47}"),
    ],
)
def test_a_room_gets_an_address_from_its_name(carol, name, slug):
    """``new`` is the address of the form that makes rooms."""
    assert re.fullmatch(slug, create_room(owner=carol, name=name).slug)


@pytest.mark.parametrize(("name", "stem"), [("Books", "books"), ("日本語", "room"), ("x" * 60, "x" * 48)])
def test_a_second_room_of_the_same_name_gets_an_address_of_its_own(carol, name, stem):
    first, second = (create_room(owner=carol, name=name) for _ in range(2))

    assert first.slug == stem
    assert re.fullmatch(rf"{stem}-[0-9a-f]{{6}}", second.slug)
    assert first.name == second.name


@pytest.mark.parametrize("rival_is_first", [True, False])
def test_of_two_who_create_a_room_at_once_both_get_one(carol, bob, monkeypatch, rival_is_first):
    """Both find the address free; the database lets one have it, and the other gets the next."""
    full_clean = Room.full_clean

    def create_meanwhile(room, *args, **kwargs):
        monkeypatch.setattr(Room, "full_clean", full_clean)
        if rival_is_first:
            create_room(owner=bob, name="Books")
        full_clean(room, *args, **kwargs)
        if not rival_is_first:
            create_room(owner=bob, name="Books")

    monkeypatch.setattr(Room, "full_clean", create_meanwhile)
    room = create_room(owner=carol, name="Books")

    assert re.fullmatch(r"books-[0-9a-f]{6}", room.slug)
    assert roles(room) == {"carol": Role.OWNER}
    assert roles(Room.objects.get(slug="books")) == {"bob": Role.OWNER}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"kind": "direct"}, "kind"),
        ({"kind": "secret"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "\u202egnp.exe"}, "name"),
        ({"topic": "x" * 201}, "topic"),
        ({"topic": "two\nlines"}, "topic"),
    ],
)
def test_a_room_that_cannot_be_is_not_made(carol, fields, wrong):
    with pytest.raises(ValidationError) as refusal:
        create_room(owner=carol, **{"name": "Cellar"} | fields)

    assert list(refusal.value.error_dict) == [wrong]
    assert not Membership.objects.filter(user=carol).exists()


def test_anybody_can_join_a_public_room_and_has_nothing_unread(lobby, alice, carol):
    fill(lobby, alice, ["One", "Two"])

    place = join_room(user=carol, room=lobby)

    assert (place.role, place.last_read) == (Role.MEMBER, 2)


@pytest.mark.parametrize("kind", ["public", "private"])
def test_a_member_who_joins_again_stays_what_they_are(lobby, alice, kind):
    Room.objects.filter(pk=lobby.pk).update(kind=kind)
    lobby.refresh_from_db()

    assert join_room(user=alice, room=lobby).role == Role.OWNER
    assert lobby.memberships.count() == 2


@pytest.mark.parametrize("kind", ["private", "direct"])
def test_a_room_that_is_not_public_cannot_be_joined(alice, carol, kind):
    room = make_room("cellar", [alice], kind=kind)

    with pytest.raises(PermissionDenied):
        join_room(user=carol, room=room)
    assert roles(room) == {"alice": Role.OWNER}


def test_a_member_leaves_and_leaving_again_changes_nothing(lobby, bob):
    leave_room(user=bob, room=lobby)
    leave_room(user=bob, room=lobby)

    assert roles(lobby) == {"alice": Role.OWNER}


def test_the_last_one_can_leave(study, alice):
    leave_room(user=alice, room=study)

    assert roles(study) == {}


def test_the_owners_place_goes_to_a_moderator_before_a_member(lobby, alice, carol):
    """bob has been there longer, but carol moderates."""
    join_room(user=carol, room=lobby)
    be(Role.MODERATOR, carol, lobby)

    leave_room(user=alice, room=lobby)

    assert roles(lobby) == {"bob": Role.MEMBER, "carol": Role.OWNER}


def test_the_owners_place_goes_to_the_member_who_has_been_there_longest(lobby, alice, carol):
    join_room(user=carol, room=lobby)

    leave_room(user=alice, room=lobby)

    assert roles(lobby) == {"bob": Role.OWNER, "carol": Role.MEMBER}


def test_a_room_with_another_owner_needs_no_heir(lobby, alice, bob, carol):
    join_room(user=carol, room=lobby)
    be(Role.OWNER, carol, lobby)

    leave_room(user=alice, room=lobby)

    assert roles(lobby) == {"bob": Role.MEMBER, "carol": Role.OWNER}


@pytest.mark.parametrize("role", [Role.OWNER, Role.MODERATOR])
@pytest.mark.parametrize("username", ["carol", "CAROL", " carol "])
def test_owner_and_moderators_of_a_private_room_let_people_in(study, alice, carol, role, username):
    be(role, alice, study)
    fill(study, alice, ["Before"])
    study.refresh_from_db()

    place = add_member(actor=alice, room=study, username=username)

    assert (place.user, place.role, place.last_read) == (carol, Role.MEMBER, 1)


def test_adding_a_member_again_leaves_them_what_they_are(study, alice, carol):
    be(Role.MODERATOR, add_member(actor=alice, room=study, username="carol").user, study)

    assert add_member(actor=alice, room=study, username="carol").role == Role.MODERATOR
    assert study.memberships.count() == 2


def test_a_plain_member_a_stranger_and_a_public_room_let_nobody_in(study, lobby, alice, bob, carol):
    add_member(actor=alice, room=study, username="bob")

    for actor, room in [(bob, study), (carol, study), (alice, lobby)]:
        with pytest.raises(PermissionDenied):
            add_member(actor=actor, room=room, username="carol")
    assert not Membership.objects.filter(user=carol).exists()


@pytest.mark.parametrize("username", ["nobody", "", "gone"])
def test_only_people_with_an_account_that_is_active_can_be_added(study, alice, username):
    make_person("gone", is_active=False)

    with pytest.raises(ValidationError) as refusal:
        add_member(actor=alice, room=study, username=username)
    assert list(refusal.value.error_dict) == ["username"]

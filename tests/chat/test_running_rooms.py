"""Running a room: who is sent away, kept out and given a part in it, what is changed, and its end."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from chat import rooms
from chat.models import Ban, Membership, Message, Room
from chat.rooms import (
    add_member,
    ban_member,
    change_room,
    delete_room,
    join_room,
    leave_room,
    remove_member,
    set_role,
    unban_member,
)
from chat.services import post_messages
from tests.chat.drafts import draft, post
from tests.people import make_person, make_room

Role = Membership.Role
OWNER, MODERATOR, MEMBER = Role.OWNER, Role.MODERATOR, Role.MEMBER
NOBODY = None  # has an account, and no place in the room


def put(user, room: Room, role: str | None) -> None:
    """Give somebody this place in a room."""
    room.memberships.filter(user=user).delete()
    if role:
        Membership.objects.create(room=room, user=user, role=role)


def roles(room: Room) -> dict[str, str]:
    """Role of each member, by user name."""
    return dict(room.memberships.values_list("user__username", "role"))


@pytest.fixture
def rival(db):
    return make_person("rival")


# --- Sending away and keeping out --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "other", "may"),
    [
        (OWNER, MEMBER, True),
        (OWNER, MODERATOR, True),
        (OWNER, OWNER, False),
        (OWNER, NOBODY, True),
        (MODERATOR, MEMBER, True),
        (MODERATOR, MODERATOR, False),
        (MODERATOR, OWNER, False),
        (MODERATOR, NOBODY, True),
        (MEMBER, MEMBER, False),
        (MEMBER, NOBODY, False),
        (NOBODY, MEMBER, False),
        (NOBODY, NOBODY, False),
    ],
)
@pytest.mark.parametrize("service", [remove_member, ban_member])
def test_who_sends_whom_away(lobby, carol, rival, service, actor, other, may):
    """Somebody who is not there is nobody's rank, and to send them away changes nothing; to ban them keeps them out."""
    put(carol, lobby, actor)
    put(rival, lobby, other)

    if may:
        service(actor=carol, room=lobby, user=rival)
    else:
        with pytest.raises(PermissionDenied):
            service(actor=carol, room=lobby, user=rival)

    assert roles(lobby).get("rival") == (None if may else other)
    assert lobby.bans.filter(user=rival, by=carol).exists() == (may and service is ban_member)


@pytest.mark.parametrize("service", [remove_member, ban_member])
def test_nobody_sends_themselves_away(lobby, alice, service):
    with pytest.raises(PermissionDenied, match="leave"):
        service(actor=alice, room=lobby, user=alice)

    assert roles(lobby)["alice"] == OWNER
    assert not lobby.bans.exists()


@pytest.mark.parametrize("service", [remove_member, ban_member])
def test_a_direct_conversation_is_nobodys_to_run(alice, bob, service):
    room = make_room("two", [alice, bob], kind="direct")

    with pytest.raises(PermissionDenied):
        service(actor=alice, room=room, user=bob)
    with pytest.raises(PermissionDenied):
        change_room(actor=alice, room=room, kind="public")
    assert len(roles(room)) == 2


@pytest.mark.parametrize("service", [remove_member, ban_member])
def test_an_account_that_was_shut_runs_nothing(lobby, alice, bob, service):
    alice.is_active = False
    alice.save()

    with pytest.raises(PermissionDenied):
        service(actor=alice, room=lobby, user=bob)


def test_sending_away_twice_is_as_once_and_one_can_come_back(lobby, alice, bob):
    for _ in range(2):
        remove_member(actor=alice, room=lobby, user=bob)

    assert join_room(user=bob, room=lobby).role == MEMBER


def test_who_is_banned_stays_out_until_the_ban_is_lifted(lobby, alice, bob):
    first, second = (ban_member(actor=alice, room=lobby, user=bob) for _ in range(2))
    assert first == second

    with pytest.raises(PermissionDenied, match="banned"):
        join_room(user=bob, room=lobby)
    assert "bob" not in roles(lobby)

    for _ in range(2):
        unban_member(actor=alice, room=lobby, user=bob)
    assert "bob" not in roles(lobby)
    assert join_room(user=bob, room=lobby).role == MEMBER


def test_who_leaves_before_being_banned_does_not_come_back(lobby, alice, bob):
    leave_room(user=bob, room=lobby)
    ban_member(actor=alice, room=lobby, user=bob)

    with pytest.raises(PermissionDenied):
        join_room(user=bob, room=lobby)


@pytest.mark.parametrize("change", ["ban", "private"])
def test_who_joins_while_being_banned_stays_out(lobby, alice, carol, monkeypatch, change):
    """And so does who joins while the room becomes private: what counts is looked at under the lock of its row."""
    locked = rooms._locked

    def lock_a_moment_later(room):
        monkeypatch.setattr(rooms, "_locked", locked)
        if change == "ban":
            ban_member(actor=alice, room=lobby, user=carol)
        else:
            change_room(actor=alice, room=lobby, kind="private")
        return locked(room)

    monkeypatch.setattr(rooms, "_locked", lock_a_moment_later)

    with pytest.raises(PermissionDenied):
        join_room(user=carol, room=lobby)
    assert "carol" not in roles(lobby)


def test_a_ban_holds_for_one_room_and_one_person(lobby, alice, bob, carol):
    other = make_room("attic", [alice])
    ban_member(actor=alice, room=lobby, user=bob)

    assert join_room(user=bob, room=other)
    assert join_room(user=carol, room=lobby)


def test_who_is_banned_is_not_added_to_a_private_room_either(study, alice, carol):
    ban_member(actor=alice, room=study, user=carol)

    with pytest.raises(ValidationError, match="banned") as refusal:
        add_member(actor=alice, room=study, username="carol")
    assert list(refusal.value.error_dict) == ["username"]

    unban_member(actor=alice, room=study, user=carol)
    assert add_member(actor=alice, room=study, username="carol")


@pytest.mark.parametrize(("role", "may"), [(OWNER, True), (MODERATOR, True), (MEMBER, False), (NOBODY, False)])
def test_who_lifts_a_ban(lobby, alice, bob, carol, role, may):
    ban_member(actor=alice, room=lobby, user=bob)
    put(carol, lobby, role)

    if may:
        unban_member(actor=carol, room=lobby, user=bob)
    else:
        with pytest.raises(PermissionDenied):
            unban_member(actor=carol, room=lobby, user=bob)

    assert Ban.objects.exists() != may


def test_who_is_banned_cannot_lift_it(lobby, alice, bob):
    ban_member(actor=alice, room=lobby, user=bob)

    with pytest.raises(PermissionDenied):
        unban_member(actor=bob, room=lobby, user=bob)


def test_what_was_said_stays_when_its_author_is_banned(lobby, alice, bob):
    post(bob, lobby, "Spam")

    ban_member(actor=alice, room=lobby, user=bob)

    assert lobby.messages.get().author == bob


# --- Roles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [MODERATOR, MEMBER])
def test_the_owner_says_who_moderates(lobby, alice, bob, role):
    put(bob, lobby, MODERATOR if role == MEMBER else MEMBER)

    for _ in range(2):
        assert set_role(actor=alice, room=lobby, user=bob, role=role).role == role
    assert roles(lobby)["bob"] == role


@pytest.mark.parametrize("actor", [MODERATOR, MEMBER, NOBODY])
def test_nobody_else_says_who_moderates(lobby, bob, carol, actor):
    put(carol, lobby, actor)

    for person in (bob, carol):
        with pytest.raises(PermissionDenied):
            set_role(actor=carol, room=lobby, user=person, role=MODERATOR)
    assert roles(lobby) | {"carol": actor} == {"alice": OWNER, "bob": MEMBER, "carol": actor}


def test_an_owner_stays_one(lobby, alice, carol):
    put(carol, lobby, OWNER)

    for person in (alice, carol):
        with pytest.raises(PermissionDenied):
            set_role(actor=alice, room=lobby, user=person, role=MEMBER)
    assert roles(lobby) == {"alice": OWNER, "bob": MEMBER, "carol": OWNER}


@pytest.mark.parametrize("role", [OWNER, "king", ""])
def test_there_are_roles_that_cannot_be_given(lobby, alice, bob, role):
    with pytest.raises(ValidationError):
        set_role(actor=alice, room=lobby, user=bob, role=role)
    assert roles(lobby)["bob"] == MEMBER


def test_somebody_who_is_not_in_the_room_gets_no_role(lobby, alice, carol):
    with pytest.raises(ValidationError) as refusal:
        set_role(actor=alice, room=lobby, user=carol, role=MODERATOR)
    assert refusal.value.code == "not_a_member"


# --- Changing and deleting ---------------------------------------------------------------------------


def test_the_owner_changes_what_is_given_and_nothing_else(lobby, alice):
    before = lobby.topic

    change_room(actor=alice, room=lobby, name="Hall", kind="private")
    lobby.refresh_from_db()
    assert (lobby.slug, lobby.name, lobby.topic, lobby.kind, lobby.archived) == (
        "lobby",
        "Hall",
        before,
        "private",
        False,
    )

    change_room(actor=alice, room=lobby, topic="", archived=True)
    lobby.refresh_from_db()
    assert (lobby.name, lobby.topic, lobby.archived) == ("Hall", "", True)


def test_a_change_does_not_turn_back_the_numbers_of_the_room(lobby, alice):
    """``lobby`` is how somebody's page read the room, before others went on talking."""
    post(alice, lobby, "One")
    post(alice, lobby, "Two")
    assert lobby.head == 0

    change_room(actor=alice, room=lobby, topic="News")

    lobby.refresh_from_db()
    assert (lobby.topic, lobby.head, lobby.last_seq) == ("News", 2, 2)


def test_a_change_writes_only_what_changes(lobby, alice, monkeypatch):
    written = []
    monkeypatch.setattr(Room, "save", lambda room, update_fields: written.append(update_fields))

    change_room(actor=alice, room=lobby, name=lobby.name, topic="News", kind=lobby.kind, archived=False)
    change_room(actor=alice, room=lobby, name=lobby.name)

    assert written == [["topic"]]


@pytest.mark.parametrize("actor", [MODERATOR, MEMBER, NOBODY])
def test_nobody_else_changes_or_deletes_a_room(lobby, carol, actor):
    put(carol, lobby, actor)

    with pytest.raises(PermissionDenied):
        change_room(actor=carol, room=lobby, name="Mine")
    with pytest.raises(PermissionDenied):
        delete_room(actor=carol, room=lobby)
    lobby.refresh_from_db()
    assert lobby.name == "Lobby"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"kind": "direct"}, "kind"), ({"kind": ""}, "kind"), ({"name": ""}, "name"), ({"name": "a\nb"}, "name")]
    + [({"topic": "x" * 201}, "topic")],
)
def test_a_room_does_not_become_what_cannot_be(lobby, alice, fields, wrong):
    with pytest.raises(ValidationError) as refusal:
        change_room(actor=alice, room=lobby, **fields)

    assert list(refusal.value.error_dict) == [wrong]
    lobby.refresh_from_db()
    assert (lobby.name, lobby.kind) == ("Lobby", "public")


def test_a_room_goes_with_all_that_is_in_it(lobby, study, alice, carol):
    post(alice, lobby, "Gone")
    post(alice, study, "Stays")
    ban_member(actor=alice, room=lobby, user=carol)

    delete_room(actor=alice, room=lobby)

    assert list(Room.objects.all()) == [study]
    assert [message.text for message in Message.objects.all()] == ["Stays"]
    assert not Ban.objects.exists()
    with pytest.raises(Room.DoesNotExist):
        delete_room(actor=alice, room=lobby)


def test_an_archived_room_is_joined_left_and_run_but_not_written_in(lobby, alice, bob, carol):
    change_room(actor=alice, room=lobby, archived=True)
    lobby.refresh_from_db()

    assert join_room(user=carol, room=lobby)
    leave_room(user=carol, room=lobby)
    remove_member(actor=alice, room=lobby, user=bob)
    [outcome] = post_messages([draft(alice, lobby)])
    assert outcome.code == "archived"

    change_room(actor=alice, room=lobby, archived=False)
    assert post(alice, lobby, "Open again").seq == 1

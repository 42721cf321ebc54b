"""What the database itself keeps true, whatever code writes to it."""

import uuid

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import COLOURS, Membership, Message, Room, User
from tests.people import fill, make_person, make_room


def refused_by(constraint: str):
    """The block breaks that constraint, in the database; the transaction around it goes on."""
    # PostgreSQL and SQLite's CHECKs name the constraint, SQLite's UNIQUE names the columns.
    return pytest.raises(IntegrityError, match=constraint)


def store(room, author, **fields):
    """A row of Message, written past every rule of the services."""
    with transaction.atomic():
        return Message.objects.create(**{"room": room, "author": author, "seq": 1, "version": 1, "text": "x"} | fields)


def test_the_migrations_leave_a_public_room_called_lobby(db):
    """Tests with the ``db`` fixture run before those that empty the database."""
    lobby = Room.objects.get(slug="lobby")

    assert (lobby.kind, lobby.archived, lobby.head, lobby.last_seq) == (Room.Kind.PUBLIC, False, 0, 0)


def test_the_migrations_tell_all_that_the_models_say(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_place_in_a_room_is_taken_once(lobby, study, alice, bob):
    store(lobby, alice)

    with refused_by("message_seq_once_per_room|room_id, chat_message.seq"):
        store(lobby, bob)
    assert store(study, alice).seq == 1


def test_a_client_id_is_used_once_by_an_author_in_a_room(lobby, study, alice, bob):
    client_id = uuid.uuid4()
    store(lobby, alice, client_id=client_id)

    with refused_by("message_client_id_once|room_id, chat_message.client_id"):
        store(lobby, alice, client_id=client_id, seq=2, version=2)
    store(lobby, bob, client_id=client_id, seq=2, version=2)
    store(study, alice, client_id=client_id)
    assert Message.objects.filter(client_id=client_id).count() == 3


def test_a_message_changes_after_it_took_its_place(lobby, alice):
    with refused_by("message_version_from_seq_on"):
        store(lobby, alice, seq=2, version=1)


@pytest.mark.parametrize("left_over", [{"text": "x"}, {"html": "<p>x</p>"}])
def test_a_deleted_message_keeps_nothing_of_its_text(lobby, alice, left_over):
    with refused_by("message_deleted_without_text"):
        store(lobby, alice, deleted=timezone.now(), **({"text": "", "html": ""} | left_over))

    assert store(lobby, alice, deleted=timezone.now(), text="", html="").deleted


def test_a_room_has_no_more_messages_than_changes(lobby):
    with refused_by("room_posts_are_changes"), transaction.atomic():
        Room.objects.filter(pk=lobby.pk).update(head=1, last_seq=2)


def test_a_room_is_public_private_or_direct(db):
    with refused_by("room_kind_is_known"), transaction.atomic():
        make_room("cellar", kind="secret")


def test_an_address_leads_to_one_room(lobby):
    with refused_by("chat_room_slug|chat_room.slug"), transaction.atomic():
        Room.objects.create(slug="lobby", name="Another lobby")


def test_nobody_is_in_a_room_twice(lobby, alice):
    with refused_by("membership_once_per_room|chat_membership.room_id, chat_membership.user_id"), transaction.atomic():
        Membership.objects.create(room=lobby, user=alice)


def test_a_member_has_a_role_that_is_known(lobby, carol):
    with refused_by("membership_role_is_known"), transaction.atomic():
        Membership.objects.create(room=lobby, user=carol, role="guest")


@pytest.mark.parametrize("username", ["alice", "Alice", "ALICE"])
def test_user_names_differ_by_more_than_case(alice, username):
    with refused_by("user_username_ignoring_case|index 'user_username_ignoring_case'|username"), transaction.atomic():
        make_person(username)


def test_messages_outlive_the_account_of_their_author(lobby, alice):
    [message] = fill(lobby, alice, ["Farewell"])

    alice.delete()

    message.refresh_from_db()
    assert (message.author, message.text) == (None, "Farewell")


def test_a_room_takes_its_messages_and_places_along(lobby, alice):
    fill(lobby, alice, ["Hello"])

    lobby.delete()

    assert not Message.objects.exists()
    assert not Membership.objects.exists()


def test_a_person_is_called_by_the_chosen_name_or_else_by_the_user_name():
    assert User(username="ada", display_name="Ada Lovelace").name == "Ada Lovelace"
    assert User(username="ada").name == "ada"


def test_a_person_has_a_colour_of_the_palette():
    assert {User().colour for _ in range(500)} == set(range(COLOURS))


@pytest.mark.parametrize(("zone", "is_one"), [("Europe/Vienna", True), ("UTC", True), ("Mars", False), ("", False)])
def test_a_time_zone_is_one_of_the_world(zone, is_one):
    person = User(username="ada", password="x", time_zone=zone)

    if is_one:
        person.clean_fields()
    else:
        with pytest.raises(ValidationError) as refusal:
            person.clean_fields()
        assert list(refusal.value.error_dict) == ["time_zone"]


def test_a_room_counts_its_changes_one_by_one():
    room = Room(head=41)

    assert [room.advance(), room.advance()] == [42, 43]
    assert room.head == 43

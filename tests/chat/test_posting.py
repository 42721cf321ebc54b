"""``services.post_messages``: numbers, and outcomes one by one."""

from itertools import pairwise
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import statements
from chat.models import Membership, Message, Room
from chat.rooms import leave_room
from chat.services import post_messages
from tests.chat.drafts import draft, post


def codes(outcomes) -> list[str | None]:
    """What became of each draft: None for a message, else the code of its refusal."""
    return [outcome.code if isinstance(outcome, ValidationError) else None for outcome in outcomes]


def numbers(room: Room) -> tuple[int, int, list[tuple[int, int]]]:
    """Head and last_seq of a room, and (seq, version) of its messages, by place."""
    room.refresh_from_db()
    return room.head, room.last_seq, list(room.messages.order_by("seq").values_list("seq", "version"))


def test_messages_of_a_batch_take_the_next_numbers_in_the_order_of_the_drafts(lobby, alice, bob):
    post(alice, lobby, "one")

    outcomes = post_messages([draft(bob, lobby, "two"), draft(alice, lobby, "three"), draft(bob, lobby, "four")])

    assert [(message.text, message.seq, message.version) for message in outcomes] == [
        ("two", 2, 2),
        ("three", 3, 3),
        ("four", 4, 4),
    ]
    assert numbers(lobby) == (4, 4, [(1, 1), (2, 2), (3, 3), (4, 4)])


def test_a_message_is_placed_after_changes_that_were_no_posts(lobby, alice):
    """An edit moves the head and not last_seq, so the two part."""
    post(alice, lobby)
    Room.objects.filter(pk=lobby.pk).update(head=5)

    message = post(alice, lobby)

    assert (message.seq, message.version) == (2, 6)
    assert numbers(lobby) == (6, 2, [(1, 1), (2, 6)])


def test_what_is_returned_is_what_is_stored(lobby, alice):
    before = timezone.now()
    message = post(alice, lobby, "**Hello**\r\n")

    stored = Message.objects.get(pk=message.pk)
    lobby.refresh_from_db()
    for field in Message._meta.concrete_fields:
        assert getattr(stored, field.attname) == getattr(message, field.attname)
    assert (stored.text, stored.html) == ("**Hello**", "<p><strong>Hello</strong></p>")
    assert before <= stored.created == lobby.last_posted


def test_rooms_count_for_themselves(lobby, study, alice):
    post(alice, study)

    outcomes = post_messages([draft(alice, lobby, "a"), draft(alice, study, "b"), draft(alice, lobby, "c")])

    assert [(message.room_id, message.seq) for message in outcomes] == [(lobby.pk, 1), (study.pk, 2), (lobby.pk, 2)]
    assert numbers(lobby)[:2] == numbers(study)[:2] == (2, 2)


@pytest.mark.parametrize("text", ["Hello", "Hello again", "", "x" * 4_001], ids=["same", "other", "empty", "too long"])
def test_a_draft_that_comes_again_is_the_message_that_is_stored(lobby, alice, text):
    first = draft(alice, lobby, "Hello")
    [stored] = post_messages([first])

    [again] = post_messages([draft(alice, lobby, text, first.client_id)])

    assert (again, again.text, again.seq) == (stored, "Hello", 1)
    assert numbers(lobby) == (1, 1, [(1, 1)])


def test_a_draft_that_comes_twice_in_a_batch_is_one_message(lobby, alice):
    twice = draft(alice, lobby, "Hello")

    first, other, second = post_messages([twice, draft(alice, lobby, "Other"), twice])

    assert first == second
    assert first != other
    assert numbers(lobby) == (2, 2, [(1, 1), (2, 2)])


def test_a_draft_that_comes_again_after_its_author_has_left_is_still_stored(lobby, bob):
    """The acknowledgement was lost, not the message."""
    first = draft(bob, lobby)
    [stored] = post_messages([first])
    leave_room(user=bob, room=lobby)

    assert post_messages([first]) == [stored]


def test_an_id_belongs_to_its_author_and_room(lobby, study, alice, bob):
    client_id = uuid4()

    outcomes = post_messages(
        [draft(*place, "Hello", client_id) for place in [(alice, lobby), (bob, lobby), (alice, study)]]
    )

    assert codes(outcomes) == [None, None, None]
    assert len({message.pk for message in outcomes}) == 3


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ("x" * 4_000, None),
        ("語" * 4_000, None),
        ("\U0001f600" * 4_000, None),
        ("x" * 4_001, "too_long"),
        ("\0", "invalid"),
        ("\ud83d", "invalid"),
    ],
    ids=lambda value: ascii(value)[:12],
)
def test_a_text_is_checked(lobby, alice, text, code):
    outcomes = post_messages([draft(alice, lobby, text)])

    assert codes(outcomes) == [code]
    assert lobby.messages.count() == (code is None)


def test_who_is_no_member_or_not_active_cannot_write(lobby, study, alice, bob, carol):
    bob.is_active = False
    bob.save()

    outcomes = post_messages([draft(carol, lobby), draft(bob, lobby), draft(carol, study), draft(alice, Room(pk=0))])

    assert codes(outcomes) == ["not_a_member"] * 4
    assert not Message.objects.exists()


def test_an_archived_room_is_read_only_for_its_owner_too(lobby, alice):
    Room.objects.filter(pk=lobby.pk).update(archived=True)

    assert codes(post_messages([draft(alice, lobby)])) == ["archived"]
    assert numbers(lobby) == (0, 0, [])


def test_a_stranger_does_not_learn_that_a_room_is_archived(study, carol):
    Room.objects.filter(pk=study.pk).update(archived=True)

    assert codes(post_messages([draft(carol, study)])) == ["not_a_member"]


def test_a_draft_that_is_refused_does_not_hold_up_the_others(lobby, study, alice, carol):
    outcomes = post_messages(
        [
            draft(alice, lobby, "a"),
            draft(carol, lobby),
            draft(alice, lobby, ""),
            draft(carol, study),
            draft(alice, lobby, "b"),
        ]
    )

    assert codes(outcomes) == [None, "not_a_member", "empty", "not_a_member", None]
    assert numbers(lobby) == (2, 2, [(1, 1), (2, 2)])
    assert numbers(study) == (0, 0, [])


def test_no_drafts_no_outcomes(db):
    assert post_messages([]) == []


def test_a_batch_costs_the_same_queries_however_long_it_is(lobby, study, alice, bob, django_assert_num_queries):
    """Lock, authors, insert and numbers, and the savepoint that the test's transaction adds."""
    statements = 2 if connection.vendor == "postgresql" else 4
    for size in (1, 40):
        with django_assert_num_queries(statements + 2):
            post_messages([draft(*place) for place in [(alice, lobby), (bob, lobby), (alice, study)] * size])


def test_a_server_that_binds_values_itself_is_asked_one_thing_at_a_time(lobby, alice, monkeypatch):
    """Then PostgreSQL takes no two statements at once."""
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"server_side_binding": True})

    with CaptureQueriesContext(connection) as captured:
        [message] = post_messages([draft(alice, lobby)])

    assert not any(";" in query["sql"] for query in captured)
    assert lobby.messages.get() == message
    assert numbers(lobby) == (1, 1, [(1, 1)])


def test_drafts_that_come_again_among_new_ones_leave_no_gap(lobby, study, alice, bob):
    """Their numbers are given before it is known that they are stored already."""
    known = [draft(alice, lobby, "a"), draft(bob, lobby, "b")]
    stored = post_messages(known)

    outcomes = post_messages([known[1], draft(alice, study, "d"), draft(bob, lobby, "c"), known[0]])

    assert outcomes[0] == stored[1]
    assert outcomes[3] == stored[0]
    assert numbers(lobby) == (3, 3, [(1, 1), (2, 2), (3, 3)])
    assert numbers(study) == (1, 1, [(1, 1)])


def test_rooms_are_locked_in_the_order_of_their_keys(lobby, study, alice):
    """Whatever the order of the drafts; else two batches could each hold the room that the other waits for."""
    with CaptureQueriesContext(connection) as captured:
        post_messages([draft(alice, study), draft(alice, lobby)])

    [lock] = [sql for query in captured for sql in query["sql"].split("; ") if 'FROM "chat_room"' in sql]
    assert "ORDER BY id" in lock
    assert lock.endswith("FOR UPDATE") == connection.features.has_select_for_update


def test_what_was_said_stands_in_the_order_of_its_numbers(lobby, alice, bob):
    for _ in range(3):
        post_messages([draft(alice, lobby), draft(bob, lobby)])

    assert all(earlier.created <= later.created for earlier, later in pairwise(lobby.messages.order_by("seq")))


def test_posting_changes_nothing_about_members(lobby, alice):
    before = list(Membership.objects.order_by("pk").values())

    post(alice, lobby)

    assert list(Membership.objects.order_by("pk").values()) == before


def test_a_database_that_does_not_understand_the_statements_is_found_before_anything_is_lost(monkeypatch):
    assert statements.check() == []

    monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)

    [error] = statements.check()
    assert error.id == "chat.E001"
    assert "SQLite 3.35" in error.hint

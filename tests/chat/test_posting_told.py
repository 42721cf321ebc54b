"""``services.post_messages``: who is told, and when."""

import pytest
from django.db import DatabaseError, transaction

from chat import statements
from chat.models import Message, Room
from chat.services import post_messages
from tests.chat.drafts import draft, post, texts


def test_each_room_is_told_once_of_all_that_is_new_in_it(lobby, study, alice, told, django_capture_on_commit_callbacks):
    post(alice, lobby, "before")

    with django_capture_on_commit_callbacks(execute=True):
        post_messages([draft(alice, lobby, "a"), draft(alice, study, "b"), draft(alice, lobby, "c")])

    assert [(group, event["after"], event["head"], texts(event)) for group, event, _ in told] == [
        (f"room.{lobby.pk}", 1, 3, ["a", "c"]),
        (f"room.{study.pk}", 0, 1, ["b"]),
    ]
    assert [position for _, _, position in told] == [{"after": 1, "head": 3}, {"after": 0, "head": 1}]


def test_nobody_is_told_of_what_was_refused_or_is_not_new(
    lobby, alice, carol, told, django_capture_on_commit_callbacks
):
    known = draft(alice, lobby)
    post_messages([known])

    with django_capture_on_commit_callbacks(execute=True):
        post_messages([known, draft(carol, lobby), draft(alice, lobby, "")])

    assert told == []


@pytest.mark.django_db(transaction=True)
def test_the_room_is_told_after_the_commit_and_not_before(lobby, alice, told):
    with transaction.atomic():
        post(alice, lobby)
        assert told == []

    assert len(told) == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_told_and_leaves_no_gap(lobby, alice, told):
    with pytest.raises(RuntimeError), transaction.atomic():
        post(alice, lobby)
        raise RuntimeError

    assert told == []
    assert post(alice, lobby).seq == 1


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_cannot_be_stored_leaves_nothing_behind(lobby, study, alice, told, monkeypatch):
    store = statements.store

    def fail(messages, rooms):
        store(messages, rooms)
        assert {room.pk for room in rooms} == {lobby.pk, study.pk}
        raise DatabaseError

    monkeypatch.setattr(statements, "store", fail)

    with pytest.raises(DatabaseError):
        post_messages([draft(alice, lobby), draft(alice, study)])
    assert told == []
    assert not Message.objects.exists()
    assert not Room.objects.filter(head__gt=0).exists()


@pytest.mark.django_db(transaction=True)
def test_a_room_that_cannot_be_told_keeps_its_messages_and_the_log_says_so(
    lobby, study, alice, told, monkeypatch, caplog
):
    """The sender has an answer, the other room is told, and nobody's words are in the log."""
    publish = told.append

    def fail_in_the_lobby(group, event, **position):
        if group == f"room.{lobby.pk}":
            raise ConnectionError("The layer is away.")
        if group == f"room.{study.pk}":
            publish(event)

    monkeypatch.setattr("chat.events.broadcast_sync", fail_in_the_lobby)

    outcomes = post_messages([draft(alice, lobby, "secret"), draft(alice, study, "b")])

    assert [outcome.seq for outcome in outcomes] == [1, 1]
    assert lobby.messages.count() == 1
    assert [texts(event) for event in told] == [["b"]]
    assert "The layer is away." in caplog.text
    assert "secret" not in caplog.text

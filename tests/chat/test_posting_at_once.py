"""Posting at the same time: real threads, each with a database connection of its own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from chat.services import delete_message, edit_message, post_messages
from tests.chat.drafts import draft, post
from tests.people import make_person, make_room

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT_S = 20


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all from the same moment on, and return what they return."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(TIMEOUT_S)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return [future.result(TIMEOUT_S) for future in [threads.submit(run, act) for act in acts]]


@pytest.fixture
def crowd(lobby):
    """Eight people who all talk in the lobby."""
    people = [make_person(f"person-{number}") for number in range(8)]
    make_room("lobby", people)
    return people


def test_a_room_has_no_gaps_when_everybody_posts_at_once(lobby, crowd, told):
    def say_five_things(person):
        return lambda: [post_messages([draft(person, lobby, f"{turn}") for _ in range(2)]) for turn in range(5)]

    at_once(*map(say_five_things, crowd))

    lobby.refresh_from_db()
    total = len(crowd) * 5 * 2
    stored = list(lobby.messages.order_by("seq"))
    assert (lobby.head, lobby.last_seq) == (total, total)
    assert [message.seq for message in stored] == [message.version for message in stored] == list(range(1, total + 1))
    for person in crowd:
        # Each one's own messages stand in the order in which they were said.
        assert [message.text for message in stored if message.author_id == person.pk] == [*"0011223344"]
    assert sorted((event["after"], event["head"]) for _, event, _ in told) == [(n, n + 2) for n in range(0, total, 2)]


def test_edits_deletions_and_posts_at_once_leave_no_gap(lobby, crowd, told):
    first, *others = crowd
    message = post(first, lobby)
    posts = [lambda person=person: post_messages([draft(person, lobby)]) for person in others]
    edits = [
        lambda text=text: edit_message(actor=first, room=lobby, message_id=message.pk, text=text) for text in ("a", "b")
    ]

    at_once(*edits, *posts)
    at_once(*[lambda: delete_message(actor=first, room=lobby, message_id=message.pk)] * 3)

    lobby.refresh_from_db()
    total = 1 + len(edits) + len(posts) + 1
    assert (lobby.head, lobby.last_seq) == (total, 1 + len(posts))
    assert sorted(event["head"] for _, event, _ in told) == list(range(1, total + 1))
    assert (lobby.messages.get(seq=1).text, lobby.messages.get(seq=1).version) == ("", total)


def test_a_message_sent_from_several_tabs_at_once_is_stored_once(lobby, alice):
    """A composer that sends again what it kept, in each tab that is open."""
    same = draft(alice, lobby)

    outcomes = at_once(*[lambda: post_messages([same])] * 6)

    assert len({message.pk for [message] in outcomes}) == 1
    lobby.refresh_from_db()
    assert (lobby.head, lobby.last_seq, lobby.messages.count()) == (1, 1, 1)


def test_batches_that_name_the_same_rooms_in_another_order_get_along(lobby, study, alice):
    def say(rooms):
        return lambda: [post_messages([draft(alice, room) for room in rooms]) for _ in range(10)]

    at_once(say([lobby, study]), say([study, lobby]))

    for room in (lobby, study):
        room.refresh_from_db()
        assert (room.head, room.last_seq, room.messages.count()) == (20, 20, 20)

"""Coming back: what was missed, whole, or everything afresh."""

import pytest

from channels_core.db import database_sync_to_async
from chat import events
from chat.models import Message, Room
from tests.chat.drafts import post, texts
from tests.people import fill

in_thread = database_sync_to_async


def touch(room: Room, seq: int) -> None:
    """Change an old message, as an edit does: it gets the room's next number."""
    room.refresh_from_db()
    Message.objects.filter(room=room, seq=seq).update(text="Changed", version=room.advance())
    room.save(update_fields=["head"])


async def come_back(open_socket, person, room, since: object) -> dict:
    """The welcome of a tab that knows the room up to ``since``."""
    async with open_socket(person, f"/ws/rooms/{room.slug}/?since={since}") as tab:
        await tab.connect()
        return await tab.receive_event("welcome")


async def test_who_comes_back_is_told_what_was_missed(open_socket, lobby, alice):
    await in_thread(fill)(lobby, alice, ["1", "2", "3", "4"])

    welcome = await come_back(open_socket, alice, lobby, since=2)

    assert (welcome["recovered"], welcome["head"]) == (True, 4)
    assert texts(welcome) == ["3", "4"]


async def test_changes_of_old_messages_are_among_it_by_version(open_socket, lobby, alice):
    await in_thread(fill)(lobby, alice, ["1", "2", "3"])
    await in_thread(touch)(lobby, 1)

    welcome = await come_back(open_socket, alice, lobby, since=2)

    assert [(message["seq"], message["version"]) for message in welcome["messages"]] == [(3, 3), (1, 4)]
    assert welcome["head"] == 4


async def test_who_missed_nothing_is_told_nothing(open_socket, lobby, alice):
    await in_thread(fill)(lobby, alice, ["1", "2"])

    welcome = await come_back(open_socket, alice, lobby, since=2)

    assert (welcome["recovered"], welcome["head"], welcome["messages"]) == (True, 2, [])


async def test_an_empty_room_has_nothing_to_miss(open_socket, lobby, alice):
    welcome = await come_back(open_socket, alice, lobby, since=0)

    assert (welcome["recovered"], welcome["head"], welcome["messages"]) == (True, 0, [])


@pytest.mark.parametrize(("missed", "recovered", "count"), [(500, True, 500), (501, False, events.PAGE_SIZE)])
async def test_after_too_many_changes_everything_starts_afresh(open_socket, lobby, alice, missed, recovered, count):
    await in_thread(fill)(lobby, alice, map(str, range(1 + missed)))

    welcome = await come_back(open_socket, alice, lobby, since=1)

    assert (welcome["recovered"], len(welcome["messages"])) == (recovered, count)
    assert welcome["head"] == 1 + missed
    assert welcome["messages"][-1]["seq"] == 1 + missed


async def test_a_number_that_never_was_starts_afresh(open_socket, lobby, alice):
    """The database has been restored from a backup: what the page knows may not be so any more."""
    await in_thread(fill)(lobby, alice, ["1", "2"])

    welcome = await come_back(open_socket, alice, lobby, since=9)

    assert (welcome["recovered"], welcome["head"]) == (False, 2)
    assert texts(welcome) == ["1", "2"]


@pytest.mark.parametrize("since", ["", "-1", "x", "1.5", "٣", str(2**63), "1&since=2"])
async def test_what_is_no_number_is_refused(open_socket, lobby, alice, since):
    async with open_socket(alice, f"/ws/rooms/lobby/?since={since}") as tab:
        await tab.connect()

        assert await tab.receive_close() == events.CloseCode.MALFORMED


async def test_a_gap_is_filled_by_asking(join, lobby, alice):
    async with join(alice, lobby) as tab:
        await in_thread(fill)(lobby, alice, ["1", "2", "3"])

        reply = await tab.ask("history.get", since=1)

    assert texts(reply) == ["2", "3"]
    assert (reply["head"], reply["more"]) == (3, False)


async def test_a_long_gap_is_filled_in_steps(join, lobby, alice):
    async with join(alice, lobby) as tab:
        await in_thread(fill)(lobby, alice, map(str, range(1, 503)))

        first = await tab.ask("history.get", since=0)
        second = await tab.ask("history.get", since=first["head"])

    assert (len(first["messages"]), first["head"], first["more"]) == (events.MAX_CHANGES, 500, True)
    assert (texts(second), second["head"], second["more"]) == (["501", "502"], 502, False)


async def test_who_has_left_is_told_no_changes(join, lobby, bob):
    async with join(bob, lobby) as tab:
        await in_thread(lobby.memberships.filter(user=bob).delete)()

        reply = await tab.ask("history.get", since=0)

    assert reply["error"]["code"] == "not_a_member"


async def test_what_happens_while_one_comes_back_follows_the_welcome(join, open_socket, lobby, alice, bob):
    async with join(alice, lobby), open_socket(bob, "/ws/rooms/lobby/?since=0") as tab:
        await tab.connect()
        welcome = await tab.receive_event("welcome")
        await in_thread(post)(alice, lobby, "1")

        told = await tab.receive_event("messages")

    assert (told["after"], told["head"]) == (welcome["head"], welcome["head"] + 1)

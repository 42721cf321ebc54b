"""A tab in a room: the welcome, what is said and heard, and history."""

import asyncio
from uuid import uuid4

import pytest

from channels_core.db import database_sync_to_async
from channels_core.generic.connection import INTERNAL_ERROR
from chat import services
from chat.journal import get_journals
from tests.chat.drafts import draft, texts
from tests.people import fill


def person(user) -> dict:
    return {"id": user.pk, "name": user.name, "colour": user.colour}


async def say(tab, text: str, **fields) -> dict:
    """Post a message from ``tab`` and return the reply."""
    return await tab.ask("message.post", **{"client_id": str(uuid4()), "text": text} | fields)


async def heard(tab) -> list[str]:
    """The texts of the next telling."""
    return texts(await tab.receive_event("messages"))


async def test_the_welcome_tells_all_that_the_page_needs(join, lobby, alice):
    [message] = await database_sync_to_async(fill)(lobby, alice, ["**Hello**"])

    room = {"slug": "lobby", "name": "Lobby", "topic": lobby.topic, "kind": "public", "archived": False}
    async with join(alice, lobby) as tab:
        created = tab.welcome["messages"][0].pop("created")
        assert tab.welcome == {
            "type": "welcome",
            "reader": alice.pk,
            "room": room | {"last_seq": 1, "last_read": 0},
            "rooms": [room | {"last_seq": 1, "last_read": 0}],
            "local": False,
            "head": 1,
            "recovered": False,
            "messages": [
                {
                    "id": message.pk,
                    "seq": 1,
                    "version": 1,
                    "client_id": str(message.client_id),
                    "author": person(alice),
                    "text": "**Hello**",
                    "html": "<p><strong>Hello</strong></p>",
                    "edited": None,
                    "deleted": None,
                }
            ],
            "more": False,
            "present": [person(alice)],
            "beat_s": 25.0,
        }
        assert created == message.created.isoformat().replace("+00:00", "Z")


async def test_the_welcome_is_the_first_frame(open_socket, lobby, alice):
    """Before the presence that joining itself sets off."""
    async with open_socket(alice, "/ws/rooms/lobby/") as tab:
        assert await tab.connect() == (True, None)

        assert [(await tab.receive_json_from())["type"] for _ in range(2)] == ["welcome", "presence"]


async def test_the_welcome_has_the_newest_50_messages_oldest_first(join, lobby, alice):
    await database_sync_to_async(fill)(lobby, alice, [str(number) for number in range(1, 61)])

    async with join(alice, lobby) as tab:
        assert texts(tab.welcome) == [str(number) for number in range(11, 61)]
        assert (tab.welcome["head"], tab.welcome["more"]) == (60, True)


async def test_the_welcome_tells_who_is_here(join, lobby, alice, bob):
    async with join(bob, lobby), join(alice, lobby) as tab:
        assert tab.welcome["present"] == [person(alice), person(bob)]


async def test_a_message_of_a_deleted_account_has_no_author(join, lobby, alice, bob):
    await database_sync_to_async(fill)(lobby, bob, ["Farewell"])
    await database_sync_to_async(bob.delete)()

    async with join(alice, lobby) as tab:
        assert tab.welcome["messages"][0]["author"] is None


async def test_a_message_reaches_every_tab_in_the_room_once(join, lobby, study, alice, bob):
    """The sender's own tab included, so that one code path shows every message."""
    async with (
        join(alice, lobby) as sender,
        join(alice, lobby) as second,
        join(bob, lobby) as reader,
        join(alice, study) as elsewhere,
    ):
        await sender.send_json_to({"type": "message.post", "ref": 1, "client_id": str(uuid4()), "text": "Hello"})

        for tab in (sender, second, reader):
            assert await heard(tab) == ["Hello"]
        for tab in (sender, second, reader, elsewhere):
            assert await tab.receive_no_event("messages")


async def test_the_sender_gets_the_stored_message_in_reply(join, lobby, alice):
    client_id = str(uuid4())

    async with join(alice, lobby) as tab:
        reply = await say(tab, "Hello", client_id=client_id, ref="first")

    message = reply.pop("message")
    assert reply == {"type": "reply", "ref": "first", "ok": True}
    assert (message["client_id"], message["author"], message["seq"]) == (client_id, person(alice), 1)
    assert message["html"] == "<p>Hello</p>"


async def test_a_bug_in_storing_ends_the_tab_that_posted_and_is_logged(join, lobby, alice, bob, monkeypatch, caplog):
    def broken(drafts, tell):
        raise RuntimeError("a bug")

    async with join(alice, lobby) as sender, join(bob, lobby) as reader:
        monkeypatch.setattr(get_journals().posts, "_store_batch", broken)
        await sender.send_json_to(
            {"type": "message.post", "ref": 1, "client_id": str(uuid4()), "text": "Something private"}
        )

        async with asyncio.timeout(5):  # not asked of the communicator, which would wait for the consumer to end
            while (output := await sender.output_queue.get())["type"] != "websocket.close":
                pass
        assert output["code"] == INTERNAL_ERROR
        assert await reader.receive_no_event("messages")
    assert "A post failed" in caplog.text
    assert "Something private" not in caplog.text


async def test_what_is_told_is_the_message_of_the_reply_with_the_rooms_numbers(join, lobby, alice, bob):
    async with join(alice, lobby) as sender, join(bob, lobby) as reader:
        await say(sender, "One")
        reply = await say(sender, "Two")

        await reader.receive_event("messages")
        assert await reader.receive_event("messages") == {
            "type": "messages",
            "after": 1,
            "head": 2,
            "messages": [reply["message"]],
        }


@pytest.mark.parametrize("ref", ["a", "", "é" * 64, 0, -7, 10**63])
async def test_the_reply_carries_the_ref_as_it_came(join, lobby, alice, ref):
    async with join(alice, lobby) as tab:
        assert (await say(tab, "Hello", ref=ref))["ref"] == ref


async def test_a_message_sent_again_from_another_tab_is_told_once(join, lobby, alice):
    """A tab that was closed before its acknowledgement came leaves the message to the next one."""
    client_id = str(uuid4())

    async with join(alice, lobby) as first, join(alice, lobby) as second:
        one = await say(first, "Hello", client_id=client_id)
        two = await say(second, "Hello", client_id=client_id)

        assert one["message"] == two["message"]
        assert await heard(second) == ["Hello"]
        assert await second.receive_no_event("messages")


async def test_a_message_that_was_posted_without_script_is_told(join, lobby, alice, bob):
    async with join(alice, lobby) as tab:
        await database_sync_to_async(services.post_messages)([draft(bob, lobby, "From a form")])

        assert await heard(tab) == ["From a form"]


async def test_frames_sent_at_once_are_answered_and_told_in_their_order(join, lobby, alice):
    async with join(alice, lobby) as tab:
        for number in range(10):
            await tab.send_json_to(
                {"type": "message.post", "ref": number, "client_id": str(uuid4()), "text": str(number)}
            )

        replies, told = [], []
        async with asyncio.timeout(5):
            while len(replies) < 10 or len(told) < 10:
                event = await tab.receive_json_from()
                if event["type"] == "reply":
                    replies.append((event["ref"], event["message"]["text"], event["message"]["seq"]))
                elif event["type"] == "messages":
                    told += texts(event)
    assert replies == [(number, str(number), number + 1) for number in range(10)]
    assert told == [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("asked", "first", "last", "more"),
    [
        ({}, 71, 120, True),
        ({"before": 71}, 21, 70, True),
        ({"before": 21}, 1, 20, False),
        ({"before": 71, "limit": 100}, 1, 70, False),
        ({"before": 51, "limit": 50}, 1, 50, False),
        ({"before": 52, "limit": 50}, 2, 51, True),
        ({"limit": 1}, 120, 120, True),
        ({"before": 2**63 - 1, "limit": 100}, 21, 120, True),
    ],
)
async def test_history_comes_in_pages_oldest_first(join, lobby, alice, asked, first, last, more):
    await database_sync_to_async(fill)(lobby, alice, [str(number) for number in range(1, 121)])

    async with join(alice, lobby) as tab:
        reply = await tab.ask("history.get", **asked)

    assert texts(reply) == [str(number) for number in range(first, last + 1)]
    assert (reply["ok"], reply["more"], reply["head"]) == (True, more, 120)


async def test_history_shows_messages_as_the_welcome_does(join, lobby, alice):
    await database_sync_to_async(fill)(lobby, alice, ["One", "Two"])

    async with join(alice, lobby) as tab:
        reply = await tab.ask("history.get")

        assert reply["messages"] == tab.welcome["messages"]


async def test_before_the_first_message_history_ends(join, lobby, alice):
    await database_sync_to_async(fill)(lobby, alice, ["One"])

    async with join(alice, lobby) as tab:
        reply = await tab.ask("history.get", before=1)

    assert (reply["messages"], reply["more"]) == ([], False)

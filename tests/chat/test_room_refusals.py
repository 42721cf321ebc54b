"""What a room's socket refuses by name, and survives; test_room_closes.py has what ends it."""

import json
from bisect import bisect

import pytest

from channels_core.db import database_sync_to_async
from chat import events, rooms
from chat.events import MAX_FRAME_BYTES, CloseCode
from chat.models import Message, Room
from tests.chat.drafts import HELLO
from tests.people import make_room


def refusal(code: str, field: str | None = None) -> dict:
    return {"ok": False, "code": code, "field": field}


def what_is_refused(reply: dict) -> dict:
    """Code and field of a refusal, which says in words what is wrong, too."""
    assert reply["error"]["detail"]
    return {"ok": reply["ok"], "code": reply["error"]["code"], "field": reply["error"].get("field")}


@pytest.mark.parametrize(
    "type", ["message.erase", "receive_json", "websocket.disconnect", "", None, 7, ["message.post"]]
)
async def test_an_unknown_question_is_refused_by_name(join, lobby, alice, type):
    """Names of the consumer's methods included: a client reaches none of them."""
    async with join(alice, lobby) as tab:
        reply = await tab.ask(type, ref=1)

    assert what_is_refused(reply) == refusal("unknown_type")
    assert ", ".join(events.ASKED) in reply["error"]["detail"]


async def test_a_question_without_a_type_is_refused_by_name(join, lobby, alice):
    async with join(alice, lobby) as tab:
        await tab.send_json_to({"ref": 1})

        assert what_is_refused(await tab.receive_event("reply")) == refusal("unknown_type")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("client_id", [None, "", "x", 1, True, [], {}, "0" * 31, "\ud800"]),
        ("text", [None, 1, True, [], {}]),
    ],
)
async def test_a_post_with_a_field_that_is_wrong_or_missing_names_it(join, lobby, alice, field, values):
    async with join(alice, lobby) as tab:
        await tab.send_json_to({name: value for name, value in HELLO.items() if name != field})
        assert what_is_refused(await tab.receive_event("reply")) == refusal("invalid", field)

        for value in values:
            reply = await tab.ask(**HELLO | {field: value})
            assert what_is_refused(reply) == refusal("invalid", field), value

    assert await Message.objects.acount() == 0


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("before", [0, -1, 2**63, 1.5, "1", None, True, [], {}]),
        ("limit", [0, -1, 101, 1.5, "1", None, True, [], {}]),
    ],
)
async def test_a_question_for_history_with_a_wrong_number_names_it(join, lobby, alice, field, values):
    async with join(alice, lobby) as tab:
        for value in values:
            reply = await tab.ask("history.get", **{field: value})
            assert what_is_refused(reply) == refusal("invalid", field), value


def deepest_json() -> int:
    """How many lists in each other can be read here; on a server's stack it is a few more or less."""

    def is_too_deep(depth: int) -> bool:
        try:
            json.loads("[" * depth + "]" * depth)
        except RecursionError:
            return True
        return False

    return bisect(range(MAX_FRAME_BYTES // 2 - 200), False, key=is_too_deep)


async def test_a_value_nested_deeper_and_deeper_is_refused_until_it_cannot_be_read(join, lobby, alice, settings):
    """What can be read may still be too deep to be shown in the refusal."""
    limit = deepest_json()
    settings.CHAT_POST_RATE = 0

    async with join(alice, lobby) as tab:
        for depth in range(limit - 150, limit + 150):
            await tab.send_to(
                text_data='{"type": "message.post", "ref": 1, "client_id": %s}' % ("[" * depth + "]" * depth)
            )
            output = await tab.receive_output()
            while output["type"] == "websocket.send" and '"presence"' in output["text"]:
                output = await tab.receive_output()
            if output["type"] == "websocket.close":
                break
            assert what_is_refused(json.loads(output["text"])) == refusal("invalid", "client_id")

    assert output.get("code", CloseCode.MALFORMED) == CloseCode.MALFORMED


async def test_what_a_refusal_shows_of_a_wrong_value_is_short(join, lobby, alice):
    async with join(alice, lobby) as tab:
        reply = await tab.ask(**HELLO | {"client_id": "x" * 10_000})

    assert len(reply["error"]["detail"]) < 120


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty"), (" \n ", "empty"), ("x" * 4_001, "too_long"), ("語" * 4_001, "too_long"), ("\0", "invalid")]
    + [("\ud83d", "invalid")],
    ids=lambda value: ascii(value)[:12],
)
async def test_a_text_that_cannot_be_is_refused_by_name(join, lobby, alice, text, code):
    async with join(alice, lobby) as tab:
        assert what_is_refused(await tab.ask(**HELLO | {"text": text})) == refusal(code)

    assert await Message.objects.acount() == 0


async def test_a_room_that_is_archived_meanwhile_is_read_only(join, lobby, alice):
    async with join(alice, lobby) as tab:
        await Room.objects.filter(pk=lobby.pk).aupdate(archived=True)

        assert what_is_refused(await tab.ask(**HELLO)) == refusal("archived")
        assert (await tab.ask("history.get"))["ok"]


async def test_an_archived_room_can_be_read(join, alice):
    room = await database_sync_to_async(make_room)("attic", [alice], archived=True)

    async with join(alice, room) as tab:
        assert tab.welcome["room"]["archived"] is True


async def test_somebody_who_has_left_meanwhile_can_neither_write_nor_read(join, lobby, bob):
    async with join(bob, lobby) as tab:
        await database_sync_to_async(rooms.leave_room)(user=bob, room=lobby)

        assert what_is_refused(await tab.ask(**HELLO)) == refusal("not_a_member")
        assert what_is_refused(await tab.ask("history.get")) == refusal("not_a_member")


async def test_the_socket_survives_what_is_refused(join, lobby, alice, bob):
    """Neither its own messages nor those of others are lost to it."""
    async with join(alice, lobby) as tab, join(bob, lobby) as other:
        await tab.ask("nonsense")
        await tab.ask("history.get", before="x")
        await tab.ask(**HELLO | {"text": ""})

        assert (await tab.ask(**HELLO))["ok"]
        assert (await other.ask(**HELLO))["ok"]
        for _ in range(2):
            await tab.receive_event("messages")

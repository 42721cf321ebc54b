"""What ends a room's socket, and with which code: malformed frames, and who has no business there."""

import json

import pytest

from channels_core.db import database_sync_to_async
from chat import rooms
from chat.events import MAX_FRAME_BYTES, CloseCode
from chat.models import Message, User
from tests.chat.drafts import HELLO

MALFORMED = {
    "no JSON": ["", "{", "hello", "\0"],
    "no object": ["null", "1", '"text"', "[]", json.dumps([HELLO])],
    "no ref": ["{}", '{"type": "message.post"}', '{"ref": null}'],
    "no string or whole number as ref": [f'{{"ref": {ref}}}' for ref in ["true", "1.0", "1e999", "[]", "{}"]],
    "too long a ref": [json.dumps({"ref": "x" * 65}), json.dumps({"ref": 10**64}), '{"ref": ' + "1" * 5_000 + "}"],
    "no number of JSON": ['{"ref": NaN}', '{"ref": 1, "limit": NaN}', '{"ref": 1, "limit": -Infinity}'],
    "too deep": ["[" * 60_000, '{"ref": 1, "a": ' + "[" * 30_000 + "]" * 30_000 + "}"],
}


@pytest.mark.parametrize("frames", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_frame_closes_the_socket_with_4400(join, lobby, alice, frames):
    for frame in frames:
        async with join(alice, lobby) as tab:
            await tab.send_to(text_data=frame)

            assert await tab.receive_close() == CloseCode.MALFORMED == 4400, frame[:100]


async def test_what_follows_a_malformed_frame_is_not_looked_at(join, lobby, alice):
    """It was on its way already; the client sends it again on its next line."""
    async with join(alice, lobby) as tab:
        await tab.send_to(text_data="{")
        await tab.send_json_to(HELLO)
        await tab.receive_close()

        assert await tab.receive_nothing()
    assert not await database_sync_to_async(Message.objects.exists)()


async def test_a_binary_frame_closes_the_socket_with_4400(join, lobby, alice):
    for frame in [b"", json.dumps(HELLO).encode(), b"\xff"]:
        async with join(alice, lobby) as tab:
            await tab.send_to(bytes_data=frame)

            assert await tab.receive_close() == CloseCode.MALFORMED
    assert await Message.objects.acount() == 0


def frame_of(size: int, filling: str) -> str:
    """A post in a frame of that many bytes, most of them in a field that nobody asked for."""
    frame = json.dumps(HELLO | {"filling": filling * (size // len(filling.encode()) - 200)}, ensure_ascii=False)
    return frame + " " * (size - len(frame.encode()))


@pytest.mark.parametrize("filling", ["x", "é"])
async def test_a_frame_of_64_kib_is_read(join, lobby, alice, filling):
    frame = frame_of(MAX_FRAME_BYTES, filling)
    assert len(frame.encode()) == MAX_FRAME_BYTES == 65_536

    async with join(alice, lobby) as tab:
        await tab.send_to(text_data=frame)

        assert (await tab.receive_event("reply"))["ok"]


@pytest.mark.parametrize("filling", ["x", "é"])
async def test_a_frame_of_one_byte_more_closes_the_socket_with_1009(join, lobby, alice, filling):
    """Bytes count, not characters."""
    async with join(alice, lobby) as tab:
        await tab.send_to(text_data=frame_of(MAX_FRAME_BYTES + 1, filling))

        assert await tab.receive_close() == CloseCode.TOO_BIG == 1009
    assert await Message.objects.acount() == 0


async def close_of(tab) -> tuple[bool, int, str]:
    """Whether a socket was accepted, and the code and reason with which it was closed at once."""
    accepted, _ = await tab.connect()
    output = await tab.receive_output()
    assert output["type"] == "websocket.close"
    return accepted, output["code"], output["reason"]


async def test_somebody_signed_out_is_refused_with_4401_and_learns_nothing_of_rooms(open_socket, lobby, study):
    for slug in ["lobby", "study", "nowhere"]:
        async with open_socket(None, f"/ws/rooms/{slug}/") as tab:
            assert await close_of(tab) == (True, CloseCode.NOT_SIGNED_IN, "Log in to open this connection.")


async def test_an_account_that_is_not_active_is_signed_out(open_socket, lobby, bob):
    await User.objects.filter(pk=bob.pk).aupdate(is_active=False)

    async with open_socket(bob, "/ws/rooms/lobby/") as tab:
        assert (await close_of(tab))[:2] == (True, 4401)


@pytest.mark.parametrize("slug", ["lobby", "study"])
async def test_somebody_who_is_no_member_is_refused_with_4403(open_socket, lobby, study, carol, slug):
    async with open_socket(carol, f"/ws/rooms/{slug}/") as tab:
        assert await close_of(tab) == (True, CloseCode.NOT_A_MEMBER, "Only members of this room can listen to it.")


@pytest.mark.parametrize("query", ["", "?since=4"])
async def test_an_address_that_leads_nowhere_is_refused_with_4404(open_socket, lobby, alice, query):
    for path in ["/ws/rooms/nowhere/", "/ws/rooms/no where/", "/ws/rooms/lobby", "/ws/", "/", "/nowhere"]:
        async with open_socket(alice, path + query) as tab:
            assert await close_of(tab) == (True, CloseCode.NO_SUCH_ROOM, "There is no such room."), path


async def test_a_frame_that_was_on_its_way_to_a_refused_socket_is_not_answered(open_socket, lobby, carol):
    async with open_socket(carol, "/ws/rooms/lobby/") as tab:
        await close_of(tab)
        await tab.send_json_to(HELLO)

        assert await tab.receive_nothing()
    assert await Message.objects.acount() == 0


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost.evil.example", "null", "file://"])
async def test_a_page_of_another_site_is_refused_before_the_socket_opens(open_socket, lobby, alice, origin):
    async with open_socket(alice, "/ws/rooms/lobby/", origin=origin) as tab:
        accepted, _ = await tab.connect()

    assert not accepted


async def test_somebody_who_is_let_in_can_come_in(open_socket, join, study, alice, carol):
    async with open_socket(carol, "/ws/rooms/study/") as tab:
        assert (await close_of(tab))[1] == CloseCode.NOT_A_MEMBER

    await database_sync_to_async(rooms.add_member)(actor=alice, room=study, username="carol")

    async with join(carol, study) as tab:
        assert tab.welcome["room"]["slug"] == "study"

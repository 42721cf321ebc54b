"""The inbox: what a person hears of their rooms, wherever they are."""

import asyncio
from uuid import uuid4

import pytest

from channels_core.db import database_sync_to_async
from chat import activity, rooms, services
from chat.models import Membership, Room
from tests.chat.drafts import post
from tests.people import fill

in_thread = database_sync_to_async


@pytest.fixture
def open_inbox(open_socket):
    """Prepare a tab without a room."""
    return lambda person: open_socket(person, "/ws/inbox/")


async def enter(tab):
    assert (await tab.connect())[0]
    return await tab.receive_event("welcome")


async def test_the_welcome_of_an_inbox_lists_the_persons_rooms(open_inbox, lobby, study, alice, bob):
    await in_thread(fill)(lobby, bob, ["One", "Two"])

    async with open_inbox(alice) as tab:
        welcome = await enter(tab)

    assert set(welcome) == {"type", "reader", "rooms", "beat_s"}
    numbers = {room["slug"]: (room["last_seq"], room["last_read"]) for room in welcome["rooms"]}
    assert numbers == {"lobby": (2, 0), "study": (0, 0)}


async def test_an_inbox_is_for_those_who_are_signed_in(open_inbox):
    async with open_inbox(None) as tab:
        await tab.connect()

        assert await tab.receive_close() == 4401


async def test_what_is_said_in_a_room_is_heard_of_in_the_others(join, open_inbox, lobby, study, alice, bob):
    async with join(alice, study) as elsewhere, open_inbox(bob) as tab:
        await enter(tab)
        await in_thread(post)(bob, lobby)

        for each in (elsewhere, tab):
            told = await each.receive_event("activity")
            assert told == {"type": "activity", "room": "lobby", "last_seq": 1, "mention": False}


async def test_nobody_hears_of_a_room_that_they_are_no_member_of(open_inbox, lobby, study, alice, bob):
    async with open_inbox(bob) as tab:
        await enter(tab)
        await in_thread(post)(alice, study)

        assert await tab.receive_no_event("activity")


async def test_an_edit_or_a_deletion_is_no_news(open_inbox, lobby, alice, bob, monkeypatch):
    """And does not keep what is posted in the same second waiting."""
    monkeypatch.setattr(activity, "TELL_EVERY_S", 3600)
    async with open_inbox(bob) as tab:
        await enter(tab)
        message = await in_thread(post)(alice, lobby)
        await tab.receive_event("activity")
        activity.get_activity()._told.clear()  # as if the second had passed

        which = {"actor": alice, "room": lobby, "message_id": message.pk}
        await in_thread(services.edit_message)(**which, text="Hello again")
        await in_thread(services.delete_message)(**which)
        await in_thread(post)(alice, lobby)

        assert (await tab.receive_event("activity"))["last_seq"] == 2


async def test_a_busy_room_is_told_of_once_a_second_with_the_newest_state(open_inbox, lobby, alice, bob, monkeypatch):
    monkeypatch.setattr(activity, "TELL_EVERY_S", 3600)
    async with open_inbox(bob) as tab:
        await enter(tab)
        for _ in range(5):
            await in_thread(post)(alice, lobby)
        assert (await tab.receive_event("activity"))["last_seq"] == 1
        assert await tab.receive_no_event("activity")

        monkeypatch.setattr(activity, "TELL_EVERY_S", 0)  # as if the second had passed
        await activity.get_activity().flush()
        assert (await tab.receive_event("activity"))["last_seq"] == 5


async def test_what_waits_for_its_second_is_told_by_itself(open_inbox, lobby, alice, bob):
    async with open_inbox(bob) as tab:
        await enter(tab)
        for _ in range(3):
            await in_thread(post)(alice, lobby)
        while (await tab.receive_event("activity"))["last_seq"] < 3:
            pass


async def test_a_lost_telling_of_activity_is_noticed(open_inbox, lobby, bob, alice, monkeypatch):
    monkeypatch.setattr("channels_core.line.WATCH_S", 0.05)
    monkeypatch.setattr("channels_core.line.COMPARE_S", 0.05)
    async with open_inbox(bob) as tab:
        await enter(tab)
        await in_thread(fill)(lobby, alice, ["One", "Two"])

        assert (await tab.receive_event("activity"))["last_seq"] == 2


async def test_a_beat_reaches_a_tab_without_a_room(open_inbox, lobby, bob, settings):
    settings.CHAT_BEAT_INTERVAL = 0.05
    async with open_inbox(bob) as tab:
        await enter(tab)

        assert await tab.receive_event("beat") == {"type": "beat"}


async def test_a_room_that_one_joins_is_told_and_heard_of(open_inbox, lobby, carol, alice):
    async with open_inbox(carol) as tab:
        assert (await enter(tab))["rooms"] == []
        await in_thread(post)(alice, lobby)
        await in_thread(rooms.join_room)(user=carol, room=await Room.objects.aget())

        told = await tab.receive_event("room")
        assert (told["room"]["slug"], told["room"]["last_seq"], told["room"]["last_read"]) == ("lobby", 1, 1)

        await in_thread(post)(alice, lobby)
        while (await tab.receive_event("activity"))["last_seq"] < 2:
            pass


@pytest.mark.parametrize("change", [{"name": "Foyer"}, {"topic": "News"}, {"archived": True}, {"kind": "private"}])
async def test_what_changes_about_a_room_is_told_to_all_its_members(join, open_inbox, lobby, alice, bob, change):
    async with join(alice, lobby) as inside, open_inbox(bob) as tab:
        await enter(tab)
        for name, value in change.items():
            setattr(lobby, name, value)
        await in_thread(lobby.save)(update_fields=list(change))

        for each in (inside, tab):
            [(name, value)] = change.items()
            assert (await each.receive_event("room"))["room"][name] == value


async def test_reading_is_told_to_the_persons_other_tabs_and_to_nobody_else(join, open_inbox, lobby, alice, bob):
    await in_thread(fill)(lobby, bob, ["One", "Two", "Three"])
    async with join(alice, lobby) as tab, open_inbox(alice) as other, join(bob, lobby) as stranger:
        await enter(other)

        reply = await tab.ask("read.set", seq=2)

        assert (reply["ok"], reply["seq"]) == (True, 2)
        assert await other.receive_event("read") == {"type": "read", "room": "lobby", "seq": 2}
        assert await stranger.receive_no_event("read")
    assert (await Membership.objects.aget(user=alice)).last_read == 2


async def test_a_read_mark_goes_neither_back_nor_beyond_the_last_message(join, lobby, alice, bob):
    await in_thread(fill)(lobby, bob, ["One", "Two", "Three"])
    async with join(alice, lobby) as tab:
        answers = [(await tab.ask("read.set", ref=seq, seq=seq))["seq"] for seq in (2, 1, 99, 0)]

        assert answers == [2, 2, 3, 3]
        assert [(await tab.receive_event("read"))["seq"] for _ in range(2)] == [2, 3]
        assert await tab.receive_no_event("read")


async def test_an_inbox_marks_a_room_as_read_by_its_address(open_inbox, lobby, study, alice, bob):
    await in_thread(fill)(lobby, bob, ["One"])
    async with open_inbox(alice) as tab:
        await enter(tab)

        assert (await tab.ask("read.set", room="lobby", seq=1))["seq"] == 1
        refused = await tab.ask("read.set", ref=2, room="nowhere", seq=1)
        assert (refused["ok"], refused["error"]["code"]) == (False, "not_a_member")
        refused = await tab.ask("message.post", ref=3, text="Hello")
        assert refused["error"]["code"] == "unknown_type"


@pytest.mark.parametrize("seq", [None, "1", -1, 1.5, True, 2**63])
async def test_a_read_mark_that_is_no_place_is_refused(join, lobby, alice, seq):
    async with join(alice, lobby) as tab:
        reply = await tab.ask("read.set", seq=seq)

    assert (reply["error"]["code"], reply["error"]["field"]) == ("invalid", "seq")


def test_marks_of_one_batch_have_each_their_outcome(lobby, alice, bob, carol, told):
    fill(lobby, bob, ["One", "Two"])
    marks = [
        services.ReadMark(lobby.pk, person.pk, seq) for person, seq in [(alice, 1), (carol, 1), (bob, 2), (alice, 2)]
    ]

    mine, refused, others, last = services.mark_read(marks)

    assert (mine, others, last) == (2, 2, 2)
    assert refused.code == "not_a_member"


async def test_typing_is_told_to_the_room_and_not_stored(join, lobby, alice, bob):
    async with join(alice, lobby) as tab, join(bob, lobby) as other:
        assert (await tab.ask("typing.start"))["ok"]

        told = await other.receive_event("typing")
        assert told["person"]["name"] == "Alice"
    assert (await Room.objects.aget()).head == 0


async def test_typing_goes_on_in_one_process_when_the_layer_does_not_take_it(join, lobby, alice, bob, monkeypatch):
    async def broken(*args, **kwargs):
        raise ConnectionError("no line")

    monkeypatch.setattr("chat.consumers.broadcast", broken)
    async with join(alice, lobby) as tab, join(bob, lobby) as other:
        assert (await tab.ask("typing.start"))["ok"]

        assert await other.receive_event("typing")


async def test_an_inbox_leaves_nothing_behind(open_inbox, lobby, alice):
    from chat.pulse import get_pulse
    from chat.watch import get_watch

    async with open_inbox(alice) as tab:
        await enter(tab)
        assert get_watch()._readers

    assert not get_watch()._readers
    assert not get_pulse()._tabs
    await asyncio.sleep(0)


def test_whoever_writes_without_script_has_read_what_is_above(client_of, lobby, alice, bob):
    fill(lobby, bob, ["One", "Two"])

    client_of(alice).post("/rooms/lobby/messages/", {"client_id": str(uuid4()), "text": "Three"})

    assert Membership.objects.get(user=alice).last_read == 3
    assert Membership.objects.get(user=bob).last_read == 0


def test_without_script_a_button_marks_a_room_as_read(client_of, lobby, alice, bob):
    fill(lobby, bob, ["One", "Two"])
    client = client_of(alice)
    assert 'action="/rooms/lobby/read/"' in client.get("/rooms/lobby/").content.decode()

    response = client.post("/rooms/lobby/read/", {"seq": "2"})

    assert response.headers["Location"] == "/rooms/lobby/"
    assert Membership.objects.get(user=alice).last_read == 2
    assert 'action="/rooms/lobby/read/"' not in client.get("/rooms/lobby/").content.decode()


@pytest.mark.parametrize("seq", ["", "x", "-1", "9" * 30])
def test_a_form_that_marks_nonsense_as_read_changes_nothing(client_of, lobby, alice, seq):
    assert client_of(alice).post("/rooms/lobby/read/", {"seq": seq}).status_code == 302
    assert Membership.objects.get(user=alice).last_read == 0

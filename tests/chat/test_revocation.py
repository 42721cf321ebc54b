"""Who is no longer who they were, or where they were: their sockets hear of it and are closed, nobody else's."""

import asyncio
import json
from threading import Event

import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async
from channels_core.frames import Burst
from chat import arrivals, bell, rooms, watch
from chat.consumers import RoomConsumer
from chat.events import REASONS, CloseCode
from chat.inbox import InboxConsumer
from chat.models import Membership, Room, Session
from chat.watch import get_watch
from tests.chat.drafts import HELLO, post
from tests.people import PASSWORD
from tests.servers import until

in_thread = database_sync_to_async


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(watch, "GATHER_S", 0)


@pytest.fixture(params=["bell", "look"])
def by(request, monkeypatch):
    """Learned by the bell, or without it by looking, as while Redis is away."""
    if request.param == "look":
        monkeypatch.setattr(bell.events, "publish", lambda *args, **kwargs: None)
        monkeypatch.setattr(watch, "LOOK_EVERY_S", 0)
        monkeypatch.setattr("channels_core.line.WATCH_S", 0.05)
        monkeypatch.setattr("channels_core.line.COMPARE_S", 0.05)
    return request.param


@pytest.fixture
def log_in(client_of):
    """A browser in which somebody has logged in."""

    async def log_in(person) -> Client:
        return await in_thread(client_of)(person)

    return log_in


@pytest.fixture
def join_from(open_socket):
    """Open a tab of a room in a browser."""

    def join_from(client: Client, room):
        key = client.cookies["mysite_sessionid"].value
        return open_socket(None, f"/ws/rooms/{room.slug}/", session=key)

    return join_from


async def enter(tab) -> None:
    await tab.connect()
    await tab.receive_event("welcome")


async def revoked(tab) -> tuple[str, int]:
    """Why and with which code a socket was closed."""
    told = await tab.receive_event("revoked")
    return told["reason"], await tab.receive_close()


async def lives(tab) -> bool:
    return (await tab.ask("history.get", ref="alive"))["ok"]


async def test_logging_out_closes_the_sockets_of_that_browser_only(log_in, join_from, lobby, alice, by):
    here, there = await log_in(alice), await log_in(alice)
    async with join_from(here, lobby) as tab, join_from(here, lobby) as second, join_from(there, lobby) as other:
        for each in (tab, second, other):
            await enter(each)

        await in_thread(here.post)("/accounts/logout/")

        for each in (tab, second):
            assert await revoked(each) == ("signed_out", CloseCode.NOT_SIGNED_IN)
        assert await lives(other)


async def test_a_new_password_closes_all_sockets_but_those_of_the_browser_that_set_it(
    log_in, join_from, lobby, alice, bob, by
):
    here, there, bobs = await log_in(alice), await log_in(alice), await log_in(bob)
    async with join_from(here, lobby) as tab, join_from(there, lobby) as other, join_from(bobs, lobby) as stranger:
        for each in (tab, other, stranger):
            await enter(each)

        new = "another " + PASSWORD
        form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        response = await in_thread(here.post)("/accounts/password_change/", form)
        assert response.status_code == 302

        assert await revoked(other) == ("signed_out", CloseCode.NOT_SIGNED_IN)
        assert await lives(tab)
        assert await lives(stranger)


async def test_a_deactivated_account_has_no_sockets(log_in, join_from, lobby, alice, bob, by):
    clients = [await log_in(alice), await log_in(alice)]
    async with join_from(clients[0], lobby) as tab, join_from(clients[1], lobby) as second:
        for each in (tab, second):
            await enter(each)

        alice.is_active = False
        await in_thread(alice.save)(update_fields=["is_active"])

        for each in (tab, second):
            assert await revoked(each) == ("deactivated", CloseCode.NOT_SIGNED_IN)


async def test_an_account_that_is_deleted_has_no_sockets(join, lobby, bob, by):
    async with join(bob, lobby) as tab:
        await in_thread(bob.delete)()

        assert await revoked(tab) == ("deactivated", CloseCode.NOT_SIGNED_IN)


async def test_whoever_leaves_a_room_is_out_of_it_in_all_tabs(join, lobby, study, alice, bob, by):
    async with join(bob, lobby) as tab, join(bob, lobby) as second, join(alice, lobby) as other:
        await in_thread(rooms.leave_room)(user=bob, room=lobby)

        for each in (tab, second):
            assert await revoked(each) == ("not_a_member", CloseCode.NOT_A_MEMBER)
        await in_thread(post)(alice, lobby)
        assert await other.receive_event("messages")


@pytest.mark.parametrize("service", ["remove_member", "ban_member"])
async def test_whoever_is_removed_from_a_room_is_out_of_it(join, lobby, alice, bob, by, service):
    async with join(bob, lobby) as tab:
        await in_thread(getattr(rooms, service))(actor=alice, room=lobby, user=bob)

        assert await revoked(tab) == ("not_a_member", CloseCode.NOT_A_MEMBER)


async def test_a_socket_in_another_room_hears_no_more_of_the_one_that_was_left(join, lobby, study, alice, bob, by):
    async with join(alice, study) as tab:
        await in_thread(rooms.leave_room)(user=alice, room=lobby)
        assert await tab.receive_event("revoked") == {"type": "revoked", "reason": "not_a_member", "room": "lobby"}

        await in_thread(post)(bob, lobby)

        assert await tab.receive_no_event("activity")
        assert await lives(tab)


async def test_a_deleted_room_closes_its_sockets(join, lobby, study, alice, bob, by):
    async with join(bob, lobby) as tab, join(alice, lobby) as owner, join(alice, study) as elsewhere:
        await in_thread(lobby.delete)()

        for each in (tab, owner):
            assert await revoked(each) == ("room_deleted", CloseCode.NO_SUCH_ROOM)
        assert (await elsewhere.receive_event("revoked"))["room"] == "lobby"
        assert await lives(elsewhere)


async def test_an_archived_room_is_told_and_takes_nothing_more(join, lobby, alice, bob, by):
    async with join(bob, lobby) as tab:
        lobby.archived = True
        await in_thread(lobby.save)(update_fields=["archived"])

        assert (await tab.receive_event("room"))["room"]["archived"]
        reply = await tab.ask(**HELLO)
        assert reply["error"]["code"] == "archived"


async def test_a_room_that_becomes_private_keeps_its_members(join, lobby, alice, bob, by):
    async with join(bob, lobby) as tab:
        lobby.kind = "private"
        await in_thread(lobby.save)(update_fields=["kind"])

        assert (await tab.receive_event("room"))["room"]["kind"] == "private"
        assert await lives(tab)


async def test_what_is_taken_away_while_a_socket_opens_is_noticed(open_socket, lobby, alice, bob, monkeypatch):
    """Between reading who may come in and being in lies a moment."""
    from chat import access

    def leave_meanwhile(*args):
        has_looked.clear()
        rooms.leave_room(user=bob, room=lobby)
        assert not has_looked.wait(0.3)  # nobody looks as long as the first frame is not out
        return welcome(*args)

    def standing(*args):
        has_looked.set()
        return look(*args)

    has_looked, welcome, look = Event(), arrivals._welcomes, access.standing
    monkeypatch.setattr(access, "standing", standing)
    monkeypatch.setattr(arrivals, "_welcomes", leave_meanwhile)
    async with open_socket(bob, "/ws/rooms/lobby/") as tab:
        await tab.connect()

        assert (await tab.receive_json_from())["type"] == "welcome"
        assert await revoked(tab) == ("not_a_member", CloseCode.NOT_A_MEMBER)


async def test_what_changes_about_a_room_while_a_socket_opens_is_told_behind_the_welcome(
    open_socket, lobby, alice, monkeypatch
):
    may_read, welcomes = asyncio.Event(), arrivals.get_arrivals().welcomes
    ask = welcomes.ask

    async def ask_late(arrival):
        await may_read.wait()
        return await ask(arrival)

    monkeypatch.setattr(welcomes, "ask", ask_late)
    async with open_socket(alice, "/ws/rooms/lobby/") as tab:
        await tab.connect()
        await until(lambda: any(reader.places for reader in get_watch()._readers))
        [reader] = get_watch()._readers
        await in_thread(rooms.change_room)(actor=alice, room=lobby, name="Foyer")
        # It has been heard of: either it is put off, or told already.
        await until(lambda: get_watch()._rung["users"] or reader.places[lobby.pk].facts.name == "Foyer")
        may_read.set()

        assert (await tab.receive_json_from())["type"] == "welcome"
        assert (await tab.receive_event("room"))["room"]["name"] == "Foyer"


@pytest.fixture
def just_before_the_watch(monkeypatch):
    """Have something happen as a socket opens: its session and its account have been read, and it is not watched."""
    accept = InboxConsumer.accept

    def just_before_the_watch(act):
        async def accept_late(consumer):
            await in_thread(act)()
            await accept(consumer)

        monkeypatch.setattr(InboxConsumer, "accept", accept_late)

    return just_before_the_watch


@pytest.mark.parametrize("end", ["logs out", "is deactivated", "is deleted", "sets a password elsewhere"])
async def test_who_is_put_out_in_the_moment_before_their_socket_is_watched_does_not_come_in(
    log_in, join_from, lobby, alice, just_before_the_watch, end
):
    """Nobody has heard the bell for them; and the next look at everybody is half a minute away."""
    here, there = await log_in(alice), await log_in(alice)

    def act():
        if end == "logs out":
            here.post("/accounts/logout/")
        elif end == "is deactivated":
            alice.is_active = False
            alice.save()
        elif end == "is deleted":
            alice.delete()
        else:
            set_password(there)

    just_before_the_watch(act)
    async with join_from(here, lobby) as tab:
        await tab.connect()

        assert await tab.receive_output() == {
            "type": "websocket.close",
            "code": CloseCode.NOT_SIGNED_IN,
            "reason": REASONS[CloseCode.NOT_SIGNED_IN],
        }


async def test_a_browser_that_sets_a_password_in_that_moment_comes_in(
    log_in, join_from, lobby, alice, just_before_the_watch
):
    here = await log_in(alice)
    just_before_the_watch(lambda: set_password(here))
    async with join_from(here, lobby) as tab:
        await enter(tab)

        assert await lives(tab)


def set_password(client: Client) -> None:
    new = "another " + PASSWORD
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/accounts/password_change/", form).status_code == 302


async def test_who_is_put_out_hears_nothing_of_what_is_said_afterwards_however_slowly_they_read(
    join, lobby, alice, bob, monkeypatch
):
    takes, call = asyncio.Event(), RoomConsumer.__call__
    takes.set()

    async def call_slowly(consumer, scope, receive, send):
        async def send_slowly(message):
            await takes.wait()
            await send(message)

        await call(consumer, scope, receive, send_slowly if scope["user"].pk == bob.pk else send)

    monkeypatch.setattr(RoomConsumer, "__call__", call_slowly)
    async with join(bob, lobby) as tab, join(alice, lobby) as witness:
        takes.clear()
        await in_thread(rooms.remove_member)(actor=alice, room=lobby, user=bob)
        await until(lambda: any(not reader.places for reader in get_watch()._readers))
        await in_thread(post)(alice, lobby, "Among ourselves")
        await witness.receive_event("messages")
        takes.set()

        heard = [await tab.receive_output()]
        while heard[-1]["type"] == "websocket.send":
            heard.append(await tab.receive_output())
        *_, told, close = heard
        assert json.loads(told["text"]) == {"type": "revoked", "reason": "not_a_member", "room": "lobby"}
        assert (close["code"], close["reason"]) == (CloseCode.NOT_A_MEMBER, REASONS[CloseCode.NOT_A_MEMBER])
        assert not any("Among ourselves" in each.get("text", "") for each in heard)


@pytest.fixture
def hold_up_the_layer(monkeypatch):
    """Have whoever subscribes or unsubscribes next wait for the channel layer: until what is returned is set."""

    def hold_up_the_layer() -> asyncio.Event:
        line, is_there, held_up = get_hub()._line, asyncio.Event(), []
        settle = line.settle

        async def settle_late(*groups):
            if not held_up:
                held_up.append(groups)
                await is_there.wait()
            await settle(*groups)

        monkeypatch.setattr(line, "settle", settle_late)
        return is_there

    return hold_up_the_layer


async def test_a_room_that_is_lost_is_told_though_the_layer_takes_its_time(
    join, lobby, study, alice, bob, hold_up_the_layer
):
    async with join(alice, study) as tab:
        is_there = hold_up_the_layer()
        await in_thread(rooms.leave_room)(user=alice, room=lobby)

        assert (await tab.receive_event("revoked"))["room"] == "lobby"
        is_there.set()


async def test_what_is_found_about_somebody_is_told_in_its_order_though_the_layer_takes_its_time(
    open_socket, lobby, carol, hold_up_the_layer
):
    """A page that is told last of a room would list it for good."""
    async with open_socket(carol, "/ws/inbox/") as tab:
        await enter(tab)
        [reader] = get_watch()._readers
        is_there, room = hold_up_the_layer(), await Room.objects.aget()
        await in_thread(rooms.join_room)(user=carol, room=room)
        await until(lambda: reader.places)
        await in_thread(rooms.leave_room)(user=carol, room=room)
        await until(lambda: not reader.places)
        is_there.set()

        assert [(await tab.receive_json_from())["type"] for _ in range(2)] == ["room", "revoked"]
        await until(lambda: not get_watch()._telling)
        assert f"activity.{room.pk}" not in get_hub()._members


async def test_whoever_is_cancelled_as_their_socket_opens_takes_the_bell_from_nobody(
    join, open_socket, lobby, alice, bob, hold_up_the_layer
):
    async with join(bob, lobby) as tab:
        is_there = hold_up_the_layer()
        async with open_socket(alice, "/ws/rooms/lobby/") as other:
            await other.connect()
            await until(lambda: len(get_watch()._readers) == 2)
            other.future.cancel()
            await asyncio.wait([other.future], timeout=5)
        is_there.set()

        await in_thread(rooms.remove_member)(actor=alice, room=lobby, user=bob)
        assert await revoked(tab) == ("not_a_member", CloseCode.NOT_A_MEMBER)


async def test_frames_that_follow_a_revocation_are_not_answered(join, lobby, bob):
    async with join(bob, lobby) as tab:
        await in_thread(rooms.leave_room)(user=bob, room=lobby)
        await revoked(tab)
        await tab.send_json_to(HELLO)

        assert await tab.receive_nothing()


async def test_a_look_that_fails_is_repeated(join, lobby, bob, monkeypatch):
    from django.db import OperationalError

    from chat import access

    failures = [OperationalError("the connection is closed")]
    standing = access.standing

    def fail_once(*args):
        if failures:
            raise failures.pop()
        return standing(*args)

    monkeypatch.setattr(watch, "RETRY_S", 0)
    async with join(bob, lobby) as tab:
        monkeypatch.setattr(access, "standing", fail_once)
        await in_thread(rooms.leave_room)(user=bob, room=lobby)

        assert (await revoked(tab))[1] == CloseCode.NOT_A_MEMBER


def test_messages_and_log_ins_ring_nobody(lobby, alice, client_of, monkeypatch):
    rung = []
    monkeypatch.setattr(bell.events, "publish", lambda group, event: rung.append(event))
    post(alice, lobby)
    client_of().post("/accounts/login/", {"username": "alice", "password": PASSWORD})

    assert rung == []


@pytest.mark.django_db(transaction=True)
def test_a_transaction_rings_once_and_only_if_it_is_committed(lobby, alice, bob, monkeypatch):
    from django.db import transaction

    rung = []
    monkeypatch.setattr(bell.events, "publish", lambda group, event: rung.append(event))
    with transaction.atomic():
        Membership.objects.filter(room=lobby).delete()
        assert rung == []

    assert rung == [{"users": sorted([alice.pk, bob.pk]), "rooms": [], "sessions": []}]


def test_the_family_of_a_session_outlives_its_key(client_of, alice):
    client = client_of(alice)
    before = Session.objects.get()
    session = client.session
    session.cycle_key()
    session.save()

    after = Session.objects.get()
    assert before.session_key != after.session_key
    assert before.family == after.family
    assert after.get_decoded()[SESSION_KEY] == str(alice.pk)


def test_each_log_in_is_a_family_of_its_own(client_of, alice):
    client_of(alice)
    client_of(alice)

    assert Session.objects.values("family").distinct().count() == 2


async def test_whoever_is_refused_is_not_waited_for(open_socket, lobby, carol):
    """Until the socket is gone, which its client may put off."""
    async with open_socket(carol, "/ws/rooms/lobby/") as tab:
        await tab.connect()
        assert await tab.receive_close() == CloseCode.NOT_A_MEMBER

        get_watch().write(Burst(json.dumps({"rooms": [lobby.pk], "users": [carol.pk]})))  # the bell rings

        assert get_watch()._looking
        await until(lambda: not get_watch()._looking)

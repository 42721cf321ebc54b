"""Presence of several processes: leases in one Redis, and what happens when a process or Redis dies."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack

import pytest

from channels_core.frames import Burst
from chat import events, presence, presence_local
from chat import leases as leases_module
from chat.leases import LEASE_S, Leases
from chat.presence import REFRESH_S, get_presence
from chat.presence_local import TELL_EVERY_S
from tests.chat.tellings import (
    ALICE,
    BOB,
    MARKER,
    OTHER_ROOM,
    PREFIX,
    ROOM,
    TIMEOUT_S,
    at_rest,
    people_in,
    redis_presence,
)
from tests.servers import free_port, until

KEY = f"{PREFIX}:presence:{ROOM}"


@pytest.fixture
async def start_process(redis):
    """Make the presence of one more process, on the Redis server or on what is at another address."""
    async with AsyncExitStack() as processes:

        async def start_process(address=redis):
            return await processes.enter_async_context(redis_presence(address))

        yield start_process


@pytest.fixture
def silent_server():
    """The address of somebody who takes connections and never answers, as a machine that has stopped does."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


async def lose(group, event):
    """For ``broadcast``: the layer lost it."""


def leases(redis) -> dict[int, float]:
    """Seconds until each person's last lease expires."""
    found = redis.zrange(KEY, 0, -1, withscores=True)
    return {int(lease.split(b":")[0]): expires - time.time() for lease, expires in found}


def let_expire(redis, person) -> None:
    """Put the end of a person's leases into the past, as if their process had been dead for so long."""
    for lease in redis.zrange(KEY, 0, -1):
        if lease.startswith(b"%d:" % person["id"]):
            redis.zadd(KEY, {lease: time.time() - 1})


async def test_processes_know_of_each_others_people(start_process, tellings):
    one, two = await start_process(), await start_process()

    await one.track(ROOM, ALICE)
    assert await tellings.next() == (ROOM, ["Alice"], [], 1)

    assert await two.track(ROOM, BOB) == {ALICE["id"], BOB["id"]}
    assert await tellings.next() == (ROOM, ["Bob"], [], 2)
    assert await people_in(one) == await people_in(two) == {ALICE["id"], BOB["id"]}


async def test_a_person_with_tabs_in_two_processes_comes_once_and_leaves_once(start_process, tellings):
    one, two = await start_process(), await start_process()

    await one.track(ROOM, ALICE)
    await tellings.next()
    await two.track(ROOM, ALICE)
    one.untrack(ROOM, ALICE["id"])
    await tellings.nothing_but_a_marker(one, count=2)

    two.untrack(ROOM, ALICE["id"])
    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 1)


async def test_leaving_takes_the_lease_back(start_process, tellings, redis):
    process = await start_process()
    await process.track(ROOM, ALICE)
    await tellings.next()
    assert leases(redis) == {ALICE["id"]: pytest.approx(LEASE_S, abs=2)}

    process.untrack(ROOM, ALICE["id"])
    await tellings.next()

    assert leases(redis) == {}


async def test_leases_are_renewed_for_all_who_are_here(start_process, tellings, redis):
    process = await start_process()
    for person in (ALICE, BOB):
        await process.track(ROOM, person)
        let_expire(redis, person)

    await process.refresh()

    assert leases(redis) == {person["id"]: pytest.approx(LEASE_S, abs=2) for person in (ALICE, BOB)}


async def test_a_room_that_nobody_renews_goes_from_redis_by_itself(start_process, tellings, redis):
    process = await start_process()

    await process.track(ROOM, ALICE)
    assert 0 < redis.ttl(KEY) <= 2 * LEASE_S

    redis.persist(KEY)
    await process.refresh()
    assert 0 < redis.ttl(KEY) <= 2 * LEASE_S


async def test_people_of_a_process_that_died_are_told_to_have_left_in_every_other(start_process, tellings, redis):
    dead, *survivors = [await start_process() for _ in range(3)]
    await dead.track(ROOM, ALICE)
    for survivor in survivors:
        await survivor.track(ROOM, BOB)
    for survivor in survivors:
        await survivor.tellings.until_joined(ALICE, BOB)

    let_expire(redis, ALICE)
    assert await people_in(survivors[0]) == {BOB["id"]}
    for survivor in survivors:
        await survivor.refresh()

    for survivor in survivors:
        assert await survivor.tellings.next() == (ROOM, [], [ALICE["id"]], 1)
        await survivor.refresh()
        await at_rest(survivor)
        assert survivor.tellings.empty()
    assert set(leases(redis)) == {BOB["id"]}


def test_a_process_that_dies_takes_its_people_offline_within_half_a_minute():
    assert LEASE_S + REFRESH_S + TELL_EVERY_S < 30


async def test_nothing_is_told_twice_where_nothing_was_lost(start_process, tellings):
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await two.track(ROOM, BOB)
    for process in (one, two):
        await process.tellings.until_joined(BOB)

    for process in (one, two):
        await process.refresh()
        await at_rest(process)
        assert process.tellings.empty()


async def test_a_telling_that_was_lost_is_made_up_for_in_the_process_that_lost_it(start_process, tellings, monkeypatch):
    one, two = await start_process(), await start_process()
    await two.track(ROOM, BOB)
    await two.tellings.until_joined(BOB)

    with monkeypatch.context() as patch:
        patch.setattr(presence_local, "broadcast", lose)
        await one.track(ROOM, ALICE)
        await at_rest(one)
    await two.refresh()
    assert await two.tellings.next() == (ROOM, ["Alice"], [], 2)
    await one.refresh()  # whose own page has not heard it either: its welcome had Alice
    await two.refresh()

    with monkeypatch.context() as patch:
        patch.setattr(presence_local, "broadcast", lose)
        one.untrack(ROOM, ALICE["id"])
        await at_rest(one)
    await two.refresh()
    assert await two.tellings.next() == (ROOM, [], [ALICE["id"]], 1)


async def test_pages_that_came_at_different_times_are_told_the_same(start_process, tellings, monkeypatch):
    """A second page is welcomed with somebody of whom the first was never told; then they go, and that is lost too."""
    process = await start_process()

    await process.track(ROOM, BOB)
    await process.tellings.until_joined(BOB)
    monkeypatch.setattr(presence_local, "broadcast", lose)
    await process.track(ROOM, ALICE)
    assert ALICE["id"] in await process.track(ROOM, BOB)
    await at_rest(process)
    process.untrack(ROOM, ALICE["id"])
    await at_rest(process)

    await process.refresh()

    assert await process.tellings.next() == (ROOM, [], [ALICE["id"]], 1)


async def test_a_page_whose_welcome_lacked_somebody_is_told(start_process, tellings, redis):
    """The others know her; but when the room was opened here, Redis had just been emptied."""
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await one.tellings.until_joined(ALICE)
    redis.flushall()
    assert ALICE["id"] not in await two.track(ROOM, BOB)
    await two.tellings.until_joined(BOB)

    await one.refresh()
    await two.refresh()

    assert await two.tellings.next() == (ROOM, ["Alice"], [], 2)


async def test_who_has_gone_is_found_where_somebody_is_just_coming(start_process, tellings, redis):
    """That the one who comes is not leased yet does not look like a Redis that was emptied."""
    dead, survivor = await start_process(), await start_process()
    await dead.track(ROOM, ALICE)
    await survivor.track(ROOM, BOB)
    await survivor.tellings.until_joined(ALICE, BOB)
    let_expire(redis, ALICE)

    await survivor.track(ROOM, MARKER)
    await survivor.refresh()

    assert MARKER["id"] not in {*survivor._changes.get(ROOM, ()), *survivor._views[ROOM].people}  # it was in time
    await survivor.tellings.until_left(ALICE)


async def test_a_room_is_read_when_it_is_listened_to_and_not_before(start_process, tellings, monkeypatch):
    """Else who comes between the two would be missed; that other rooms are read meanwhile is no reason."""
    one, two = await start_process(), await start_process()
    await two.track(OTHER_ROOM, BOB)
    hub, may_listen = two._hub(), asyncio.Event()
    subscribe = hub.subscribe

    async def subscribe_later(group, listener):
        await may_listen.wait()
        await subscribe(group, listener)

    monkeypatch.setattr(hub, "subscribe", subscribe_later)
    joining = asyncio.create_task(two.track(ROOM, BOB))
    await two.track(OTHER_ROOM, MARKER)
    await two.tellings.until_joined(MARKER)
    await one.track(ROOM, ALICE)
    await one.tellings.until_joined(ALICE)
    assert not joining.done()
    may_listen.set()

    assert await joining == {ALICE["id"], BOB["id"]}


async def test_what_is_told_while_the_leases_are_read_is_not_told_again(start_process, tellings, monkeypatch):
    one, two = await start_process(), await start_process()
    await two.track(ROOM, BOB)
    await two.tellings.until_joined(BOB)
    monkeypatch.setattr(presence_local, "broadcast", lose)
    await one.track(ROOM, ALICE)
    await at_rest(one)
    renew = two._renew

    async def renew_slowly():
        renewed = await renew()
        told = json.dumps(events.presence([ALICE], [], 2), separators=(",", ":"))
        two._views[ROOM].write(Burst(told))
        return renewed

    monkeypatch.setattr(two, "_renew", renew_slowly)
    await two.refresh()
    await at_rest(two)

    assert two.tellings.empty()


@pytest.fixture
def count_trips(monkeypatch):
    """Have the round trips of a process to Redis counted, from then on."""

    def count_trips(process) -> list:
        trips, ask = [], process._leases._ask

        async def counted(*args):
            trips.append(args)
            return await ask(*args)

        monkeypatch.setattr(process._leases, "_ask", counted)
        return trips

    return count_trips


async def test_all_rooms_are_renewed_in_one_round_trip(start_process, tellings, count_trips):
    process = await start_process()
    for room in range(ROOM, ROOM + 20):
        await process.track(room, ALICE)
    await at_rest(process)

    trips = count_trips(process)
    await process.refresh()

    assert len(trips) == 1


async def test_rooms_that_are_opened_together_are_asked_about_together(start_process, tellings, count_trips):
    one, two = await start_process(), await start_process()
    rooms = range(ROOM, ROOM + 20)
    for room in rooms:
        await one.track(room, ALICE)
    await at_rest(one)

    trips = count_trips(two)
    present = await asyncio.gather(*(two.track(room, person) for room in rooms for person in (BOB, MARKER)))

    assert all(ALICE["id"] in ids for ids in present)
    assert len(trips) <= 2  # one may have been on its way before the others came


async def test_who_joins_an_open_room_asks_nobody_and_is_leased_with_others(
    start_process, tellings, count_trips, redis
):
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await two.track(ROOM, BOB)
    await one.tellings.until_joined(BOB)
    await at_rest(one)

    trips = count_trips(one)
    people = [{"id": number, "name": str(number), "colour": 0} for number in range(1000, 1050)]
    for person in people:
        assert {ALICE["id"], BOB["id"], person["id"]} <= await one.track(ROOM, person)
    assert trips == []
    await at_rest(one)

    assert len(trips) == 1
    assert set(leases(redis)) == {person["id"] for person in (ALICE, BOB, *people)}
    await two.tellings.until_joined(*people)
    for person in people:
        one.untrack(ROOM, person["id"])
    await at_rest(one)
    assert len(trips) == 2
    assert set(leases(redis)) == {ALICE["id"], BOB["id"]}


async def test_who_moves_to_another_process_as_the_first_one_tells_that_they_left_is_told_to_be_there(
    start_process, tellings, monkeypatch
):
    """As it was going to be told when they came there, nothing seemed to be new."""
    one, two = await start_process(), await start_process()
    for process in (one, two):
        await process.track(ROOM, BOB)
    await one.track(ROOM, ALICE)
    await two.tellings.until_joined(ALICE)
    holds_back, tell = asyncio.Event(), one._tell

    async def tell_later(*telling):
        await holds_back.wait()
        await tell(*telling)

    monkeypatch.setattr(one, "_tell", tell_later)
    one.untrack(ROOM, ALICE["id"])
    async with asyncio.timeout(TIMEOUT_S):
        while ALICE["id"] in await people_in(two):
            await asyncio.sleep(0)
    await two.track(ROOM, ALICE)
    await at_rest(two)
    assert two.tellings.empty()
    holds_back.set()

    assert await two.tellings.next() == (ROOM, [], [ALICE["id"]], 1)
    assert await two.tellings.next() == (ROOM, ["Alice"], [], 2)
    await one.tellings.until_left(ALICE)
    await one.tellings.until_joined(ALICE)


async def test_who_leaves_two_processes_at_once_is_told_to_have_left(start_process, tellings):
    one, two = await start_process(), await start_process()
    for process in (one, two):
        await process.track(ROOM, ALICE)
        await process.track(ROOM, BOB)
    await asyncio.gather(at_rest(one), at_rest(two))

    for process in (one, two):
        process.untrack(ROOM, ALICE["id"])

    for process in (one, two):
        await process.tellings.until_left(ALICE)


async def test_who_is_still_elsewhere_leaves_nothing_in_the_process_that_they_left(start_process, tellings):
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await one.tellings.until_joined(ALICE)
    await two.track(ROOM, ALICE)

    one.untrack(ROOM, ALICE["id"])
    await until(lambda: not one._views)

    assert (one._tabs, one._moving, one._changes, one._told, one._due) == ({}, {}, {}, {}, set())
    assert await people_in(one) == {ALICE["id"]}


async def test_more_rooms_than_fit_are_renewed_in_some(start_process, tellings, monkeypatch, redis):
    monkeypatch.setattr(leases_module, "BULK", 2)
    process = await start_process()
    rooms = range(ROOM, ROOM + 5)
    for room in rooms:
        await process.track(room, ALICE)
    redis.flushall()

    await process.refresh()

    assert len(redis.keys(f"{PREFIX}:presence:*")) == len(rooms)


async def test_a_person_of_a_dead_process_who_has_come_back_elsewhere_has_not_left(start_process, tellings, redis):
    dead, survivor = await start_process(), await start_process()
    await dead.track(ROOM, ALICE)
    await tellings.next()

    let_expire(redis, ALICE)
    await survivor.track(ROOM, ALICE)
    await survivor.refresh()

    assert await people_in(survivor) == {ALICE["id"]}
    assert (await tellings.next())[2] == []
    await tellings.nothing_but_a_marker(survivor, count=2)


async def test_a_process_that_stood_still_for_long_comes_right_in_itself_and_in_others(start_process, tellings, redis):
    slow, other = await start_process(), await start_process()
    await slow.track(ROOM, ALICE)
    await other.track(ROOM, BOB)
    await slow.tellings.until_joined(ALICE, BOB)
    await other.tellings.until_joined(BOB)
    let_expire(redis, ALICE)
    await other.refresh()
    assert await other.tellings.next() == (ROOM, [], [ALICE["id"]], 1)
    let_expire(redis, BOB)  # and now it is the other that stands still
    redis.zremrangebyscore(KEY, 0, time.time())

    await slow.refresh()
    await at_rest(slow)
    assert await people_in(slow) == {ALICE["id"]}
    await slow.refresh()
    await slow.tellings.until_left(BOB)
    await other.refresh()
    assert await other.tellings.next() == (ROOM, ["Alice"], [], 2)
    await slow.refresh()
    assert await slow.tellings.next() == (ROOM, ["Bob"], [], 2)


async def test_a_redis_that_was_emptied_is_filled_again_and_nobody_is_told_to_have_left(start_process, tellings, redis):
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await two.track(ROOM, BOB)
    await one.tellings.until_joined(BOB)
    await two.tellings.until_joined(BOB)

    redis.flushall()
    for process in (one, two, one, two):
        await process.refresh()
        await at_rest(process)

    assert await people_in(one) == await people_in(two) == {ALICE["id"], BOB["id"]}
    assert one.tellings.empty()
    assert two.tellings.empty()


async def test_without_redis_a_process_knows_its_own_people(start_process, tellings, caplog):
    process = await start_process(f"redis://127.0.0.1:{free_port()}/0")

    assert await process.track(ROOM, ALICE) == {ALICE["id"]}
    assert process.is_local
    assert await process.tellings.next() == (ROOM, ["Alice"], [], 1)
    assert await process.track(ROOM, BOB) == {ALICE["id"], BOB["id"]}
    assert await process.tellings.next_event() == {
        "type": "presence",
        "joined": [BOB],
        "left": [],
        "count": 2,
        "local": True,
    }
    await process.refresh()
    process.untrack(ROOM, ALICE["id"])
    assert await process.tellings.next() == (ROOM, [], [ALICE["id"]], 1)

    assert await people_in(process) == {BOB["id"]}
    assert {record.levelname for record in caplog.records if record.name.startswith("chat")} == {"WARNING"}


async def test_while_redis_is_away_pages_are_told_so_once_and_afterwards_who_is_there(
    outage, start_process, tellings, own_redis, monkeypatch
):
    take_away, bring_back = outage
    monkeypatch.setattr(presence, "RETRY_S", 0.2)
    one, two = await start_process(own_redis.url), await start_process(own_redis.url)
    await one.track(ROOM, ALICE)
    await two.track(ROOM, BOB)
    for process in (one, two):
        await process.tellings.until_joined(BOB)

    await take_away()
    for process in (one, two):
        await process.refresh()
    told = {"type": "presence", "joined": [], "count": 1, "local": True}
    assert await one.tellings.next_event() == told | {"left": [BOB["id"]]}
    assert await two.tellings.next_event() == told | {"left": [ALICE["id"]]}
    assert one.is_local
    assert await people_in(one) == {ALICE["id"]}
    await one.refresh()
    assert await one.track(OTHER_ROOM, ALICE) == {ALICE["id"]}
    assert await one.tellings.next() == (OTHER_ROOM, ["Alice"], [], 1)

    await bring_back()
    told = {"type": "presence", "left": [], "count": 2, "local": False}
    both = [await one.tellings.next_event() for _ in range(2)]  # one for each room
    assert told | {"joined": [BOB]} in both
    assert told | {"joined": [], "count": 1} in both
    assert await two.tellings.next_event() == told | {"joined": [ALICE]}
    assert not one.is_local
    assert await people_in(one) == await people_in(two) == {ALICE["id"], BOB["id"]}


async def test_who_left_while_redis_stood_still_is_not_there_when_it_goes_on(
    start_process, tellings, own_redis, monkeypatch
):
    monkeypatch.setattr(presence, "RETRY_S", 0.2)
    one, two = await start_process(own_redis.url), await start_process(own_redis.url)
    await one.track(ROOM, ALICE)
    await one.track(ROOM, MARKER)
    await two.track(ROOM, BOB)
    await one.tellings.until_joined(BOB)

    own_redis.pause()
    await asyncio.gather(one.refresh(), two.refresh())
    one.untrack(ROOM, ALICE["id"])
    await one.tellings.until_left(ALICE)
    own_redis.go_on()
    await one.tellings.until_joined(BOB)
    await two.tellings.until_joined(MARKER)

    await two.refresh()
    assert await people_in(two) == {BOB["id"], MARKER["id"]}


async def test_nobody_waits_for_a_redis_that_is_known_not_to_answer(
    start_process, tellings, silent_server, monkeypatch
):
    monkeypatch.setattr(leases_module, "REDIS_TIMEOUT_S", 0.3)
    process, loop = await start_process(silent_server), asyncio.get_running_loop()

    begun = loop.time()
    assert await process.track(ROOM, ALICE) == {ALICE["id"]}
    assert 0.2 < loop.time() - begun < TIMEOUT_S

    monkeypatch.setattr(leases_module, "REDIS_TIMEOUT_S", 60)
    async with asyncio.timeout(TIMEOUT_S):
        for person in (BOB, MARKER):
            await process.track(ROOM, person)
        process.untrack(ROOM, ALICE["id"])
        await process.tellings.until_left(ALICE)


async def test_a_process_without_people_does_not_look_for_redis(start_process, tellings, monkeypatch):
    monkeypatch.setattr(presence, "RETRY_S", 0.01)
    process = await start_process(f"redis://127.0.0.1:{free_port()}/0")
    await process.track(ROOM, ALICE)
    process.untrack(ROOM, ALICE["id"])

    await until(lambda: not (process._tasks or process._tabs))
    assert process._views == {}


@pytest.fixture
async def shared(settings, monkeypatch):
    """Give the application's process a Redis at that address, until everybody has left."""
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0)

    def shared(url: str) -> None:
        settings.REDIS_URL = url

    yield shared
    await until(lambda: not get_presence()._views)
    await get_presence()._leases._redis.aclose()


async def test_a_room_can_be_joined_while_redis_is_away(join, lobby, alice, bob, shared):
    shared(f"redis://127.0.0.1:{free_port()}/0")

    async with join(alice, lobby), join(bob, lobby) as tab:
        assert [person["name"] for person in tab.welcome["present"]] == ["Alice", "Bob"]
        assert tab.welcome["local"]
        assert (await tab.ask("history.get"))["ok"]


async def test_an_open_page_is_told_who_came_and_went_elsewhere_unheard(
    join, lobby, alice, bob, settings, shared, redis
):
    url = "redis://127.0.0.1:{port}/{db}".format(**redis.get_connection_kwargs())
    shared(url)
    elsewhere = Leases(url, settings.REDIS_PREFIX, lambda: None)
    async with join(alice, lobby) as tab:
        await tab.receive_event("presence")  # of alice herself

        await elsewhere.exchange({lobby.pk: {bob.pk: True}}, [])
        await get_presence().refresh()
        told = await tab.receive_event("presence")
        assert ([person["name"] for person in told["joined"]], told["left"], told["count"]) == (["Bob"], [], 2)

        await elsewhere.exchange({lobby.pk: {bob.pk: None}}, [])
        await get_presence().refresh()
        told = await tab.receive_event("presence")
        assert (told["joined"], told["left"], told["count"]) == ([], [bob.pk], 1)
    await elsewhere._redis.aclose()

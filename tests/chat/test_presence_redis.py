"""Presence of several processes: leases in one Redis, and what happens when a process or Redis dies."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack

import pytest

from chat import presence
from chat.presence import LEASE_S
from tests.chat.tellings import ALICE, BOB, MARKER, PREFIX, ROOM, TIMEOUT_S, redis_presence
from tests.servers import free_port

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
    assert await one.list(ROOM) == await two.list(ROOM) == {ALICE["id"], BOB["id"]}


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


async def test_people_of_a_process_that_died_are_told_to_have_left_by_one_survivor(start_process, tellings, redis):
    dead, *survivors = [await start_process() for _ in range(4)]
    await dead.track(ROOM, ALICE)
    for survivor in survivors:
        await survivor.track(ROOM, BOB)
    await tellings.until_joined(ALICE, BOB)

    let_expire(redis, ALICE)
    assert await survivors[0].list(ROOM) == {BOB["id"]}
    await asyncio.gather(*[survivor.refresh() for survivor in survivors])

    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 1)
    for survivor in survivors:
        await survivor.refresh()
    await tellings.nothing_but_a_marker(survivors[0], count=2)
    assert set(leases(redis)) == {BOB["id"], MARKER["id"]}


async def test_a_person_of_a_dead_process_who_has_come_back_elsewhere_has_not_left(start_process, tellings, redis):
    dead, survivor = await start_process(), await start_process()
    await dead.track(ROOM, ALICE)
    await tellings.next()

    let_expire(redis, ALICE)
    await survivor.track(ROOM, ALICE)
    await survivor.refresh()

    assert await survivor.list(ROOM) == {ALICE["id"]}
    assert (await tellings.next())[2] == []
    await tellings.nothing_but_a_marker(survivor, count=2)


async def test_people_of_a_process_that_was_only_taken_for_dead_are_there_again(start_process, tellings, redis):
    """A process that stood still for too long renews its leases when it goes on."""
    slow, other = await start_process(), await start_process()
    await slow.track(ROOM, ALICE)
    await other.track(ROOM, BOB)
    await tellings.until_joined(ALICE, BOB)
    let_expire(redis, ALICE)
    await other.refresh()
    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 1)

    await slow.refresh()

    assert await other.list(ROOM) == {ALICE["id"], BOB["id"]}


async def test_without_redis_a_process_knows_its_own_people(start_process, tellings, caplog):
    process = await start_process(f"redis://127.0.0.1:{free_port()}/0")

    assert await process.track(ROOM, ALICE) == {ALICE["id"]}
    assert await tellings.next() == (ROOM, ["Alice"], [], 1)
    assert await process.track(ROOM, BOB) == {ALICE["id"], BOB["id"]}
    assert await tellings.next() == (ROOM, ["Bob"], [], 2)
    await process.refresh()
    process.untrack(ROOM, ALICE["id"])
    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 1)

    assert await process.list(ROOM) == {BOB["id"]}
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_after_redis_was_away_processes_find_each_other_again(start_process, tellings, redis_server, redis):
    one, two = await start_process(), await start_process()
    await one.track(ROOM, ALICE)
    await two.track(ROOM, BOB)
    await tellings.until_joined(ALICE, BOB)

    redis_server.stop()
    try:
        assert await one.list(ROOM) == {ALICE["id"]}
        await one.refresh()
    finally:
        redis_server.start()
    await one.refresh()
    await two.refresh()

    assert await one.list(ROOM) == await two.list(ROOM) == {ALICE["id"], BOB["id"]}


async def test_nobody_waits_long_for_a_redis_that_does_not_answer(start_process, tellings, silent_server, monkeypatch):
    monkeypatch.setattr(presence, "REDIS_TIMEOUT_S", 0.05)
    process = await start_process(silent_server)

    async with asyncio.timeout(TIMEOUT_S):
        assert await process.track(ROOM, ALICE) == {ALICE["id"]}
        assert await tellings.next() == (ROOM, ["Alice"], [], 1)
        await process.refresh()


async def test_a_room_can_be_joined_while_redis_is_away(join, lobby, alice, bob, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    async with join(alice, lobby), join(bob, lobby) as tab:
        assert [person["name"] for person in tab.welcome["present"]] == ["Alice", "Bob"]
        assert (await tab.ask("history.get"))["ok"]

"""Who is here: counted per person, told to the room at most so often. The same for one process and for many."""

import asyncio

import pytest

from chat import presence_local
from chat.presence import RedisPresence, get_presence
from chat.presence_local import Presence
from tests.chat.tellings import ALICE, BOB, OTHER_ROOM, ROOM, TIMEOUT_S, people_in, redis_presence
from tests.servers import until


@pytest.fixture(params=["memory", "redis"])
async def process(request, tellings):
    """The presence of a process, with either store."""
    if request.param == "memory":
        yield Presence()
    else:
        async with redis_presence(request.getfixturevalue("redis")) as process:
            yield process


async def test_who_comes_is_told_and_listed(process, tellings):
    assert await process.track(ROOM, ALICE) == {ALICE["id"]}
    assert await tellings.next() == (ROOM, ["Alice"], [], 1)

    assert await process.track(ROOM, BOB) == {ALICE["id"], BOB["id"]}
    assert await tellings.next() == (ROOM, ["Bob"], [], 2)
    assert await people_in(process) == {ALICE["id"], BOB["id"]}
    assert await people_in(process, OTHER_ROOM) == set()


async def test_who_joins_is_told_as_a_person(process, tellings):
    await process.track(ROOM, ALICE)

    assert await asyncio.wait_for(tellings.get(), TIMEOUT_S) == (
        ROOM,
        {"type": "presence", "joined": [ALICE], "left": [], "count": 1, "local": False},
    )


async def test_people_are_counted_and_not_tabs(process, tellings):
    for _ in range(3):
        await process.track(ROOM, ALICE)
    assert await tellings.next() == (ROOM, ["Alice"], [], 1)

    for _ in range(2):
        process.untrack(ROOM, ALICE["id"])
    await tellings.nothing_but_a_marker(process, count=2)
    assert ALICE["id"] in await people_in(process)


async def test_who_closes_the_last_tab_is_told_to_have_left_once(process, tellings):
    await process.track(ROOM, BOB)
    for _ in range(2):
        await process.track(ROOM, ALICE)
    await tellings.until_joined(ALICE, BOB)

    for _ in range(2):
        process.untrack(ROOM, ALICE["id"])

    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 1)
    await tellings.nothing_but_a_marker(process, count=2)
    assert ALICE["id"] not in await people_in(process)


async def test_a_room_that_is_empty_is_forgotten(process, tellings):
    await process.track(ROOM, ALICE)
    await tellings.next()

    process.untrack(ROOM, ALICE["id"])

    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 0)
    assert await people_in(process) == set()
    assert (process._tabs, process._changes, process._told, process._due) == ({}, {}, {}, set())
    assert getattr(process, "_views", {}) == {}


async def test_a_page_that_reloads_has_not_left(process, tellings, monkeypatch):
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0.2)
    await process.track(ROOM, ALICE)
    await tellings.next()

    for _ in range(3):
        process.untrack(ROOM, ALICE["id"])
        assert ALICE["id"] in await people_in(process)
        await process.track(ROOM, ALICE)

    # Somebody who leaves after that, and for good, is the only one who is told to have.
    await process.track(ROOM, BOB)
    process.untrack(ROOM, BOB["id"])
    assert await tellings.next() == (ROOM, ["Bob"], [], 2)
    assert await tellings.next() == (ROOM, [], [BOB["id"]], 1)


async def test_a_page_has_a_moment_to_reload(process, tellings, monkeypatch):
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0.2)
    loop = asyncio.get_running_loop()
    await process.track(ROOM, ALICE)
    await tellings.next()

    left_at = loop.time()
    process.untrack(ROOM, ALICE["id"])

    assert await tellings.next() == (ROOM, [], [ALICE["id"]], 0)
    # The clock of timers may be some milliseconds early.
    assert loop.time() - left_at > 0.19


async def test_a_room_hears_of_changes_at_most_so_often_and_then_of_all(process, tellings, monkeypatch):
    monkeypatch.setattr(presence_local, "TELL_EVERY_S", 1)
    loop = asyncio.get_running_loop()
    began = loop.time()

    await process.track(ROOM, ALICE)
    assert await tellings.next() == (ROOM, ["Alice"], [], 1)
    assert loop.time() - began < 0.9

    await process.track(ROOM, BOB)
    await process.track(ROOM, ALICE | {"id": 3, "name": "Carol"})
    await process.track(OTHER_ROOM, BOB)
    assert await tellings.next() == (OTHER_ROOM, ["Bob"], [], 1)
    process.untrack(ROOM, ALICE["id"])
    assert await tellings.next() == (ROOM, ["Bob", "Carol"], [ALICE["id"]], 2)
    assert loop.time() - began > 0.95


async def test_a_room_that_cannot_be_told_is_told_of_what_comes_next(process, tellings, monkeypatch, caplog):
    broadcast = presence_local.broadcast

    async def fail(group, event):
        monkeypatch.setattr(presence_local, "broadcast", broadcast)
        raise ConnectionError("The layer is away.")

    monkeypatch.setattr(presence_local, "broadcast", fail)
    await process.track(ROOM, ALICE)
    await until(lambda: "The layer is away." in caplog.text)

    await process.track(ROOM, BOB)
    assert await tellings.next() == (ROOM, ["Bob"], [], 2)


async def test_there_is_one_presence_for_a_process_and_redis_decides_which():
    assert type(get_presence()) is Presence
    assert get_presence() is get_presence()


async def test_with_redis_people_of_all_processes_are_counted(settings, redis_server):
    settings.REDIS_URL = redis_server.url

    assert type(get_presence()) is RedisPresence
    assert get_presence() is get_presence()

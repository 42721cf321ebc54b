"""What comes for an application is received once, in order, whoever stops waiting."""

import asyncio

import pytest

from channels_core.servers.inbox import Inbox


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
async def receive(inbox):
    """Let somebody wait for a message."""
    tasks = []

    async def receive():
        tasks.append(asyncio.create_task(inbox.get()))
        await asyncio.sleep(0)  # it waits
        return tasks[-1]

    yield receive
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_messages_come_in_order(inbox):
    for message in "abc":
        inbox.put_nowait(message)

    assert not inbox.empty()
    assert [await inbox.get(), inbox.get_nowait(), await inbox.get()] == ["a", "b", "c"]
    assert inbox.empty()
    with pytest.raises(asyncio.QueueEmpty):
        inbox.get_nowait()


async def test_who_waits_gets_what_comes(inbox, receive):
    waiting = await receive()

    inbox.put_nowait("a")

    assert await waiting == "a"


async def test_several_who_wait_get_one_each(inbox, receive):
    waiting = [await receive() for _ in range(3)]

    for message in "abc":
        inbox.put_nowait(message)

    assert await asyncio.gather(*waiting) == ["a", "b", "c"]


async def test_who_stops_waiting_takes_nothing_along(inbox, receive):
    leaves, stays = await receive(), await receive()

    leaves.cancel()
    await asyncio.sleep(0)
    inbox.put_nowait("a")

    assert await stays == "a"
    assert leaves.cancelled()


@pytest.mark.parametrize("is_first", [False, True])
async def test_who_stops_in_the_moment_of_the_message_leaves_it_to_another(inbox, receive, is_first):
    leaves = await receive()
    stays = await receive()
    if is_first:
        leaves.cancel()
    inbox.put_nowait("a")
    leaves.cancel()

    assert await asyncio.wait_for(stays, 10) == "a"
    assert leaves.cancelled()
    assert inbox.empty()


async def test_a_message_that_nobody_took_is_there_for_the_next(inbox, receive):
    leaves = await receive()
    inbox.put_nowait("a")
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)

    assert await inbox.get() == "a"


async def test_who_comes_in_between_may_be_faster_and_nobody_gets_it_twice(inbox, receive):
    waiting = await receive()
    inbox.put_nowait("a")

    assert inbox.get_nowait() == "a"
    await asyncio.sleep(0)
    assert not waiting.done()
    inbox.put_nowait("b")
    assert await waiting == "b"

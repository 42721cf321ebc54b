"""What existing code looks at in the in-memory layer, and what it does better than it has to."""

import asyncio
import sys
import threading
import time
from types import SimpleNamespace

import pytest

from channels_core.exceptions import ChannelFull
from channels_core.layers import InMemoryChannelLayer
from channels_core.meters import drops

HELLO = {"type": "greeting"}


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(expiry=60)


@pytest.fixture
def forgetful() -> InMemoryChannelLayer:
    """A layer whose messages are old after 50 ms, by the clock that ``grow_old`` turns."""
    return InMemoryChannelLayer(expiry=0.05)


@pytest.fixture
def grow_old(monkeypatch):
    """Turn the layer's clock on, by 60 ms."""
    clock = SimpleNamespace(time=time.time)
    monkeypatch.setattr("channels_core.layers.memory.time", clock)

    def grow_old() -> None:
        now = clock.time() + 0.06
        clock.time = lambda: now

    return grow_old


async def start(coroutine) -> asyncio.Task:
    """Start a task and let it run until it waits."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


async def test_a_channel_is_there_while_messages_wait_in_it(layer):
    await layer.send("jobs", HELLO)
    await layer.send("jobs", HELLO)
    assert list(layer.channels) == ["jobs"]

    await layer.receive("jobs")
    assert list(layer.channels) == ["jobs"]

    await layer.receive("jobs")
    assert layer.channels == {}


async def test_a_channel_is_there_while_somebody_waits_for_it(layer):
    """Existing tests take a consumer's channel name from here."""
    waiting = await start(layer.receive("jobs"))
    assert list(layer.channels) == ["jobs"]

    waiting.cancel()
    await asyncio.wait([waiting])

    assert layer.channels == {}


async def test_a_timeout_leaves_no_channel_behind(layer):
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await layer.receive("jobs")

    assert layer.channels == {}


async def test_deleting_a_channel_keeps_what_was_handed_to_its_receiver(layer):
    waiting = await start(layer.receive("jobs"))

    await layer.send("jobs", HELLO)
    layer.channels.pop("jobs", None)

    async with asyncio.timeout(5):
        assert await waiting == HELLO


async def test_two_receivers_of_a_channel_get_one_message_each(layer):
    waiting = [await start(layer.receive("jobs")) for _ in range(2)]

    await layer.send("jobs", {"type": "first"})
    await layer.send("jobs", {"type": "second"})

    async with asyncio.timeout(5):
        types = {message["type"] for message in await asyncio.gather(*waiting)}
    assert types == {"first", "second"}


async def test_a_receiver_survives_a_flush(layer):
    waiting = await start(layer.receive("jobs"))

    await layer.flush()
    await layer.send("jobs", HELLO)

    async with asyncio.timeout(5):
        assert await waiting == HELLO


async def test_groups_hold_their_members_and_go_with_the_last(layer):
    await layer.group_add("room.1", "one")
    await layer.group_add("room.1", "two")
    assert list(layer.groups["room.1"]) == ["one", "two"]

    await layer.group_discard("room.1", "one")
    await layer.group_discard("room.1", "two")

    assert layer.groups == {}


async def test_sending_does_not_look_for_old_messages_elsewhere(forgetful, grow_old):
    await forgetful.send("old", HELLO)
    grow_old()

    await forgetful.send("new", HELLO)

    assert set(forgetful.channels) == {"old", "new"}


async def test_receiving_anywhere_drops_old_messages_and_their_channels_memberships(forgetful, grow_old):
    await forgetful.group_add("room.1", "old")
    await forgetful.send("old", HELLO)
    grow_old()
    await forgetful.send("new", HELLO)

    await forgetful.receive("new")

    assert forgetful.channels == {}
    assert forgetful.groups == {}


async def test_a_group_message_drops_old_messages_and_their_channels_memberships(forgetful, grow_old):
    await forgetful.group_add("room.1", "old")
    await forgetful.send("old", HELLO)
    grow_old()

    await forgetful.group_send("room.1", HELLO)

    assert forgetful.channels == {}
    assert forgetful.groups == {}


async def test_channel_full_names_the_channel():
    layer = InMemoryChannelLayer(capacity=1)
    await layer.send("jobs", HELLO)

    with pytest.raises(ChannelFull, match="jobs"):
        await layer.send("jobs", HELLO)


async def test_a_new_channel_begins_with_the_prefix_that_was_asked_for(layer):
    assert (await layer.new_channel()).startswith("specific.")
    assert (await layer.new_channel("worker")).startswith("worker.")


@pytest.mark.parametrize("message", ["text", None, ["type"], {"type": "x", "__asgi_channel__": "y"}], ids=repr)
async def test_only_a_plain_dict_is_a_message(layer, message):
    with pytest.raises(AssertionError):
        await layer.send("jobs", message)


@pytest.mark.parametrize("message", ["text", None, ["type"]], ids=repr)
async def test_only_a_dict_is_a_group_message(layer, message):
    with pytest.raises(AssertionError):
        await layer.group_send("room.1", message)


async def test_receiving_from_a_malformed_name_is_refused(layer):
    with pytest.raises(TypeError):
        await layer.receive("not a name")


async def test_closing_is_awaitable_and_harmless(layer):
    await layer.close()


async def test_a_group_message_that_meets_a_full_channel_is_counted_and_logged(caplog):
    layer = InMemoryChannelLayer(capacity=1)
    await layer.group_add("readers", "jobs")
    counted = drops["channel_full"]

    await layer.group_send("readers", HELLO)
    await layer.group_send("readers", HELLO)

    assert drops["channel_full"] == counted + 1
    [record] = caplog.records
    assert "readers" in record.getMessage()


async def test_a_message_that_expires_is_counted_and_logged(forgetful, grow_old, caplog):
    counted = drops["expired"]
    await forgetful.send("jobs", HELLO)
    grow_old()

    with caplog.at_level("INFO", logger="channels_core.layers.memory"):
        await forgetful.group_send("nobody", HELLO)

    assert drops["expired"] == counted + 1
    assert "jobs" in caplog.text


def test_a_reader_on_another_loop_is_woken_there(layer):
    """As when a thread of a server sends to a consumer."""
    is_waiting, got = threading.Event(), []

    async def read():
        asyncio.get_running_loop().call_soon(is_waiting.set)
        got.append(await asyncio.wait_for(layer.receive("jobs"), 5))

    reader = threading.Thread(target=asyncio.run, args=(read(),))
    reader.start()
    assert is_waiting.wait(5)
    asyncio.run(layer.send("jobs", HELLO))
    reader.join(5)

    assert got == [HELLO]


def test_a_reader_whose_loop_was_closed_takes_nothing_from_the_next(layer):
    loop = asyncio.new_event_loop()
    forgotten = loop.create_task(layer.receive("jobs"))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()

    async def send_and_read():
        await layer.send("jobs", HELLO)
        return await asyncio.wait_for(layer.receive("jobs"), 5)

    assert asyncio.run(send_and_read()) == HELLO
    forgotten._log_destroy_pending = False  # it cannot end any more


@pytest.mark.parametrize("use", ["send", "receive"])
def test_a_layer_that_was_taken_along_into_another_process_says_so(layer, monkeypatch, use):
    monkeypatch.setattr("channels_core.layers.memory.os.getpid", lambda: -1)
    work = layer.send("jobs", HELLO) if use == "send" else layer.receive("jobs")

    with pytest.raises(RuntimeError, match="Redis"):
        asyncio.run(work)


# Several readers


async def test_a_message_that_came_with_a_cancellation_goes_to_who_waits_next(layer):
    first, second = [await start(layer.receive("jobs")) for _ in range(2)]

    await layer.send("jobs", HELLO)
    first.cancel()

    async with asyncio.timeout(5):
        assert await second == HELLO
    assert first.cancelled()


async def test_a_message_that_came_with_a_cancellation_is_before_those_that_followed_it(layer):
    reader = await start(layer.receive("jobs"))

    await layer.send("jobs", {"type": "first"})
    await layer.send("jobs", {"type": "second"})
    reader.cancel()
    await asyncio.wait([reader])

    assert [(await layer.receive("jobs"))["type"] for _ in range(2)] == ["first", "second"]


def test_a_message_for_a_reader_that_gives_up_on_its_own_loop_is_before_those_that_followed_it(layer):
    is_waiting, is_sent, got = threading.Event(), threading.Event(), []

    async def read():
        reader = await start(layer.receive("jobs"))
        is_waiting.set()
        assert is_sent.wait(5)  # the loop stands still
        reader.cancel()
        await asyncio.wait([reader])
        got.extend([(await layer.receive("jobs"))["type"] for _ in range(2)])

    thread = threading.Thread(target=asyncio.run, args=(read(),))
    thread.start()
    assert is_waiting.wait(5)
    for kind in ("first", "second"):
        asyncio.run(layer.send("jobs", {"type": kind}))
    is_sent.set()
    thread.join(5)

    assert got == ["first", "second"]


# Hubs


async def test_a_hub_stays_in_its_groups_where_its_event_loop_has_stood_still(forgetful, grow_old):
    """What expired it finds out by comparing; without its groups it would hear nothing more."""
    hub = await forgetful.new_channel("hub.")
    await forgetful.group_add("room.1", hub)
    reader = await start(forgetful.receive(hub))
    # No turn of the loop in between, as when threads send while it stands still.
    for kind in ("first", "second"):
        await forgetful.group_send("room.1", {"type": kind})
    grow_old()
    await forgetful.group_send("elsewhere", HELLO)
    assert (await reader)["type"] == "first"
    reader = await start(forgetful.receive(hub))

    await forgetful.group_send("room.1", {"type": "third"})

    async with asyncio.timeout(5):
        assert await reader == {"type": "third"}


async def test_a_hub_stays_in_its_groups_where_the_machine_has_slept_for_longer_than_they_last(grow_old):
    layer = InMemoryChannelLayer(group_expiry=0.05)
    hub = await layer.new_channel("hub.")
    await layer.group_add("room.1", hub)
    await layer.group_add("room.1", "another")
    reader = await start(layer.receive(hub))
    grow_old()

    await layer.group_send("room.1", HELLO)

    assert await reader == HELLO
    assert list(layer.groups["room.1"]) == [hub]


def test_a_hub_whose_event_loop_has_ended_leaves_its_groups(forgetful, grow_old):
    async def begin():
        hub = await forgetful.new_channel("hub.")
        await forgetful.group_add("room.1", hub)
        await start(forgetful.receive(hub))

    asyncio.run(begin())
    asyncio.run(forgetful.group_send("room.1", HELLO))
    grow_old()
    asyncio.run(forgetful.group_send("room.1", HELLO))

    assert forgetful.groups == {}


# Threads


def test_threads_may_come_and_go_while_another_looks_for_what_has_expired(forgetful):
    """Python changes threads between any two steps."""
    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    failures, is_over = [], threading.Event()

    async def come_and_go(name):
        while not is_over.is_set():
            for number in range(20):
                await forgetful.group_add(f"room.{number}", name)
            for number in range(20):
                await forgetful.group_discard(f"room.{number}", name)

    def run(name):
        try:
            asyncio.run(come_and_go(name))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(f"reader.{number}",)) for number in range(2)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(200):
            forgetful._next_expiry = 0.0
            forgetful._purge()
    finally:
        is_over.set()
        for thread in threads:
            thread.join(10)
        sys.setswitchinterval(switch_s)

    assert failures == []
    assert forgetful.groups == {}

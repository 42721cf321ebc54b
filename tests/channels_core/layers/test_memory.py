"""What existing code looks at in the in-memory layer, and what it does better than it has to."""

import asyncio
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

    async with asyncio.timeout(1):
        assert await waiting == HELLO


async def test_two_receivers_of_a_channel_get_one_message_each(layer):
    waiting = [await start(layer.receive("jobs")) for _ in range(2)]

    await layer.send("jobs", {"type": "first"})
    await layer.send("jobs", {"type": "second"})

    async with asyncio.timeout(1):
        types = {message["type"] for message in await asyncio.gather(*waiting)}
    assert types == {"first", "second"}


async def test_a_receiver_survives_a_flush(layer):
    waiting = await start(layer.receive("jobs"))

    await layer.flush()
    await layer.send("jobs", HELLO)

    async with asyncio.timeout(1):
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

"""What existing code looks at in the in-memory layer, and what it does better than it has to."""

import asyncio

import pytest

from channels_core.exceptions import ChannelFull
from channels_core.layers import InMemoryChannelLayer

HELLO = {"type": "greeting"}


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(expiry=60)


@pytest.fixture
def forgetful() -> InMemoryChannelLayer:
    """A layer whose messages are old after 50 ms."""
    return InMemoryChannelLayer(expiry=0.05)


async def grow_old() -> None:
    await asyncio.sleep(0.06)  # expiry is about time


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


async def test_sending_does_not_look_for_old_messages_elsewhere(forgetful):
    await forgetful.send("old", HELLO)
    await grow_old()

    await forgetful.send("new", HELLO)

    assert set(forgetful.channels) == {"old", "new"}


async def test_receiving_anywhere_drops_old_messages_and_their_channels_memberships(forgetful):
    await forgetful.group_add("room.1", "old")
    await forgetful.send("old", HELLO)
    await grow_old()
    await forgetful.send("new", HELLO)

    await forgetful.receive("new")

    assert forgetful.channels == {}
    assert forgetful.groups == {}


async def test_a_group_message_drops_old_messages_and_their_channels_memberships(forgetful):
    await forgetful.group_add("room.1", "old")
    await forgetful.send("old", HELLO)
    await grow_old()

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

"""
What every channel layer does, whatever carries its messages.

Each test runs on every backend of conftest.py; where a backend does not declare an ability (its mailboxes
have no limit, say), the tests that need it are skipped.
"""

import asyncio

import pytest

from channels_core.exceptions import ChannelFull
from tests.channels_core.layers.members import HELLO, received

SILENCE_S = 0.1


async def stays_silent(layer, channel) -> bool:
    """
    True when nothing comes. The last thing that a test asks of a channel.

    Cancelling ``receive`` ends a channel in the layers of channels_redis.
    """
    try:
        async with asyncio.timeout(SILENCE_S):
            await layer.receive(channel)
    except TimeoutError:
        return True
    return False


async def test_a_message_reaches_the_channel_that_it_is_sent_to(layer):
    here, elsewhere = await layer.new_channel(), await layer.new_channel()

    await layer.send(here, HELLO)

    assert await received(layer, here) == HELLO
    assert await stays_silent(layer, elsewhere)


async def test_whoever_waits_is_woken(layer):
    channel = await layer.new_channel()
    waiting = asyncio.ensure_future(received(layer, channel))
    await asyncio.sleep(0)  # the receiver is first

    await layer.send(channel, HELLO)

    assert await waiting == HELLO


async def test_messages_of_a_channel_arrive_in_order(layer):
    channel = await layer.new_channel()

    for number in range(20):
        await layer.send(channel, {"type": "count", "number": number})

    assert [(await received(layer, channel))["number"] for _ in range(20)] == list(range(20))


async def test_channels_of_one_process_are_received_side_by_side(layer):
    channels = [await layer.new_channel() for _ in range(10)]
    waiting = [asyncio.ensure_future(received(layer, channel)) for channel in channels]

    for number, channel in reversed(list(enumerate(channels))):
        await layer.send(channel, {"type": "count", "number": number})

    assert [message["number"] for message in await asyncio.gather(*waiting)] == list(range(10))


async def test_new_channels_have_names_of_their_own(layer):
    names = {await layer.new_channel() for _ in range(50)}

    assert len(names) == 50


@pytest.mark.parametrize(
    "value",
    [None, True, -(2**63), 2**63 - 1, 0.5, "naïve 👩‍👩‍👧 مرحبا", b"\x00\xff", [1, [2, []]], {"a": {"b": None}}],
    ids=repr,
)
async def test_a_message_arrives_as_it_was_sent(layer, value):
    channel = await layer.new_channel()

    await layer.send(channel, {"type": "value", "value": value})

    assert await received(layer, channel) == {"type": "value", "value": value}


async def test_a_message_of_a_megabyte_arrives(layer):
    channel = await layer.new_channel()

    await layer.send(channel, {"type": "large", "text": "x" * 2**20})

    assert len((await received(layer, channel))["text"]) == 2**20


async def test_changing_a_message_after_sending_changes_nothing(layer):
    channel = await layer.new_channel()
    message = {"type": "list", "items": [1]}

    await layer.send(channel, message)
    message["items"].append(2)

    assert await received(layer, channel) == {"type": "list", "items": [1]}


async def test_a_group_message_reaches_every_member_once_and_nobody_else(layer):
    members = [await layer.new_channel() for _ in range(3)]
    outsider = await layer.new_channel()
    for member in members:
        await layer.group_add("room.1", member)
    await layer.group_add("room.2", outsider)

    await layer.group_send("room.1", HELLO)

    for member in members:
        assert await received(layer, member) == HELLO
    for channel in [*members, outsider]:
        assert await stays_silent(layer, channel)


async def test_joining_a_group_twice_is_joining_it(layer):
    member = await layer.new_channel()
    await layer.group_add("room.1", member)
    await layer.group_add("room.1", member)

    await layer.group_send("room.1", HELLO)

    assert await received(layer, member) == HELLO
    assert await stays_silent(layer, member)


async def test_who_has_left_a_group_hears_no_more_of_it(layer):
    stays, leaves = await layer.new_channel(), await layer.new_channel()
    for member in (stays, leaves):
        await layer.group_add("room.1", member)

    await layer.group_discard("room.1", leaves)
    await layer.group_send("room.1", HELLO)

    assert await received(layer, stays) == HELLO
    assert await stays_silent(layer, leaves)


async def test_who_left_can_come_back(layer):
    member = await layer.new_channel()
    await layer.group_add("room.1", member)
    await layer.group_discard("room.1", member)
    await layer.group_add("room.1", member)

    await layer.group_send("room.1", HELLO)

    assert await received(layer, member) == HELLO


async def test_leaving_one_group_keeps_the_others(layer):
    member = await layer.new_channel()
    for group in ("room.1", "room.2"):
        await layer.group_add(group, member)

    await layer.group_discard("room.1", member)
    await layer.group_send("room.2", HELLO)

    assert await received(layer, member) == HELLO


async def test_an_unknown_group_is_an_empty_one(layer):
    channel = await layer.new_channel()

    await layer.group_send("nobody", HELLO)
    await layer.group_discard("nobody", channel)

    assert await stays_silent(layer, channel)


@pytest.mark.needs("gives_each_member_a_copy")
async def test_members_of_a_group_do_not_share_a_message(layer):
    one, other = await layer.new_channel(), await layer.new_channel()
    for member in (one, other):
        await layer.group_add("room.1", member)

    await layer.group_send("room.1", {"type": "list", "items": []})
    (await received(layer, one))["items"].append("changed by its reader")

    assert (await received(layer, other))["items"] == []


@pytest.mark.needs("uses_redis")
async def test_groups_and_channels_reach_across_processes(make_layer):
    here, there = make_layer(), make_layer()
    channel = await there.new_channel()
    await there.group_add("room.1", channel)

    await here.group_send("room.1", HELLO)
    await here.send(channel, {"type": "direct"})

    assert await received(there, channel) == HELLO
    assert await received(there, channel) == {"type": "direct"}


@pytest.mark.needs("has_capacity")
async def test_a_full_channel_refuses_more_at_once(make_layer):
    layer = make_layer(capacity=3)
    channel = await layer.new_channel()
    for _ in range(3):
        await layer.send(channel, HELLO)

    with pytest.raises(ChannelFull):
        async with asyncio.timeout(5):
            await layer.send(channel, HELLO)


@pytest.mark.needs("has_capacity")
async def test_what_is_received_makes_room(make_layer):
    layer = make_layer(capacity=1)
    channel = await layer.new_channel()
    await layer.send(channel, HELLO)
    await received(layer, channel)

    await layer.send(channel, {"type": "second"})

    assert await received(layer, channel) == {"type": "second"}


@pytest.mark.needs("has_capacity")
async def test_capacity_can_differ_by_the_names_of_channels(make_layer):
    layer = make_layer(capacity=1, channel_capacity={"jobs.*": 2})

    await layer.send("jobs.thumbnails", HELLO)
    await layer.send("jobs.thumbnails", HELLO)
    await layer.send("other", HELLO)

    for channel in ("jobs.thumbnails", "other"):
        with pytest.raises(ChannelFull):
            await layer.send(channel, HELLO)


@pytest.mark.needs("has_capacity")
async def test_a_full_member_of_a_group_costs_only_itself(make_layer):
    """A group message never raises ChannelFull, and a slow reader's neighbours hear everything."""
    layer = make_layer(capacity=1)
    slow, quick = await layer.new_channel(), await layer.new_channel()
    for member in (slow, quick):
        await layer.group_add("room.1", member)

    await layer.group_send("room.1", {"type": "first"})
    assert await received(layer, quick) == {"type": "first"}
    await layer.group_send("room.1", {"type": "second"})

    assert await received(layer, quick) == {"type": "second"}
    await received(layer, slow)  # the first or the second, as the layer has it
    assert await stays_silent(layer, slow)


@pytest.mark.needs("has_expiry")
async def test_an_old_message_is_not_delivered(make_layer):
    layer = make_layer(expiry=1)
    channel = await layer.new_channel()
    await layer.send(channel, HELLO)

    await asyncio.sleep(1.2)  # expiry is about time

    assert await stays_silent(layer, channel)


@pytest.mark.needs("has_expiry")
async def test_an_old_membership_ends(make_layer):
    layer = make_layer(group_expiry=1)
    channel = await layer.new_channel()
    await layer.group_add("room.1", channel)

    await asyncio.sleep(1.2)  # expiry is about time
    await layer.group_send("room.1", HELLO)

    assert await stays_silent(layer, channel)


@pytest.mark.needs("checks_names")
@pytest.mark.parametrize("name", ["", "with space", "¯\\_(ツ)_/¯", "chat" * 100, 7, None, b"bytes"], ids=repr)
async def test_a_malformed_name_is_refused(layer, name):
    channel = await layer.new_channel()

    with pytest.raises(TypeError):
        await layer.send(name, HELLO)
    with pytest.raises(TypeError):
        await layer.group_add(name, channel)
    with pytest.raises(TypeError):
        await layer.group_add("room.1", name)
    with pytest.raises(TypeError):
        await layer.group_discard(name, channel)
    with pytest.raises(TypeError):
        await layer.group_send(name, HELLO)


async def test_a_flush_forgets_messages_and_memberships(make_layer):
    layer = make_layer()
    channel = await layer.new_channel()
    await layer.group_add("room.1", channel)
    await layer.send(channel, HELLO)

    await layer.flush()
    await layer.group_send("room.1", HELLO)

    assert await stays_silent(layer, await layer.new_channel())


async def test_it_says_that_it_has_groups_and_flush(layer):
    assert {"groups", "flush"} <= set(layer.extensions)

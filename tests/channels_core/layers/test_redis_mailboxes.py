"""Mailboxes of our layer over Redis: bounded, freed when nobody needs them, and shared only by hubs."""

import asyncio
import json

import pytest

from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.layers.mailbox import Mailbox, Packet
from channels_core.layers.redis import loop
from channels_core.meters import drops
from channels_core.testing import WebsocketCommunicator
from tests.channels_core.layers.conftest import BACKENDS
from tests.channels_core.layers.members import HELLO, received
from tests.servers import until


@pytest.fixture
def backend():
    return BACKENDS["redis-own"]


async def cancelled(task):
    task.cancel()
    await asyncio.wait([task])


def count(number):
    return {"type": "count", "n": number}


# Capacity


async def test_what_a_full_mailbox_cannot_take_is_dropped_counted_and_told_once_a_burst(make_layer, caplog):
    layer = make_layer(channel_capacity={"hub*": 3})
    slow, quick, before = await layer.new_channel("hub."), await layer.new_channel(), drops["channel_full"]
    missed = []
    layer.add_missed_hook(lambda: missed.append(drops["channel_full"] - before))
    for channel in (slow, quick):
        await layer.group_add("room.1", channel)
    for number in range(10):
        await layer.group_send("room.1", count(number))
        assert await received(layer, quick) == count(number)

    assert drops["channel_full"] == before + 7
    assert [await received(layer, slow) for _ in range(3)] == [count(number) for number in range(3)]
    assert missed == [1, 7]  # when it began, and when the reader had caught up
    assert caplog.text.count("is full") == 1
    assert "7 messages were dropped" in caplog.text

    await layer.group_send("room.1", count(10))
    assert await received(layer, slow) == count(10)


async def test_a_consumer_whose_mailbox_overflows_is_no_reason_to_look_for_what_was_missed(make_layer, caplog):
    """It may do so all the time, and no hub has lost anything."""
    layer, missed = make_layer(capacity=1), []
    layer.add_missed_hook(lambda: missed.append(1))
    slow = await layer.new_channel()
    for _ in range(3):
        await layer.send(slow, HELLO)
    await until(lambda: "is full" in caplog.text)

    assert await received(layer, slow) == HELLO

    assert "were dropped" in caplog.text
    assert missed == []


async def test_the_capacity_is_that_of_the_channel_and_a_hub_has_much(make_layer):
    layer = make_layer(capacity=5, channel_capacity={"narrow.*": 1})

    opened = [await layer.new_channel(prefix) for prefix in ("specific.", "narrow.", "hub.")]

    assert [layer.channels[channel].capacity for channel in opened] == [5, 1, 10_000]


async def test_a_hook_that_was_removed_or_fails_disturbs_nobody(make_layer, caplog):
    layer, missed = make_layer(channel_capacity={"hub*": 1}), []
    channel = await layer.new_channel("hub.")
    removed = lambda: missed.append("removed")  # noqa: E731
    for hook in (removed, lambda: 1 / 0, lambda: missed.append("kept")):
        layer.add_missed_hook(hook)
    layer.remove_missed_hook(removed)
    layer.remove_missed_hook(removed)

    for number in range(2):
        await layer.send(channel, count(number))
    await until(lambda: missed)

    assert missed == ["kept"]
    assert "ZeroDivisionError" in caplog.text


# Readers


async def test_readers_of_a_channel_take_turns(layer):
    channel = await layer.new_channel()
    heard = {"first": [], "second": []}

    async def read(name):
        while True:
            heard[name].append((await layer.receive(channel))["n"])

    readers = [asyncio.create_task(read(name)) for name in heard]
    for number in range(10):
        await layer.send(channel, count(number))
        await until(lambda number=number: sum(map(len, heard.values())) == number + 1)

    assert heard == {"first": [0, 2, 4, 6, 8], "second": [1, 3, 5, 7, 9]}
    for reader in readers:
        await cancelled(reader)


async def test_a_reader_that_is_cancelled_when_it_is_woken_leaves_its_turn_to_the_next():
    mailbox = Mailbox("a", capacity=1, shares=False, missed=lambda: None)
    first, second = (asyncio.create_task(mailbox.wait()) for _ in range(2))
    await asyncio.sleep(0)

    mailbox.put(Packet(b"{}", json.loads, at=0.0))
    first.cancel()

    async with asyncio.timeout(5):
        await second
    assert first.cancelled()
    assert mailbox.take(before=0.0) == {}


async def test_only_the_reader_of_a_hub_shares_what_it_is_handed(layer):
    hubs = [await layer.new_channel("hub.") for _ in range(2)]
    others = [await layer.new_channel() for _ in range(2)]
    for channel in hubs + others:
        await layer.group_add("room.1", channel)

    await layer.group_send("room.1", {"type": "nested", "items": [{"deep": []}]})
    shared = [await received(layer, channel) for channel in hubs]
    own = [await received(layer, channel) for channel in others]

    assert shared[0] is shared[1]
    assert own[0] == own[1] == shared[0]
    assert own[0]["items"][0]["deep"] is not own[1]["items"][0]["deep"]
    assert own[0] is not shared[0]


# The end of a channel


async def test_a_channel_ends_some_time_after_its_last_reader(layer, monkeypatch):
    monkeypatch.setattr(loop, "LINGER_S", 0.05)
    channel = await layer.new_channel()
    await layer.group_add("room.1", channel)
    first, second = (asyncio.create_task(layer.receive(channel)) for _ in range(2))
    await until(lambda: layer.channels[channel].readers == 2)

    await cancelled(first)
    assert not layer._get_layer()._lingering
    await cancelled(second)

    await until(lambda: not layer.channels)
    assert layer.groups == {}


async def test_a_reader_with_a_time_limit_may_come_again(layer, monkeypatch):
    """A channel that is waited for in turns of a second keeps its messages and its memberships."""
    monkeypatch.setattr(loop, "LINGER_S", 1)
    channel, witness = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("room.1", channel)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await layer.receive(channel)
    await layer.group_send("room.1", HELLO)
    assert await received(layer, channel) == HELLO

    ending = asyncio.create_task(layer.receive(witness))
    await until(lambda: layer.channels[witness].readers)
    await cancelled(ending)
    await until(lambda: witness not in layer.channels)  # whose time began later
    await layer.group_send("room.1", HELLO)

    assert await received(layer, channel) == HELLO


async def test_a_channel_that_is_forgotten_leaves_its_groups_at_once(layer):
    gone, stays = await layer.new_channel(), await layer.new_channel()
    for channel in (gone, stays):
        await layer.group_add("room.1", channel)
    await layer.group_add("room.2", gone)

    layer.forget_channel(gone)
    layer.forget_channel(gone)
    await layer.group_send("room.1", HELLO)
    await layer.send(gone, HELLO)

    assert await received(layer, stays) == HELLO
    assert list(layer.channels) == [stays]
    assert [list(members) for members in layer.groups.values()] == [[stays]]


async def test_a_consumer_leaves_no_mailbox(site, monkeypatch):
    monkeypatch.setattr(loop, "LINGER_S", 0.05)

    class Member(AsyncWebsocketConsumer):
        groups = ["room.1"]

        async def receive(self, text_data=None, bytes_data=None):
            raise ZeroDivisionError

    leaves, fails = (WebsocketCommunicator(Member.as_asgi(), "/") for _ in range(2))
    for socket in (leaves, fails):
        assert await socket.connect(timeout=5) == (True, None)
    assert len(site.channels) == 2

    await leaves.disconnect()
    await fails.send_to("fail")
    with pytest.raises(ZeroDivisionError):
        await fails.receive_output(timeout=5)
    await until(lambda: not site.channels)
    assert site.groups == {}


# Expiry


async def test_an_old_message_is_not_delivered(make_layer):
    layer, before = make_layer(expiry=0.5), drops["expired"]
    channel = await layer.new_channel()
    await layer.send(channel, HELLO)
    await until(lambda: layer.channels[channel]._packets)

    await asyncio.sleep(0.6)  # expiry is about time
    await layer.send(channel, {"type": "new"})

    assert await received(layer, channel) == {"type": "new"}
    assert drops["expired"] == before + 1


async def test_a_channel_that_let_a_message_expire_leaves_its_groups(make_layer):
    """Its reader is gone without a word, or will ask for what it has missed."""
    layer = make_layer(expiry=0.5)
    unread, witness = await layer.new_channel(), await layer.new_channel()
    for channel in (unread, witness):
        await layer.group_add("room.1", channel)
    await layer.group_send("room.1", HELLO)
    assert await received(layer, witness) == HELLO

    await asyncio.sleep(0.6)  # expiry is about time
    await layer.group_send("room.1", HELLO)
    assert await received(layer, witness) == HELLO

    assert [list(members) for members in layer.groups.values()] == [[witness]]


async def test_a_hub_whose_event_loop_stood_still_stays_in_its_groups_and_is_told_that_it_missed_something(make_layer):
    layer, missed = make_layer(expiry=0.5), []
    layer.add_missed_hook(lambda: missed.append(1))
    hub = await layer.new_channel("hub.")
    await layer.group_add("room.1", hub)
    await layer.group_send("room.1", HELLO)
    await until(lambda: layer.channels[hub]._packets)

    await asyncio.sleep(0.6)  # expiry is about time
    await layer.group_send("room.1", {"type": "new"})

    assert await received(layer, hub) == {"type": "new"}
    assert missed == [1]
    await layer.group_send("room.1", {"type": "newer"})
    assert await received(layer, hub) == {"type": "newer"}

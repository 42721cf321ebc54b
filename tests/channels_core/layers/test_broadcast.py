"""Fan-out over every kind of channel layer: subscribe, broadcast, hold back, leave."""

import asyncio
import gc
import json
import logging
import threading

import pytest

from channels_core.broadcast import broadcast, broadcast_sync, get_hub
from channels_core.exceptions import InvalidChannelLayerError
from channels_core.line import LAYER_PREFIX
from channels_core.outbox import Outbox


class Socket:
    """A member of groups: an outbox, and what has come out of it."""

    def __init__(self):
        self.outbox = Outbox(self._send)
        self.messages = asyncio.Queue()
        self.outbox.push({"type": "websocket.accept"})

    async def _send(self, message):
        if message["type"] != "websocket.accept":
            self.messages.put_nowait(message)

    async def next(self):
        message = await asyncio.wait_for(self.messages.get(), 5)
        assert message["type"] == "websocket.send"
        return json.loads(message["text"])

    def has_nothing(self):
        return self.messages.empty()


@pytest.fixture
async def subscribe(site):
    """Sockets that have subscribed to a group; they leave at the end."""
    opened = []

    async def subscribe(group):
        socket = Socket()
        await get_hub().subscribe(socket.outbox, group)
        opened.append((group, socket))
        return socket

    yield subscribe
    for group, socket in opened:
        await get_hub().unsubscribe(socket.outbox, group)


async def test_an_event_reaches_every_subscriber_of_its_group_once_and_nobody_else(subscribe):
    first, second, other = await subscribe("a"), await subscribe("a"), await subscribe("b")

    await broadcast("a", {"text": "Grüße 👋"})
    await broadcast("b", {"end": True})

    assert await other.next() == {"end": True}
    for socket in (first, second):
        assert await socket.next() == {"text": "Grüße 👋"}
        assert socket.has_nothing()


async def test_all_members_are_given_the_same_encoded_event(subscribe):
    first, second = await subscribe("a"), await subscribe("a")

    await broadcast("a", {"n": 1})

    assert await asyncio.wait_for(first.messages.get(), 5) is await asyncio.wait_for(second.messages.get(), 5)


async def test_events_of_a_group_keep_their_order(subscribe):
    socket = await subscribe("a")

    for number in range(300):
        await broadcast("a", {"n": number})

    assert [(await socket.next())["n"] for _ in range(300)] == list(range(300))


async def test_after_leaving_nothing_comes_any_more(subscribe):
    gone, stays = await subscribe("a"), await subscribe("a")
    await get_hub().unsubscribe(gone.outbox, "a")

    await broadcast("a", {"n": 1})

    await stays.next()
    assert gone.has_nothing()


async def test_a_group_has_one_subscription_on_the_layer_however_many_members(site, subscribe, monkeypatch):
    calls = []
    for act in ("group_add", "group_discard"):
        original = getattr(site, act)

        async def counted(group, channel, act=act, original=original):
            if group == f"{LAYER_PREFIX}a":  # the hub has a group of its own, for its echo
                calls.append((act, group))
            await original(group, channel)

        monkeypatch.setattr(site, act, counted, raising=False)

    sockets = await asyncio.gather(*(subscribe("a") for _ in range(10)))
    for socket in sockets:
        await get_hub().unsubscribe(socket.outbox, "a")

    assert calls == [("group_add", f"{LAYER_PREFIX}a"), ("group_discard", f"{LAYER_PREFIX}a")]


async def test_joining_and_leaving_at_the_same_time_leaves_those_subscribed_who_stay(subscribe):
    hub, leaving = get_hub(), [Socket() for _ in range(5)]
    await asyncio.gather(*(hub.subscribe(socket.outbox, "a") for socket in leaving))

    *_, staying = await asyncio.gather(*(hub.unsubscribe(socket.outbox, "a") for socket in leaving), subscribe("a"))
    await broadcast("a", {"n": 1})

    assert await staying.next() == {"n": 1}


async def test_what_is_broadcast_while_subscribing_follows_what_the_block_sends(subscribe):
    witness, socket = await subscribe("a"), Socket()

    async with get_hub().subscribing(socket.outbox, "a"):
        await broadcast("a", {"n": 1})
        await broadcast("a", {"n": 2})
        await witness.next()
        await witness.next()  # the hub has both now
        await socket.outbox.send({"type": "websocket.send", "text": '"welcome"'})
    await broadcast("a", {"n": 3})

    assert [await socket.next() for _ in range(4)] == ["welcome", {"n": 1}, {"n": 2}, {"n": 3}]
    await get_hub().unsubscribe(socket.outbox, "a")


async def test_a_block_that_raises_ends_the_subscription(subscribe):
    witness, socket = await subscribe("a"), Socket()

    with pytest.raises(ZeroDivisionError):
        async with get_hub().subscribing(socket.outbox, "a"):
            await broadcast("a", {"n": 1})
            await witness.next()
            raise ZeroDivisionError

    await broadcast("a", {"n": 2})
    await witness.next()
    assert socket.has_nothing()


async def test_who_leaves_within_the_block_has_left(subscribe):
    witness, socket = await subscribe("a"), Socket()

    async with get_hub().subscribing(socket.outbox, "a"):
        await get_hub().unsubscribe(socket.outbox, "a")
    await broadcast("a", {"n": 1})

    await witness.next()
    assert socket.has_nothing()


async def test_a_layer_that_fails_does_not_keep_anybody_from_leaving(site, subscribe, monkeypatch, caplog):
    socket = await subscribe("a")

    async def group_discard(group, channel):
        raise OSError("the line is cut")

    monkeypatch.setattr(site, "group_discard", group_discard, raising=False)
    await get_hub().unsubscribe(socket.outbox, "a")

    assert get_hub()._members == {}
    assert "does not answer" in caplog.text


async def test_when_everybody_has_left_no_task_and_no_channel_stays(site, subscribe, backend):
    tasks = len(asyncio.all_tasks())
    socket = Socket()
    await get_hub().subscribe(socket.outbox, "a")
    await broadcast("a", {"n": 1})
    await socket.next()

    await get_hub().unsubscribe(socket.outbox, "a")

    if not backend.uses_redis:  # channels_redis keeps tasks for its connection
        assert len(asyncio.all_tasks()) == tasks
        assert site.channels == site.groups == {}
    outside = await subscribe("a")
    await broadcast("a", {"n": 2})
    assert await outside.next() == {"n": 2}


async def test_a_thread_broadcasts_with_one_plain_call(subscribe):
    socket = await subscribe("a")
    thread = threading.Thread(target=broadcast_sync, args=("a", {"from": "a thread"}))

    thread.start()

    assert await socket.next() == {"from": "a thread"}
    thread.join()


async def test_synchronous_code_in_a_worker_thread_of_the_loop_broadcasts(subscribe):
    socket = await subscribe("a")

    await asyncio.to_thread(broadcast_sync, "a", {"from": "a worker"})

    assert await socket.next() == {"from": "a worker"}


async def test_synchronous_code_on_the_thread_of_the_loop_broadcasts(subscribe):
    socket = await subscribe("a")

    broadcast_sync("a", {"from": "the loop"})

    assert await socket.next() == {"from": "the loop"}


async def test_many_events_from_a_thread_all_arrive_in_order(subscribe):
    socket = await subscribe("a")

    def burst():
        for number in range(500):
            broadcast_sync("a", {"n": number})

    await asyncio.to_thread(burst)

    assert [(await socket.next())["n"] for _ in range(500)] == list(range(500))


async def test_a_slow_member_does_not_hold_up_the_others(subscribe):
    slow, quick = await subscribe("a"), await subscribe("a")
    is_ready = asyncio.Event()

    async def stuck(message):
        await is_ready.wait()

    slow.outbox._send = stuck
    for number in range(3):
        await broadcast("a", {"n": number})

    assert [(await quick.next())["n"] for _ in range(3)] == [0, 1, 2]
    slow.outbox.close()


@pytest.mark.parametrize("group", ["", "with space", "é", "a!b", "x" * 90, None])
async def test_a_malformed_group_is_refused_on_every_layer(site, group):
    with pytest.raises(TypeError):
        await broadcast(group, {})
    with pytest.raises(TypeError):
        await get_hub().subscribe(Socket().outbox, group)


async def test_an_event_that_is_no_json_is_refused(site):
    with pytest.raises(TypeError):
        await broadcast("a", {"when": object()})


async def test_broadcast_groups_and_the_groups_of_the_layer_are_apart(site, subscribe):
    """A group_send to the same name is for consumers with handlers, and no frame."""
    socket = await subscribe("a")

    await site.group_send("a", {"type": "chat.message", "text": "for handlers"})
    await broadcast("a", {"for": "sockets"})

    assert await socket.next() == {"for": "sockets"}


async def test_without_a_layer_broadcasting_says_what_to_set(settings):
    settings.CHANNEL_LAYERS = {}

    with pytest.raises(InvalidChannelLayerError, match="CHANNEL_LAYERS"):
        await broadcast("a", {})
    with pytest.raises(InvalidChannelLayerError, match="CHANNEL_LAYERS"):
        broadcast_sync("a", {})


async def test_a_hub_that_cannot_read_its_layer_says_so_and_tries_again(site, subscribe, monkeypatch, caplog):
    monkeypatch.setattr("channels_core.line.RETRY_S", 0)
    original, failures = site.receive, iter([OSError("the line is cut")])

    async def receive(channel):
        for failure in failures:
            raise failure
        return await original(channel)

    monkeypatch.setattr(site, "receive", receive, raising=False)
    with caplog.at_level(logging.ERROR, logger="channels_core.line"):
        socket = await subscribe("a")
        await broadcast("a", {"n": 1})
        assert await socket.next() == {"n": 1}

    assert "cannot be read" in caplog.text


def test_a_broadcast_that_was_left_to_the_loop_and_fails_is_logged(settings, caplog):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "tests.channels_core.layers.test_broadcast.Broken"}}

    async def say():
        broadcast_sync("a", {})
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)

    asyncio.run(say())
    gc.collect()

    assert "was not sent" in caplog.text


class Broken:
    """A layer whose server is away."""

    async def group_send(self, group, message):
        raise OSError("no server")

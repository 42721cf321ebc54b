"""Sending from synchronous code, with a loop in the process and without one."""

import asyncio
import threading
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings

from channels_core.exceptions import ChannelFull, InvalidChannelLayerError
from channels_core.layers import channel_layers, group_send_sync, send_sync

HELLO = {"type": "say.hello", "text": "hello"}


@pytest.fixture
async def channel(make_layer):
    """A channel of the default layer, which is in a group; somebody is about to read it."""
    layer = make_layer()
    previous = channel_layers.set("default", layer)
    channel = await layer.new_channel()
    await layer.group_add("readers", channel)
    receiving = asyncio.ensure_future(layer.receive(channel))
    await asyncio.sleep(0)
    yield receiving, channel
    receiving.cancel()
    channel_layers.set("default", previous)


@pytest.mark.parametrize("is_group", [True, False])
async def test_a_thread_sends_with_one_plain_call(channel, is_group):
    receiving, name = channel
    send, to = (group_send_sync, "readers") if is_group else (send_sync, name)

    thread = threading.Thread(target=send, args=(to, HELLO))
    thread.start()

    assert await asyncio.wait_for(receiving, 5) == HELLO
    await asyncio.to_thread(thread.join)  # its connection to Redis goes with its loop


async def test_synchronous_code_below_the_loop_sends(channel):
    receiving, _ = channel

    await asyncio.to_thread(group_send_sync, "readers", HELLO)

    assert await asyncio.wait_for(receiving, 5) == HELLO


async def test_synchronous_code_on_the_thread_of_the_loop_sends(channel):
    receiving, _ = channel

    group_send_sync("readers", HELLO)

    assert await asyncio.wait_for(receiving, 5) == HELLO


def test_a_process_without_a_loop_sends_again_and_again(backend, request):
    """As a management command does; what was sent waits for who reads it in a loop that comes later."""
    config = dict(backend.config)
    if backend.uses_redis:
        config |= {"hosts": [request.getfixturevalue("redis_server").url], "prefix": uuid4().hex}
    with override_settings(CHANNEL_LAYERS={"default": {"BACKEND": backend.path, "CONFIG": config}}):
        for number in range(20):
            group_send_sync("nobody", {"type": "count", "n": number})
        if not backend.has_capacity:  # a layer that keeps nothing: who does not listen, misses it
            return
        layer = channel_layers["default"]
        channel = async_to_sync(layer.new_channel)()
        for number in range(20):
            send_sync(channel, {"type": "count", "n": number})

        async def read():
            return [(await asyncio.wait_for(layer.receive(channel), 5))["n"] for _ in range(20)]

        assert asyncio.run(read()) == list(range(20))


def test_errors_of_the_layer_reach_the_caller(settings):
    config = {"BACKEND": "channels_core.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1}}
    settings.CHANNEL_LAYERS = {"default": config}

    with pytest.raises(TypeError):
        send_sync("not a name", HELLO)
    send_sync("x", HELLO)
    with pytest.raises(ChannelFull):
        send_sync("x", HELLO)


def test_without_a_layer_it_says_what_to_set(settings):
    settings.CHANNEL_LAYERS = {}

    with pytest.raises(InvalidChannelLayerError, match="CHANNEL_LAYERS"):
        group_send_sync("readers", HELLO)

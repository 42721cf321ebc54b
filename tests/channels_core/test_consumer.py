"""Consumers by themselves: handlers, the channel, and what ends them."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync

from channels_core.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels_core.exceptions import StopConsumer
from channels_core.layers import get_channel_layer
from channels_core.testing import ApplicationCommunicator

SCOPE = {"type": "test"}


class Echo(AsyncConsumer):
    async def say_hello(self, message):
        await self.send({"type": "said", "text": message["text"]})

    async def stop(self, message):
        raise StopConsumer


@pytest.fixture(autouse=True)
def in_memory_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}


@pytest.mark.parametrize(("type", "name"), [("say", "say"), ("say.hello", "say_hello"), ("a.b.c", "a_b_c")])
def test_the_handler_of_a_type_has_its_name_with_underscores(type, name):
    assert get_handler_name({"type": type}) == name


@pytest.mark.parametrize("type", ["_private", ".private"])
def test_no_type_reaches_a_private_method(type):
    with pytest.raises(ValueError, match=r"Malformed type in message \(leading underscore\)"):
        get_handler_name({"type": type})


def test_a_message_without_a_type_is_refused():
    with pytest.raises(ValueError):
        get_handler_name({"text": "hello"})


async def test_a_message_comes_to_its_handler_and_the_answer_to_the_client():
    communicator = ApplicationCommunicator(Echo(), SCOPE)

    await communicator.send_input({"type": "say.hello", "text": "hi"})

    assert await communicator.receive_output() == {"type": "said", "text": "hi"}
    await communicator.send_input({"type": "stop"})
    assert await communicator.wait() is None


async def test_a_type_without_a_handler_ends_the_consumer_with_an_error_that_names_it():
    communicator = ApplicationCommunicator(Echo.as_asgi(), SCOPE)

    await communicator.send_input({"type": "no.such"})

    with pytest.raises(ValueError, match=r"Echo.*no\.such"):
        await communicator.wait()


async def test_each_connection_has_a_consumer_of_its_own():
    seen = []

    class Remembers(Echo):
        def __init__(self, name):
            self.name = name

        async def say_hello(self, message):
            seen.append(self)
            await super().say_hello(message)

    application = Remembers.as_asgi(name="x")
    for _ in range(2):
        communicator = ApplicationCommunicator(application, SCOPE)
        await communicator.send_input({"type": "say.hello", "text": "hi"})
        await communicator.receive_output()
        await communicator.send_input({"type": "stop"})
        await communicator.wait()

    assert [consumer.name for consumer in seen] == ["x", "x"]
    assert seen[0] is not seen[1]


def test_an_application_tells_which_consumer_it_makes():
    application = Echo.as_asgi(colour="blue")

    assert application.consumer_class is Echo
    assert application.consumer_initkwargs == {"colour": "blue"}
    assert application.__name__ == "Echo"
    assert application.__doc__ == Echo.__doc__


async def test_the_channel_is_open_before_the_first_message_is_handled():
    channels = []

    class Looks(Echo):
        async def say_hello(self, message):
            channels.extend(get_channel_layer().channels)
            await super().say_hello(message)

    communicator = ApplicationCommunicator(Looks(), SCOPE)
    await communicator.send_input({"type": "say.hello", "text": "hi"})
    await communicator.receive_output()

    await get_channel_layer().send(channels[0], {"type": "say.hello", "text": "through the layer"})
    assert (await communicator.receive_output())["text"] == "through the layer"
    await communicator.send_input({"type": "stop"})
    await communicator.wait()
    assert get_channel_layer().channels == {}


async def test_a_consumer_without_a_layer_costs_no_channel():
    class Plain(Echo):
        channel_layer_alias = None

        async def say_hello(self, message):
            assert self.channel_layer is None
            assert not hasattr(self, "channel_name")
            await super().say_hello(message)

    communicator = ApplicationCommunicator(Plain(), SCOPE)
    await communicator.send_input({"type": "say.hello", "text": "hi"})

    assert (await communicator.receive_output())["text"] == "hi"
    assert get_channel_layer().channels == {}
    await communicator.send_input({"type": "stop"})
    await communicator.wait()


async def test_messages_of_client_and_layer_are_handled_one_at_a_time():
    running, most = 0, 0

    class Counts(Echo):
        async def say_hello(self, message):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            await super().say_hello(message)

    communicator = ApplicationCommunicator(Counts(), SCOPE)
    await communicator.send_input({"type": "say.hello", "text": "first"})
    await communicator.receive_output()
    [channel] = get_channel_layer().channels
    for number in range(5):
        await communicator.send_input({"type": "say.hello", "text": f"client {number}"})
        await get_channel_layer().send(channel, {"type": "say.hello", "text": f"layer {number}"})

    texts = [(await communicator.receive_output())["text"] for _ in range(10)]

    assert most == 1
    for source in ("client", "layer"):
        assert [text for text in texts if text.startswith(source)] == [f"{source} {number}" for number in range(5)]
    await communicator.send_input({"type": "stop"})
    await communicator.wait()


async def test_a_synchronous_consumer_works_in_a_thread_and_can_stop():
    class InThread(SyncConsumer):
        def say_hello(self, message):
            assert threading.current_thread() is not threading.main_thread()
            self.send({"type": "said", "text": message["text"]})

        def stop(self, message):
            raise StopConsumer

    communicator = ApplicationCommunicator(InThread.as_asgi(), SCOPE)
    await communicator.send_input({"type": "say.hello", "text": "hi"})
    assert await communicator.receive_output() == {"type": "said", "text": "hi"}
    await communicator.send_input({"type": "stop"})
    assert await communicator.wait() is None


async def test_receive_and_send_may_give_futures_instead_of_coroutines():
    inputs, outputs = asyncio.Queue(), []

    def receive():
        return asyncio.ensure_future(inputs.get())

    def send(message):
        outputs.append(message)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    inputs.put_nowait({"type": "say.hello", "text": "hi"})
    inputs.put_nowait({"type": "stop"})
    await Echo()(SCOPE, receive, send)

    assert outputs == [{"type": "said", "text": "hi"}]


def test_a_consumer_runs_without_a_loop_of_its_own():
    """As under a server that drives the application from synchronous code."""

    async def converse():
        communicator = ApplicationCommunicator(Echo(), SCOPE)
        await communicator.send_input({"type": "stop"})
        await communicator.wait()
        return "ended"

    assert async_to_sync(converse)() == "ended"

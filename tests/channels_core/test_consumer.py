"""Consumers by themselves: handlers, the channel, and what ends them."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model

from channels_core.consumer import AsyncConsumer, SyncConsumer, get_handler_name
from channels_core.db import database_sync_to_async
from channels_core.exceptions import StopConsumer
from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.layers import get_channel_layer
from channels_core.testing import ApplicationCommunicator, WebsocketCommunicator

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
    class Painted(Echo):
        """Has a colour."""

        def __init__(self, colour):
            self.colour = colour

    application = Painted.as_asgi(colour="blue")

    assert application.consumer_class is Painted
    assert application.consumer_initkwargs == {"colour": "blue"}
    assert application.__name__ == "Painted"
    assert application.__doc__ == "Has a colour."


@pytest.mark.parametrize("base", [AsyncConsumer, SyncConsumer, AsyncWebsocketConsumer])
def test_an_argument_that_nobody_takes_is_refused_when_the_routes_are_made(base):
    class Plain(base):
        pass

    class Takes(base):
        def __init__(self, colour, **others):
            super().__init__()

    with pytest.raises(TypeError, match="color"):
        Plain.as_asgi(color="blue")
    Takes.as_asgi(colour="blue", anything="goes")


@pytest.mark.parametrize("type", ["send", "close", "accept", "connect", "dispatch", "scope", "base.send", "as.asgi"])
async def test_a_message_reaches_no_method_of_the_runtime(type):
    """Not even one that a consumer overrides: it is called by us, and not by whoever knows the channel."""

    class Talks(AsyncWebsocketConsumer):
        async def send(self, text_data=None, **kwargs):
            raise AssertionError("called by a message")

        async def connect(self):
            await self.accept()

    socket = WebsocketCommunicator(Talks(), "/")
    await socket.connect()
    [channel] = get_channel_layer().channels

    await get_channel_layer().send(channel, {"type": type})

    with pytest.raises(ValueError, match="has no handler"):
        await socket.receive_output()


async def test_an_event_that_needs_no_database_makes_no_thread_hop(monkeypatch):
    """Nor does the clean-up at its end: the threads are for those who query."""
    submitted = []
    loop = asyncio.get_running_loop()
    run_in_executor = loop.run_in_executor
    monkeypatch.setattr(loop, "run_in_executor", lambda *args: submitted.append(args) or run_in_executor(*args))

    class Quick(AsyncWebsocketConsumer):
        groups = ["a"]

        async def ping(self, event):
            await self.send("pong")

    socket = WebsocketCommunicator(Quick(), "/")
    await socket.connect()
    for _ in range(3):
        await get_channel_layer().group_send("a", {"type": "ping"})
        assert await socket.receive_from() == "pong"
    await socket.disconnect()

    assert submitted == []


async def test_a_slow_query_of_one_user_does_not_delay_the_event_of_another():
    is_asked, may_answer = threading.Event(), threading.Event()

    def query():
        is_asked.set()
        assert may_answer.wait(10)

    class Asks(Echo):
        async def ask(self, message):
            await database_sync_to_async(query)()
            await self.send({"type": "answered"})

    slow, quick = (ApplicationCommunicator(Asks(), SCOPE) for _ in range(2))
    await slow.send_input({"type": "ask"})
    await asyncio.to_thread(is_asked.wait, 10)

    await quick.send_input({"type": "say.hello", "text": "hi"})
    assert (await quick.receive_output())["text"] == "hi"

    may_answer.set()
    assert await slow.receive_output() == {"type": "answered"}
    for communicator in (slow, quick):
        await communicator.send_input({"type": "stop"})
        await communicator.wait()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_pooled", [True, False])
async def test_connections_are_tidied_after_a_handler_that_has_queried_and_only_then(settings, monkeypatch, is_pooled):
    """Whether it went through database_sync_to_async or through the ORM's own coroutines."""
    settings.CHANNELS_DATABASE_THREADS = 2 if is_pooled else 1
    tidied = []
    monkeypatch.setattr("channels_core.db.close_old_connections", lambda: tidied.append(threading.current_thread()))
    users = get_user_model().objects

    class Asks(Echo):
        async def through_the_helper(self, message):
            await database_sync_to_async(users.count)()
            await self.send({"type": "answered"})

        async def through_the_orm(self, message):
            await users.acount()
            await self.send({"type": "answered"})

    async def told(inputs):
        """What a consumer does about these, without a communicator, which keeps connections."""
        messages, outputs = asyncio.Queue(), []
        for type in [*inputs, "stop"]:
            messages.put_nowait({"type": type, "text": ""})

        async def send(message):
            outputs.append(message)

        await Asks()(SCOPE, messages.get, send)
        return len(outputs)

    assert await told(["say.hello"] * 3) == 3
    assert tidied == []
    assert await told(["through.the.orm", "say.hello"]) == 2
    assert len(tidied) == 1
    assert await told(["through.the.helper", "say.hello"]) == 2
    assert len(tidied) == 3  # before and after, and not once more


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

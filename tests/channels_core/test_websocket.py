"""Websocket consumers: the handshake, frames, closing, groups, and a clean-up on every way out."""

import asyncio
import logging
import threading

import pytest

from channels_core.broadcast import broadcast, get_hub
from channels_core.db import database_sync_to_async
from channels_core.exceptions import AcceptConnection, DenyConnection, InvalidChannelLayerError, StopConsumer
from channels_core.generic.websocket import (
    AsyncJsonWebsocketConsumer,
    AsyncWebsocketConsumer,
    JsonWebsocketConsumer,
    WebsocketConsumer,
)
from channels_core.layers import get_channel_layer
from channels_core.testing import WebsocketCommunicator


@pytest.fixture(autouse=True)
def in_memory_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)


class SyncEcho(WebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data=text_data, bytes_data=bytes_data)


both = pytest.mark.parametrize("echo", [Echo, SyncEcho])


@both
async def test_text_and_binary_frames_go_both_ways(echo):
    socket = WebsocketCommunicator(echo.as_asgi(), "/")
    assert await socket.connect() == (True, None)

    for frame in ({"text_data": "hello"}, {"bytes_data": b"\0"}, {"text_data": ""}):
        await socket.send_to(**frame)
        assert await socket.receive_from() == next(iter(frame.values()))
    await socket.disconnect()


async def test_a_text_of_none_beside_bytes_is_a_binary_frame():
    """Some servers send both keys."""
    socket = WebsocketCommunicator(Echo(), "/")
    await socket.connect()

    await socket.send_input({"type": "websocket.receive", "text": None, "bytes": b"x"})

    assert await socket.receive_from() == b"x"
    await socket.disconnect()


async def test_the_accept_carries_subprotocol_and_headers_as_given():
    class Chooses(AsyncWebsocketConsumer):
        async def connect(self):
            assert self.scope["subprotocols"] == ["a", "b"]
            await self.accept("b", headers=[(b"x-name", b"value")])

    socket = WebsocketCommunicator(Chooses(), "/", subprotocols=["a", "b"])

    assert await socket.connect() == (True, "b")
    assert socket.response_headers == [(b"x-name", b"value")]
    await socket.disconnect()


@pytest.mark.parametrize(("error", "answer"), [(AcceptConnection, (True, None)), (DenyConnection, (False, 1000))])
async def test_connect_may_raise_its_answer(error, answer):
    class Answers(AsyncWebsocketConsumer):
        async def connect(self):
            raise error

    class SyncAnswers(WebsocketConsumer):
        def connect(self):
            raise error

    for consumer in (Answers, SyncAnswers):
        socket = WebsocketCommunicator(consumer(), "/")
        assert await socket.connect() == answer
        await socket.disconnect()


async def test_a_close_carries_its_code_as_an_integer_and_its_reason():
    class Closes(AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.close(code=4321, reason="enough")

    socket = WebsocketCommunicator(Closes(), "/")
    await socket.connect()

    assert await socket.receive_output() == {"type": "websocket.close", "code": 4321, "reason": "enough"}
    await socket.disconnect()


@pytest.mark.parametrize(("close", "code"), [(True, None), (4000, 4000)])
async def test_send_can_close_behind_the_frame(close, code):
    class Once(AsyncWebsocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            await self.send("bye", close=close)

    socket = WebsocketCommunicator(Once(), "/")
    await socket.connect()
    await socket.send_to("hello")

    assert await socket.receive_from() == "bye"
    assert (await socket.receive_output()).get("code") == code
    await socket.disconnect()


@both
async def test_sending_after_the_close_is_quiet(echo):
    class Talks(echo):
        pass

    if echo is Echo:

        async def receive(self, text_data=None, bytes_data=None):
            await self.close()
            await self.send("too late")
            await self.close(code=4000)
    else:

        def receive(self, text_data=None, bytes_data=None):
            self.close()
            self.send("too late")
            self.close(code=4000)

    Talks.receive = receive
    socket = WebsocketCommunicator(Talks(), "/")
    await socket.connect()
    await socket.send_to("hello")

    assert await socket.receive_output() == {"type": "websocket.close"}
    assert await socket.receive_nothing()
    await socket.disconnect()


async def test_sending_nothing_is_an_error():
    class Silent(AsyncWebsocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            await self.send()

    socket = WebsocketCommunicator(Silent(), "/")
    await socket.connect()
    await socket.send_to("hello")

    with pytest.raises(ValueError):
        await socket.receive_from()


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_a_consumer_is_in_its_groups_while_it_is_connected(base):
    class Member(base):
        groups = ["a", "b"]

    socket = WebsocketCommunicator(Member.as_asgi(), "/")
    await socket.connect()
    assert sorted(get_channel_layer().groups) == ["a", "b"]

    await socket.disconnect()

    assert get_channel_layer().groups == {}


async def test_groups_without_a_layer_are_an_error_that_says_what_is_missing(settings):
    settings.CHANNEL_LAYERS = {}

    class Member(AsyncWebsocketConsumer):
        groups = ["a"]

    with pytest.raises(InvalidChannelLayerError, match="CHANNEL_LAYERS"):
        await WebsocketCommunicator(Member(), "/").connect()


async def test_events_of_the_layer_have_handlers_of_their_own():
    class Listens(AsyncWebsocketConsumer):
        groups = ["a"]

        async def chat_message(self, event):
            await self.send(event["text"])

    socket = WebsocketCommunicator(Listens(), "/")
    await socket.connect()

    await get_channel_layer().group_send("a", {"type": "chat.message", "text": "hello"})

    assert await socket.receive_from() == "hello"
    await socket.disconnect()


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_a_consumer_subscribes_to_broadcasts_and_what_happens_meanwhile_follows(base):
    if base is AsyncWebsocketConsumer:

        class Subscribes(base):
            async def connect(self):
                await self.accept()
                async with self.subscribing("a"):
                    await broadcast("a", {"n": 1})
                    await self.send("welcome")
                await self.subscribe("b")

            async def receive(self, text_data=None, bytes_data=None):
                await self.unsubscribe(text_data)
                await self.send("done")
    else:

        class Subscribes(base):
            def connect(self):
                from channels_core.broadcast import broadcast_sync

                self.accept()
                with self.subscribing("a"):
                    broadcast_sync("a", {"n": 1})
                    self.send("welcome")
                self.subscribe("b")

            def receive(self, text_data=None, bytes_data=None):
                self.unsubscribe(text_data)
                self.send("done")

    socket = WebsocketCommunicator(Subscribes.as_asgi(), "/")
    await socket.connect()
    assert await socket.receive_from() == "welcome"
    assert await socket.receive_json_from() == {"n": 1}
    await socket.send_to("b")
    assert await socket.receive_from() == "done"

    await broadcast("b", {"nobody": "hears"})
    await broadcast("a", {"n": 2})

    assert await socket.receive_json_from() == {"n": 2}
    await socket.disconnect()
    assert get_hub()._members == {}


# What ends a connection, and how the client's side plays its part.


async def client_leaves(socket):
    await socket.disconnect(code=4001)


async def client_asks(socket, word):
    await socket.send_to(word)


async def is_cancelled(socket):
    socket.future.cancel()


ENDS = {
    "client": (client_leaves, 4001, None),
    "error in receive": (lambda socket: client_asks(socket, "fail"), 1011, ZeroDivisionError),
    "StopConsumer": (lambda socket: client_asks(socket, "stop"), 1006, None),
    "cancellation": (is_cancelled, 1006, asyncio.CancelledError),
}


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
@pytest.mark.parametrize("end", ENDS)
async def test_disconnect_runs_once_and_nothing_stays_whatever_ends_the_connection(base, end):
    act, code, error = ENDS[end]
    codes = []

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "fail":
            raise ZeroDivisionError
        raise StopConsumer

    if base is AsyncWebsocketConsumer:

        class Ends(base):
            groups = ["a"]

            async def connect(self):
                await self.accept()
                await self.subscribe("b")

            async def receive(self, text_data=None, bytes_data=None):
                receive(self, text_data)

            async def disconnect(self, code):
                codes.append(code)
    else:

        class Ends(base):
            groups = ["a"]

            def connect(self):
                self.accept()
                self.subscribe("b")

            def disconnect(self, code):
                codes.append(code)

        Ends.receive = receive

    before = asyncio.all_tasks()
    socket = WebsocketCommunicator(Ends.as_asgi(), "/")
    await socket.connect()
    await act(socket)
    if error:
        with pytest.raises(error):
            await asyncio.wait_for(socket.future, 5)
    else:
        await asyncio.wait_for(socket.future, 5)

    assert codes == [code]
    layer = get_channel_layer()
    assert layer.channels == layer.groups == get_hub()._members == {}
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("base", [AsyncWebsocketConsumer, WebsocketConsumer])
async def test_disconnect_runs_after_an_error_in_connect(base):
    codes = []

    def disconnect(self, code):
        codes.append(code)

    async def disconnect_async(self, code):
        codes.append(code)

    def connect(self):
        raise ZeroDivisionError

    is_async = base is AsyncWebsocketConsumer
    members = {"connect": connect, "disconnect": disconnect_async if is_async else disconnect}
    consumer = type("Fails", (base,), members)

    with pytest.raises(ZeroDivisionError):
        await WebsocketCommunicator(consumer(), "/").connect()

    assert codes == [1011]


async def test_an_error_in_a_layer_handler_ends_the_connection_in_the_same_way():
    codes = []

    class Fails(AsyncWebsocketConsumer):
        groups = ["a"]

        async def go_wrong(self, event):
            raise ZeroDivisionError

        async def disconnect(self, code):
            codes.append(code)

    socket = WebsocketCommunicator(Fails(), "/")
    await socket.connect()
    await get_channel_layer().group_send("a", {"type": "go.wrong"})

    with pytest.raises(ZeroDivisionError):
        await socket.receive_output()
    assert codes == [1011]


@pytest.mark.django_db(transaction=True)  # without a communicator, old connections are looked at
async def test_an_error_is_logged_with_who_and_where_and_closes_with_1011(caplog):
    class Fails(AsyncWebsocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            raise ZeroDivisionError

    class User:
        pk = 7

    sent, inputs = [], asyncio.Queue()
    for message in ({"type": "websocket.connect"}, {"type": "websocket.receive", "text": "secret"}):
        inputs.put_nowait(message)

    async def send(message):
        sent.append(message)

    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError):
        await Fails()({"type": "websocket", "path": "/ws/x/", "user": User()}, inputs.get, send)

    assert sent[-1] == {"type": "websocket.close", "code": 1011}
    [record] = caplog.records
    for part in ("Fails", "websocket.receive", "/ws/x/", "7"):
        assert part in record.getMessage()
    assert "secret" not in caplog.text


async def test_one_consumer_object_can_serve_one_connection_after_another():
    echo = Echo()
    for _ in range(2):
        socket = WebsocketCommunicator(echo, "/")
        await socket.connect()
        await socket.send_to("hello")
        assert await socket.receive_from() == "hello"
        await socket.disconnect()


@pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])
async def test_json_frames_are_decoded_and_encoded(base):
    if base is AsyncJsonWebsocketConsumer:

        class Doubles(base):
            async def receive_json(self, content, **kwargs):
                await self.send_json({"doubled": content["n"] * 2})
    else:

        class Doubles(base):
            def receive_json(self, content, **kwargs):
                self.send_json({"doubled": content["n"] * 2})

    socket = WebsocketCommunicator(Doubles.as_asgi(), "/")
    await socket.connect()
    await socket.send_json_to({"n": 21})

    assert await socket.receive_json_from() == {"doubled": 42}
    await socket.disconnect()


@pytest.mark.parametrize("base", [AsyncJsonWebsocketConsumer, JsonWebsocketConsumer])
@pytest.mark.parametrize("frame", [{"bytes_data": b"{}"}, {"text_data": ""}, {"text_data": "{"}])
async def test_what_is_no_json_text_is_a_value_error(base, frame):
    socket = WebsocketCommunicator(base.as_asgi(), "/")
    await socket.connect()
    await socket.send_to(**frame)

    with pytest.raises(ValueError):
        await socket.receive_from()


async def test_consumers_may_use_several_layers_each_by_its_alias(settings):
    backend = {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}
    settings.CHANNEL_LAYERS = {"default": backend, "other": backend}

    class Elsewhere(AsyncWebsocketConsumer):
        channel_layer_alias = broadcast_layer_alias = "other"
        groups = ["a"]

        async def connect(self):
            await self.subscribe("b")
            await self.accept()

        async def told(self, event):
            await self.send(event["text"])

    socket = WebsocketCommunicator(Elsewhere(), "/")
    await socket.connect()

    await get_channel_layer("default").group_send("a", {"type": "told", "text": "by the default layer"})
    await broadcast("b", {"by": "the default layer"})
    await get_channel_layer("other").group_send("a", {"type": "told", "text": "by the other"})
    assert await socket.receive_from() == "by the other"
    await broadcast("b", {"by": "the other"}, using="other")
    assert await socket.receive_json_from() == {"by": "the other"}
    await socket.disconnect()


async def test_the_database_work_of_several_sockets_overlaps(settings):
    """Shown by a barrier that only as many handlers at the same time can pass."""
    settings.CHANNELS_DATABASE_THREADS = 3
    barrier = threading.Barrier(3)

    class Asks(AsyncWebsocketConsumer):
        async def receive(self, text_data=None, bytes_data=None):
            await database_sync_to_async(barrier.wait)(5)
            await self.send("passed")

    class SyncAsks(WebsocketConsumer):
        def receive(self, text_data=None, bytes_data=None):
            barrier.wait(5)
            self.send("passed")

    sockets = [WebsocketCommunicator(consumer(), "/") for consumer in (Asks, Asks, SyncAsks)]
    for socket in sockets:
        await socket.connect()
    for socket in sockets:
        await socket.send_to("query")

    assert [await socket.receive_from(timeout=5) for socket in sockets] == ["passed"] * 3
    for socket in sockets:
        await socket.disconnect()

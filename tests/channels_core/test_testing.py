"""The communicators that tests talk through."""

import asyncio

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TestCase

from channels_core.consumer import AsyncConsumer
from channels_core.db import database_sync_to_async, keep_connections
from channels_core.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels_core.testing import ApplicationCommunicator, WebsocketCommunicator


async def websocket(scope, receive, send):
    """Accepts, sends every frame back as it came, ends when the client leaves."""
    while True:
        message = await receive()
        match message["type"]:
            case "websocket.connect":
                await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
            case "websocket.receive":
                await send({**message, "type": "websocket.send"})
            case "websocket.disconnect":
                return


def answers(*messages):
    """An application that answers the first message with these."""

    async def application(scope, receive, send):
        await receive()
        for message in messages:
            await send(message)
        await receive()

    return application


class Boom(Exception):
    pass


# The websocket's scope


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("/ws/", "/ws/", b""),
        ("/ws/?a=b&c=%20", "/ws/", b"a=b&c=%20"),
        ("/caf%C3%A9%20x/", "/café x/", b""),
        ("/a;b=c/", "/a;b=c/", b""),
        ("wss://user:secret@example.com:8080/p/a/t/h?query=string#hash", "/p/a/t/h", b"query=string"),
    ],
)
def test_the_scope_is_that_of_the_url(url, path, query):
    communicator = WebsocketCommunicator(websocket, url, headers=[(b"a", b"b")], subprotocols=["chat"])
    assert communicator.scope == {
        "type": "websocket",
        "path": path,
        "query_string": query,
        "headers": [(b"a", b"b")],
        "subprotocols": ["chat"],
    }


def test_the_spec_version_is_in_the_scope():
    assert WebsocketCommunicator(websocket, "/", spec_version="2.1").scope["spec_version"] == "2.1"


@pytest.mark.parametrize("path", [None, b"/", 7])
def test_a_path_that_is_no_str_is_a_type_error(path):
    with pytest.raises(TypeError):
        WebsocketCommunicator(websocket, path)


# Connecting and leaving


async def test_an_accepted_connection_tells_the_subprotocol():
    communicator = WebsocketCommunicator(websocket, "/", subprotocols=["chat", "other"])
    assert communicator.response_headers is None

    assert await communicator.connect() == (True, "chat")
    assert communicator.response_headers == []
    await communicator.disconnect()
    assert communicator.future.done()


async def test_headers_of_the_acceptance_are_kept():
    communicator = WebsocketCommunicator(answers({"type": "websocket.accept", "headers": [[b"a", b"b"]]}), "/")
    assert await communicator.connect() == (True, None)
    assert communicator.response_headers == [[b"a", b"b"]]
    await communicator.disconnect()


@pytest.mark.parametrize(
    ("message", "result"),
    [({"type": "websocket.close"}, (False, 1000)), ({"type": "websocket.close", "code": 4001}, (False, 4001))],
)
async def test_a_refused_connection_tells_the_code(message, result):
    communicator = WebsocketCommunicator(answers(message), "/")
    assert await communicator.connect() == result
    await communicator.disconnect()


async def test_a_connection_answered_otherwise_is_an_assertion_error():
    communicator = WebsocketCommunicator(answers({"type": "websocket.send", "text": ""}), "/")
    with pytest.raises(AssertionError, match=r"'websocket\.accept'"):
        await communicator.connect()
    await communicator.disconnect()


# Frames


@pytest.fixture
async def echo():
    communicator = WebsocketCommunicator(websocket, "/")
    await communicator.connect()
    yield communicator
    await communicator.disconnect()


@pytest.mark.parametrize("text", ["hello", "", "ü"])
async def test_text_comes_back_as_text(echo, text):
    await echo.send_to(text_data=text)
    assert await echo.receive_from() == text


@pytest.mark.parametrize("data", [b"hello", b"", b"\xff"])
async def test_bytes_come_back_as_bytes(echo, data):
    await echo.send_to(bytes_data=data)
    assert await echo.receive_from() == data


async def test_json_comes_back_as_json(echo):
    await echo.send_json_to({"a": [1, None]})
    assert await echo.receive_json_from() == {"a": [1, None]}


async def test_json_comes_in_text_frames(echo):
    await echo.send_to(bytes_data=b"{}")
    with pytest.raises(AssertionError):
        await echo.receive_json_from()


@pytest.mark.parametrize(
    "frame", [{}, {"text_data": "a", "bytes_data": b"a"}, {"text_data": b"a"}, {"bytes_data": "a"}]
)
async def test_a_frame_is_either_text_or_bytes(echo, frame):
    with pytest.raises(AssertionError):
        await echo.send_to(**frame)


@pytest.mark.parametrize(
    "content", [{}, {"text": "a", "bytes": b"a"}, {"text": "a", "bytes": None}, {"text": b"a"}, {"bytes": "a"}]
)
async def test_what_the_application_sends_is_either_text_or_bytes(content):
    communicator = WebsocketCommunicator(
        answers({"type": "websocket.accept"}, {"type": "websocket.send", **content}), "/"
    )
    await communicator.connect()
    with pytest.raises(AssertionError):
        await communicator.receive_from()
    await communicator.disconnect()


async def test_a_close_instead_of_a_frame_is_told_as_such():
    communicator = WebsocketCommunicator(
        answers({"type": "websocket.accept"}, {"type": "websocket.close", "code": 4003}), "/"
    )
    await communicator.connect()
    with pytest.raises(AssertionError) as raised:
        await communicator.receive_from()
    assert str(raised.value) == "Expected type 'websocket.send', but was 'websocket.close'"
    await communicator.disconnect()


async def test_nothing_to_receive_is_told(echo):
    assert await echo.receive_nothing()
    await echo.send_to(text_data="hello")
    await echo.receive_from()
    assert await echo.receive_nothing()


async def test_after_waiting_in_vain_the_application_is_cancelled():
    communicator = WebsocketCommunicator(websocket, "/")
    await communicator.connect()

    with pytest.raises(TimeoutError):
        await communicator.receive_from(timeout=0.01)
    with pytest.raises(asyncio.CancelledError):
        await communicator.disconnect()


# Applications that fail


class Fails(AsyncWebsocketConsumer):
    channel_layer_alias = None

    async def receive(self, text_data=None, bytes_data=None):
        raise Boom(text_data)


async def test_the_exception_of_a_handler_is_what_the_next_receive_raises():
    """Behind a close with 1011 the test would have to guess."""
    communicator = WebsocketCommunicator(Fails.as_asgi(), "/")
    await communicator.connect()
    await communicator.send_to(text_data="hello")

    with pytest.raises(Boom, match="hello") as raised:
        await communicator.receive_from()
    assert any(entry.name == "receive" for entry in raised.traceback)


async def test_an_exception_that_comes_after_some_clean_up_is_waited_for():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.close", "code": 1011})
        for _ in range(10):
            await asyncio.sleep(0)
        raise Boom

    with pytest.raises(Boom):
        await WebsocketCommunicator(application, "/").connect()


async def test_a_close_by_an_application_that_ended_well_is_a_close():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.close", "code": 1011})

    communicator = ApplicationCommunicator(application, {"type": "websocket"})
    await communicator.send_input({"type": "websocket.connect"})
    assert await communicator.receive_output() == {"type": "websocket.close", "code": 1011}


async def test_what_ended_the_application_is_raised_by_waiting_for_it():
    async def application(scope, receive, send):
        raise Boom

    with pytest.raises(Boom):
        await ApplicationCommunicator(application, {"type": "http"}).wait()


# Database connections


async def test_only_the_application_that_is_driven_keeps_its_connections():
    """Two at once do not get in each other's way, and the test itself is not touched."""

    async def application(scope, receive, send):
        await receive()
        await send({"kept": keep_connections.get(), "type": "in its task"})
        in_a_task = asyncio.create_task(database_sync_to_async(keep_connections.get)())
        await send({"kept": await in_a_task, "type": "in a thread of a task of its own"})

    communicators = [ApplicationCommunicator(application, {"type": "x"}) for _ in range(2)]
    for communicator in communicators:
        await communicator.send_input({"type": "go"})
    for communicator in communicators:
        assert (await communicator.receive_output())["kept"] is True
        assert (await communicator.receive_output())["kept"] is True
        await communicator.wait()

    assert keep_connections.get() is False


class CountsAsynchronously(AsyncWebsocketConsumer):
    channel_layer_alias = None

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=str(await get_user_model().objects.acount()))
        await self.send(text_data=str(await database_sync_to_async(get_user_model().objects.count)()))


class Counts(WebsocketConsumer):
    channel_layer_alias = None

    def receive(self, text_data=None, bytes_data=None):
        for _ in range(2):
            self.send(text_data=str(get_user_model().objects.count()))


class CountsPeople(AsyncConsumer):
    channel_layer_alias = None

    async def count(self, message):
        for _ in range(2):
            people = await database_sync_to_async(get_user_model().objects.count)()
            await self.send({"type": "counted", "people": people})


class InsideATransactionTests(TestCase):
    """A test case of Django's runs in a transaction, which ends with its connection."""

    def setUp(self):
        get_user_model().objects.create_user(username="ada")
        self.connection = connection.connection

    def tearDown(self):
        assert connection.connection is self.connection
        assert get_user_model().objects.count() == 1

    async def count_through(self, consumer):
        communicator = WebsocketCommunicator(consumer.as_asgi(), "/")
        await communicator.connect()
        for _ in range(2):
            await communicator.send_to(text_data="count")
            assert await communicator.receive_from() == "1"
            assert await communicator.receive_from() == "1"
        assert await communicator.receive_nothing()
        await communicator.disconnect()

    async def test_an_asynchronous_consumer_sees_what_the_test_has_stored(self):
        await self.count_through(CountsAsynchronously)

    async def test_a_synchronous_consumer_sees_what_the_test_has_stored(self):
        await self.count_through(Counts)

    async def test_two_consumers_at_once_see_it(self):
        await asyncio.gather(*(self.count_through(CountsAsynchronously) for _ in range(2)))

    async def test_any_application_sees_it(self):
        communicator = ApplicationCommunicator(CountsPeople.as_asgi(), {"type": "count"})
        await communicator.send_input({"type": "count"})
        for _ in range(2):
            assert await communicator.receive_output() == {"type": "counted", "people": 1}
        communicator.stop()

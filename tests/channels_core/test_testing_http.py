"""The communicator that requests are made through."""

import pytest
from django.contrib.auth import get_user_model
from django.core.asgi import get_asgi_application
from django.test import TestCase

from channels_core.db import database_sync_to_async, keep_connections
from channels_core.generic.http import AsyncHttpConsumer
from channels_core.testing import HttpCommunicator


def answers(*messages):
    """An application that takes one message and answers with these; it ends when there is another."""

    async def application(scope, receive, send):
        application.request = await receive()
        for message in messages:
            await send(dict(message))
        application.end = await receive()

    return application


START = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body", "body": b"x"}


@pytest.mark.parametrize(
    ("url", "path", "query"),
    [
        ("/a/", "/a/", b""),
        ("/a/?b=c&d=%20", "/a/", b"b=c&d=%20"),
        ("/caf%C3%A9%20x/", "/café x/", b""),
        ("/a;b=c/", "/a;b=c/", b""),
        ("http://example.com:8080/p/a/t/h?query=string#hash", "/p/a/t/h", b"query=string"),
    ],
)
def test_the_scope_is_that_of_the_request(url, path, query):
    communicator = HttpCommunicator(answers(), "get", url, headers=((b"a", b"b"),))
    assert communicator.scope == {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "query_string": query,
        "headers": [(b"a", b"b")],
    }


def test_headers_may_be_left_out():
    assert HttpCommunicator(answers(), "GET", "/").scope["headers"] == []


@pytest.mark.parametrize("body", ["text", None])
def test_a_body_that_is_not_bytes_is_an_assertion_error(body):
    with pytest.raises(AssertionError, match=type(body).__name__):
        HttpCommunicator(answers(), "POST", "/", body=body)


async def test_the_request_is_one_message_with_its_body():
    application = answers(START, BODY)
    await HttpCommunicator(application, "POST", "/", body=b"hello").get_response()
    assert application.request == {"type": "http.request", "body": b"hello"}


async def test_a_response_is_a_dict():
    headers = [[b"a", b"b"]]
    communicator = HttpCommunicator(answers({**START, "status": 404, "headers": headers}, BODY), "GET", "/")
    assert await communicator.get_response() == {"status": 404, "headers": headers, "body": b"x"}


async def test_a_response_without_headers_has_none():
    assert (await HttpCommunicator(answers(START, BODY), "GET", "/").get_response())["headers"] == []


async def test_parts_of_a_body_are_joined():
    parts = [{**BODY, "more_body": True}, {"type": "http.response.body", "more_body": True}, {**BODY, "body": b"y"}]
    assert (await HttpCommunicator(answers(START, *parts), "GET", "/").get_response())["body"] == b"xy"


async def test_the_request_is_sent_once():
    application = answers(START, BODY, START, {**BODY, "body": b"again"})
    communicator = HttpCommunicator(application, "GET", "/")
    await communicator.send_request()
    await communicator.send_request()

    assert (await communicator.get_response())["body"] == b"x"
    assert (await communicator.get_response())["body"] == b"again"
    await communicator.disconnect()
    assert application.end == {"type": "http.disconnect"}


@pytest.mark.parametrize("messages", [[BODY], [START, START], [START, {**BODY, "more_body": True}, START]])
async def test_messages_in_another_order_are_an_assertion_error(messages):
    with pytest.raises(AssertionError, match=r"Expected type 'http\.response\.(start|body)', but was 'http\."):
        await HttpCommunicator(answers(*messages), "GET", "/").get_response()


async def test_the_timeout_is_for_each_message():
    """A response that takes longer in all is fine, as long as it goes on."""

    class Notes(HttpCommunicator):
        timeouts = []

        async def receive_output(self, timeout=1):  # noqa: ASYNC109
            self.timeouts.append(timeout)
            return await super().receive_output(timeout)

    await Notes(answers(START, {**BODY, "more_body": True}, BODY), "GET", "/").get_response(timeout=7)
    assert Notes.timeouts == [7, 7, 7]


async def test_an_answer_that_does_not_come_is_a_timeout():
    communicator = HttpCommunicator(answers(START), "GET", "/")
    with pytest.raises(TimeoutError):
        await communicator.get_response(timeout=0.01)
    assert communicator.future.cancelled()


async def test_an_error_of_the_application_comes_out():
    async def application(scope, receive, send):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await HttpCommunicator(application, "GET", "/").get_response()


async def test_leaving_waits_until_the_application_has_ended():
    application = answers(START)
    communicator = HttpCommunicator(application, "GET", "/")
    await communicator.send_request()
    await communicator.receive_output()

    await communicator.disconnect()

    assert communicator.future.done()
    assert application.end == {"type": "http.disconnect"}


class Counts(AsyncHttpConsumer):
    channel_layer_alias = None

    async def handle(self, body):
        assert keep_connections.get()
        people = await database_sync_to_async(get_user_model().objects.count)()
        await self.send_response(200, b"%d" % people)


class InsideATransactionTests(TestCase):
    """A test case of Django's runs in a transaction, which ends with its connection."""

    async def test_a_consumer_sees_what_the_test_has_stored(self):
        await get_user_model().objects.acreate(username="ada")
        for _ in range(2):
            assert (await HttpCommunicator(Counts.as_asgi(), "GET", "/").get_response())["body"] == b"1"
        assert await get_user_model().objects.acount() == 1

    async def test_a_page_of_django_is_an_application_too(self):
        communicator = HttpCommunicator(
            get_asgi_application(), "GET", "/accounts/login/", headers=[(b"host", b"localhost")]
        )
        response = await communicator.get_response(timeout=10)
        assert response["status"] == 200
        assert b"<form" in response["body"]
        await communicator.wait()

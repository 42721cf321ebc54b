"""HTTP consumers: answers at once, in parts and late, and a clean-up on every way out."""

import asyncio
import logging

import pytest
from django.contrib.auth import get_user_model

from channels_core.exceptions import StopConsumer
from channels_core.generic.http import AsyncHttpConsumer
from channels_core.layers import get_channel_layer
from channels_core.testing import HttpCommunicator
from tests.servers import until


@pytest.fixture(autouse=True)
def in_memory_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}


class Boom(Exception):
    pass


class Notes(AsyncHttpConsumer):
    """Notes what happens to it; ``notes`` is emptied by the fixture below."""

    notes = []

    async def handle(self, body):
        self.notes.append(("handle", body))
        await self.send_response(200, b"You said: " + body, headers=[(b"content-type", b"text/plain")])

    async def disconnect(self):
        self.notes.append("disconnect")

    async def part(self, message):
        await self.send_body(message["text"].encode(), more_body=message.get("more", False))


@pytest.fixture(autouse=True)
def notes():
    Notes.notes.clear()
    return Notes.notes


@pytest.fixture(autouse=True)
def nothing_fails_unseen(caplog):
    """Errors in callbacks and in tasks that nobody awaits come to this logger only."""
    yield
    assert [record for record in caplog.get_records("call") if record.name == "asyncio"] == []


class Waits(Notes):
    """Waits in ``handle``, with or without having begun to answer."""

    begins = True

    async def handle(self, body):
        if self.begins:
            await self.send_headers()
            await self.send_body(b"", more_body=True)
        self.notes.append("waiting")
        self.is_waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.notes.append("cancelled")

    def __init__(self):
        super().__init__()
        self.is_waiting = asyncio.Event()


class LongPoll(Notes):
    """Answers when somebody sends to the group ``news``."""

    async def handle(self, body):
        await self.channel_layer.group_add("news", self.channel_name)
        self.notes.append("joined")

    async def news(self, message):
        await self.send_response(200, message["text"].encode())

    async def disconnect(self):
        await self.channel_layer.group_discard("news", self.channel_name)
        await super().disconnect()


class ServerSentEvents(LongPoll):
    """Begins to answer at once, and sends an event each time."""

    async def handle(self, body):
        await super().handle(body)
        await self.send_headers(headers={b"content-type": b"text/event-stream"})
        await self.send_body(b"", more_body=True)

    async def news(self, message):
        await self.send_body(f"data: {message['text']}\n\n".encode(), more_body=True)


def get(consumer, **kwargs):
    return HttpCommunicator(consumer, "GET", "/", **kwargs)


def begun(message):
    return {"type": "http.response.start", "status": 200, "headers": message}


def part(body, more_body=True):
    return {"type": "http.response.body", "body": body, "more_body": more_body}


# Answering


async def test_a_request_is_answered_and_the_consumer_ends(notes):
    client = get(Notes.as_asgi(), body=b"hello")

    assert await client.get_response() == {
        "status": 200,
        "headers": [(b"content-type", b"text/plain")],
        "body": b"You said: hello",
    }
    assert await client.wait() is None
    assert notes == [("handle", b"hello"), "disconnect"]
    assert get_channel_layer().channels == {}


async def test_a_response_is_a_start_and_one_last_part():
    client = get(Notes(), body=b"x")
    await client.send_request()

    assert (await client.receive_output())["type"] == "http.response.start"
    assert await client.receive_output() == part(b"You said: x", more_body=False)


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ({}, []),
        ({"headers": None}, []),
        ({"headers": {b"a": b"b", b"c": b"d"}}, [(b"a", b"b"), (b"c", b"d")]),
        ({"headers": [(b"a", b"b"), (b"a", b"c")]}, [(b"a", b"b"), (b"a", b"c")]),
        ({"headers": ((b"a", b"b"),)}, ((b"a", b"b"),)),
    ],
)
async def test_headers_may_be_left_out_or_a_dict_or_pairs(headers, sent):
    class Heads(Notes):
        async def handle(self, body):
            await self.send_response(204, b"", **headers)

    response = await get(Heads()).get_response()
    assert response == {"status": 204, "headers": sent, "body": b""}


async def test_an_answer_comes_in_parts():
    class Parts(Notes):
        async def handle(self, body):
            await self.send_headers()
            for text in (b"a", b"b"):
                await self.send_body(text, more_body=True)
            await self.send_body(b"c")

    client = get(Parts())
    await client.send_request()

    assert [await client.receive_output() for _ in range(4)] == [
        begun([]),
        part(b"a"),
        part(b"b"),
        part(b"c", more_body=False),
    ]


@pytest.mark.parametrize("body", ["text", None, bytearray(b"x")])
async def test_a_body_that_is_not_bytes_is_refused(body):
    class Sends(Notes):
        async def handle(self, _):
            await self.send_response(200, body)

    with pytest.raises(AssertionError, match=type(body).__name__):
        await get(Sends()).get_response()


async def test_a_consumer_without_handle_says_what_it_lacks():
    with pytest.raises(NotImplementedError, match=r"AsyncHttpConsumer.*handle"):
        await get(AsyncHttpConsumer()).get_response()


async def test_what_is_sent_behind_the_response_is_dropped():
    class SendsTwice(Notes):
        async def handle(self, body):
            await super().handle(body)
            await super().handle(body)

    client = get(SendsTwice())
    await client.get_response()
    await client.wait()
    assert client.output_queue.empty()


# The request's body


async def test_fragments_of_a_body_are_handled_as_one(notes):
    """The last is here before the first is handled, which does not make the first the body."""

    class Slow(Notes):
        async def dispatch(self, message):
            for _ in range(10):
                await asyncio.sleep(0)
            await super().dispatch(message)

    client = get(Slow())
    await client.send_input({"type": "http.request", "body": b"a", "more_body": True})
    await client.send_input({"type": "http.request", "more_body": True})
    await client.send_input({"type": "http.request", "body": b"b", "more_body": True})
    await client.send_input({"type": "http.request", "body": b"c"})
    client.sent_request = True

    assert (await client.get_response())["body"] == b"You said: abc"
    assert notes[0] == ("handle", b"abc")


async def test_the_body_of_an_earlier_request_is_forgotten():
    consumer = Notes()
    for body in (b"first", b"second"):
        client = get(consumer, body=body)
        assert (await client.get_response())["body"] == b"You said: " + body
        await client.wait()


class Small(Notes):
    max_body_bytes = 4


async def test_a_body_of_the_greatest_length_is_handled():
    assert (await get(Small(), body=b"1234").get_response())["status"] == 200


@pytest.mark.parametrize("more_body", [True, False])
async def test_a_body_beyond_the_limit_is_refused_before_its_rest_comes(notes, more_body):
    client = get(Small())
    client.sent_request = True
    await client.send_input({"type": "http.request", "body": b"123", "more_body": True})
    await client.send_input({"type": "http.request", "body": b"45", "more_body": more_body})

    response = await client.get_response()

    assert response["status"] == 413
    assert b"4 bytes" in response["body"]
    await client.wait()
    assert notes == ["disconnect"]


async def test_a_body_that_does_not_come_in_time_is_refused(notes):
    class Hurried(Notes):
        body_timeout_s = 0.01

    client = get(Hurried())
    client.sent_request = True
    await client.send_input({"type": "http.request", "body": b"1", "more_body": True})

    response = await client.get_response()

    assert response["status"] == 408
    assert b"0.01 s" in response["body"]
    await client.wait()
    assert notes == ["disconnect"]


async def test_the_time_for_a_body_is_not_the_time_for_an_answer():
    class HurriedLongPoll(LongPoll):
        body_timeout_s = 0.01

    client = get(HurriedLongPoll())
    await client.send_request()

    assert await client.receive_nothing(timeout=0.05)
    await get_channel_layer().group_send("news", {"type": "news", "text": "late"})
    assert (await client.get_response())["body"] == b"late"


async def test_a_refusal_does_not_come_on_top_of_an_answer(notes):
    """An event may answer before all of the request is here."""

    class Hasty(Small):
        async def news(self, message):
            await self.send_headers()
            await self.send_body(b"early", more_body=True)

    client = get(Hasty())
    await client.send_input({"type": "http.request", "body": b"123", "more_body": True})
    await until(lambda: get_channel_layer().channels)
    await get_channel_layer().send(next(iter(get_channel_layer().channels)), {"type": "news"})
    assert [await client.receive_output() for _ in range(2)] == [begun([]), part(b"early")]

    await client.send_input({"type": "http.request", "body": b"45"})

    await client.wait()
    assert client.output_queue.empty()
    assert notes == ["disconnect"]


async def test_a_timeout_of_the_server_is_passed_on_as_itself():
    async def receive():
        raise TimeoutError("of the server")

    with pytest.raises(TimeoutError, match="of the server"):
        await Notes()({"type": "http"}, receive, None)


# Answering later


async def test_an_event_answers_after_handle_has_returned(notes):
    client = get(LongPoll())
    await client.send_request()
    await until(lambda: "joined" in notes)
    assert await client.receive_nothing(timeout=0.01)

    await get_channel_layer().group_send("news", {"type": "news", "text": "at last"})

    assert (await client.get_response())["body"] == b"at last"
    await client.wait()
    assert notes == ["joined", "disconnect"]
    assert get_channel_layer().groups == {}
    assert get_channel_layer().channels == {}


async def test_events_go_on_with_a_response_until_the_client_leaves(notes):
    client = get(ServerSentEvents())
    await client.send_request()
    assert await client.receive_output() == begun([(b"content-type", b"text/event-stream")])
    assert await client.receive_output() == part(b"")

    for number in range(3):
        await get_channel_layer().group_send("news", {"type": "news", "text": str(number)})
        assert await client.receive_output() == part(b"data: %d\n\n" % number)
    await client.disconnect()

    assert notes == ["joined", "disconnect"]
    assert get_channel_layer().groups == {}
    assert client.output_queue.empty()


async def test_the_last_part_of_a_response_ends_the_consumer_whoever_sends_it(notes):
    class Continued(LongPoll):
        async def handle(self, body):
            await super().handle(body)
            await self.send_headers()

    client = get(Continued())
    await client.send_request()
    await client.receive_output()
    await get_channel_layer().group_send("news", {"type": "part", "text": "a", "more": True})
    assert await client.receive_output() == part(b"a")
    assert not client.future.done()

    await get_channel_layer().group_send("news", {"type": "part", "text": "b"})

    assert await client.receive_output() == part(b"b", more_body=False)
    await client.wait()
    assert notes == ["joined", "disconnect"]


async def test_events_wait_until_handle_has_returned(notes):
    class Slow(LongPoll):
        async def handle(self, body):
            await super().handle(body)
            await self.channel_layer.group_send("news", {"type": "news", "text": "meanwhile"})
            for _ in range(20):
                await asyncio.sleep(0)
            self.notes.append("handled")

        async def news(self, message):
            self.notes.append("news")
            await super().news(message)

    await get(Slow()).get_response()
    assert notes[:3] == ["joined", "handled", "news"]


async def test_without_a_layer_an_unfinished_response_is_an_error(notes):
    """Nothing could ever finish it, and the client would wait for as long as it likes."""

    class NeverAnswers(Notes):
        channel_layer_alias = None

        async def handle(self, body):
            pass

    with pytest.raises(RuntimeError, match=r"NeverAnswers.*channel layer"):
        await get(NeverAnswers()).get_response()
    assert notes == ["disconnect"]


# The client leaves


with_and_without_a_layer = pytest.mark.parametrize("alias", ["default", None])


@with_and_without_a_layer
@pytest.mark.parametrize("begins", [True, False])
async def test_a_client_that_leaves_ends_what_handle_does_for_it(notes, alias, begins):
    class Waiting(Waits):
        channel_layer_alias = alias

    Waiting.begins = begins
    client = get(Waiting.as_asgi())
    await client.send_request()
    await until(lambda: "waiting" in notes)

    await client.disconnect()

    assert notes == ["waiting", "cancelled", "disconnect"]


async def test_a_client_that_has_left_already_ends_handle_too(notes):
    client = get(Waits())
    await client.send_request()
    await client.disconnect()
    assert notes == ["waiting", "cancelled", "disconnect"]


async def test_a_client_that_leaves_before_its_request_is_complete_is_not_handled(notes):
    client = get(Notes())
    await client.send_input({"type": "http.request", "body": b"a", "more_body": True})
    await client.disconnect()
    assert notes == ["disconnect"]
    assert client.output_queue.empty()


@with_and_without_a_layer
async def test_what_handle_does_behind_a_complete_response_is_not_cut_short(notes, alias):
    """Servers tell the end of a response as a disconnect: Daphne always does."""
    go_on = asyncio.Event()

    class Lingers(Notes):
        channel_layer_alias = alias

        async def handle(self, body):
            await super().handle(body)
            await go_on.wait()
            self.notes.append("done")

    client = get(Lingers())
    await client.get_response()
    await client.send_input({"type": "http.disconnect"})
    assert await client.receive_nothing(timeout=0.01)
    go_on.set()
    await client.wait()

    assert notes == [("handle", b""), "done", "disconnect"]


async def test_nothing_is_sent_to_a_client_that_has_left(notes):
    class SaysGoodbye(Waits):
        async def handle(self, body):
            try:
                await super().handle(body)
            finally:
                await self.send_body(b"goodbye")

    client = get(SaysGoodbye())
    await client.send_request()
    await until(lambda: "waiting" in notes)
    while not client.output_queue.empty():
        await client.receive_output()
    await client.disconnect()
    assert client.output_queue.empty()


async def test_a_handle_that_will_not_be_cancelled_is_waited_for(notes):
    class Stubborn(Waits):
        async def handle(self, body):
            try:
                await super().handle(body)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                self.notes.append("saved")

    client = get(Stubborn())
    await client.send_request()
    await until(lambda: "waiting" in notes)
    await client.disconnect()
    assert notes == ["waiting", "cancelled", "saved", "disconnect"]


async def test_a_timeout_in_handle_is_an_error_like_any_other():
    class Late(Notes):
        async def handle(self, body):
            raise TimeoutError("of handle")

    with pytest.raises(TimeoutError, match="of handle"):
        await get(Late()).get_response()


# Ways to end badly


async def test_an_error_in_handle_comes_out_as_itself_behind_the_clean_up(notes, caplog):
    class Fails(Notes):
        async def handle(self, body):
            raise Boom("in handle")

    client = HttpCommunicator(Fails(), "GET", "/some/where/")
    client.scope["user"] = type("User", (), {"pk": 7})

    with pytest.raises(Boom, match="in handle"):
        await client.get_response()

    assert notes == ["disconnect"]
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    for told in ("Fails", "http.request", "/some/where/", "7"):
        assert told in record.getMessage()
    assert record.exc_info[0] is Boom


async def test_an_error_in_an_events_handler_comes_out_behind_the_clean_up(notes):
    class Fails(ServerSentEvents):
        async def news(self, message):
            raise Boom

    client = get(Fails())
    await client.send_request()
    await until(lambda: "joined" in notes)
    await get_channel_layer().group_send("news", {"type": "news"})

    with pytest.raises(Boom):
        await client.wait()
    assert notes == ["joined", "disconnect"]
    assert get_channel_layer().groups == {}


async def test_an_error_in_the_clean_up_does_not_hide_the_first(caplog):
    class FailsTwice(Notes):
        async def handle(self, body):
            raise Boom("first")

        async def disconnect(self):
            raise Boom("second")

    with pytest.raises(Boom, match="first"):
        await get(FailsTwice()).get_response()
    assert "second" in caplog.text


@pytest.mark.parametrize("consumer", [Waits, LongPoll], ids=["in handle", "behind it"])
async def test_a_cancelled_request_is_cleaned_up(notes, consumer):
    """As at the shutdown of a server."""
    client = get(consumer())
    await client.send_request()
    await until(lambda: notes)
    client.stop()
    with pytest.raises(asyncio.CancelledError):
        await client.future
    assert notes[-1] == "disconnect"
    assert notes.count("disconnect") == 1
    assert get_channel_layer().channels == {}


@with_and_without_a_layer
@pytest.mark.parametrize("handle_returns", [True, False])
async def test_an_error_of_the_server_ends_it_even_during_handle(notes, alias, handle_returns):
    class Waiting(Waits):
        channel_layer_alias = alias

        async def handle(self, body):
            if not handle_returns or alias is None:
                await super().handle(body)

    answers = [{"type": "http.request"}, Boom("the server's")]

    async def receive():
        await asyncio.sleep(0)
        answer = answers.pop(0)
        if isinstance(answer, Boom):
            raise answer
        return answer

    async def send(message):
        pass

    with pytest.raises(Boom, match="the server's"):
        await Waiting()({"type": "http"}, receive, send)
    assert notes.count("disconnect") == 1


async def test_nothing_but_a_disconnect_can_follow_a_request():
    client = get(LongPoll())
    await client.send_request()
    await client.send_input({"type": "http.request", "body": b"more"})
    with pytest.raises(ValueError, match=r"http\.request"):
        await client.wait()


async def test_a_handler_may_stop_the_consumer(notes):
    class Stops(LongPoll):
        async def news(self, message):
            raise StopConsumer

    client = get(Stops())
    await client.send_request()
    await until(lambda: "joined" in notes)
    await get_channel_layer().group_send("news", {"type": "news"})
    assert await client.wait() is None
    assert notes == ["joined", "disconnect"]


async def test_an_answer_leaves_no_task_behind():
    before = asyncio.all_tasks()
    client = get(Notes())
    await client.get_response()
    await client.wait()
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("consumer", [Waits, LongPoll])
async def test_a_client_that_leaves_leaves_no_task_behind(notes, consumer):
    before = asyncio.all_tasks()
    client = get(consumer())
    await client.send_request()
    await until(lambda: notes)
    await client.disconnect()
    assert asyncio.all_tasks() == before


@pytest.mark.django_db(transaction=True)
class Counts(Notes):
    """Queries the database at the very end, if it is told to."""

    async def disconnect(self):
        await super().disconnect()
        if "?" in self.scope["path"]:
            await get_user_model().objects.acount()


@pytest.mark.parametrize(("path", "tidied"), [("/?", ["tidied"]), ("/", [])], ids=["used", "not used"])
async def test_the_database_is_tidied_behind_the_clean_up_if_it_was_used(
    transactional_db, notes, monkeypatch, path, tidied
):
    """Not under a communicator, which keeps the connections of the test."""
    monkeypatch.setattr("channels_core.db.close_old_connections", lambda: notes.append("tidied"))
    messages = [{"type": "http.request"}]

    async def receive():
        return messages.pop() if messages else await asyncio.Event().wait()

    async def send(message):
        pass

    await Counts()({"type": "http", "path": path}, receive, send)

    assert notes == [("handle", b""), "disconnect", *tidied]

"""What drivers and servers say to each other."""

import json

import pytest

from benchmarks.wire import Chat, Raw, Said, SocketIo, payload, read

SAID = Said(sender=7, number=3, at_ns=123456789)


@pytest.mark.parametrize("size", [60, 1024])
def test_a_payload_has_its_size_and_tells_who_said_it(size):
    text = payload(SAID, size)

    assert len(text) == size
    assert read(text, size) == SAID


def test_a_raw_message_may_come_as_json():
    text = payload(SAID, 60)

    assert Raw().texts(text) == [text]
    assert Raw().texts(json.dumps({"text": text.decode()}).encode()) == [text]


def test_socketio_is_connected_pinged_and_told():
    wire, text = SocketIo(), payload(SAID, 60)

    assert wire.answer(b'0{"sid":"a"}') == b"40"
    assert wire.is_ready(b'40{"sid":"b"}')
    assert not wire.is_ready(None)
    assert wire.answer(b"2") == b"3"
    assert wire.ask(text, SAID) == b'42["post","' + text + b'"]'
    assert wire.texts(b'42["message","' + text + b'"]') == [text]
    assert wire.texts(b"2") is None


def test_the_chat_is_asked_as_its_protocol_says():
    frame = json.loads(Chat(1).ask(payload(SAID, 60), SAID))

    assert frame["type"] == "message.post"
    assert frame["text"] == payload(SAID, 60).decode()
    assert Chat(1).is_ready(b'{"type": "welcome", "head": 1}')
    assert Chat(1).texts(b'{"type":"presence","joined":[]}') is None


def test_no_two_posts_of_any_run_have_the_same_client_id():
    def client_id(run: int, said: Said) -> str:
        return json.loads(Chat(run).ask(b"x", said))["client_id"]

    said = [Said(1, 1, 0), Said(1, 2, 0), Said(2, 1, 0)]

    assert len({client_id(run, each) for run in (1, 2) for each in said}) == 6

"""Clients of websockets that mean no good: the others notice nothing, and memory stays bounded."""

import json
import socket
import struct

import pytest
from websockets.frames import Opcode
from websockets.sync.client import connect

from tests.channels_core.servers.conftest import Workshop
from tests.channels_core.servers.hostile import (
    PATIENCE_S,
    Client,
    close_in,
    frame,
    handshake,
    unnoticed,
)
from tests.servers import wait_until

pytestmark = pytest.mark.timeout(120)
LIMITS = {"overdue.STUCK_S": 5, "websocket.ACCEPT_S": 2, "websocket.CLOSE_S": 2}
LARGEST = 2**16
NEWS = 200  # of 60,000 bytes: more than waits for a client that does not read, in the kernel and here


@pytest.fixture(autouse=True)
def the_end():
    yield
    Client.leave()


@pytest.fixture(scope="module")
def workshop():
    workshop = Workshop(LIMITS=json.dumps(LIMITS), FRAME_BYTES=str(LARGEST))
    workshop.start()
    yield workshop
    workshop.remove()


# --- Who does not read -------------------------------------------------------------------------------


def test_a_reader_that_stops_reading_costs_itself_only(workshop):
    """It is told so with 1013 if it goes on in time, is cut off if it does not, and may come back."""
    with unnoticed(workshop, mebibytes=40):
        deaf = Client.at("news", workshop.port, takes=4096)
        late = Client.at("news", workshop.port, takes=4096)
        with connect(workshop.at("news")) as tab:
            tab.send(str(NEWS))
            heard = [json.loads(tab.recv(PATIENCE_S))["number"] for _ in range(NEWS)]
        assert heard == list(range(NEWS))

        missed = late.rest()
        assert missed.endswith(b"\x88\x0b\x03\xf5Too slow.")
        assert len(missed) < NEWS * 60_000
        wait_until(lambda: len(left_at(workshop, "news")) == 3, what="the one that is deaf to be cut off")
        assert b"Too slow." not in deaf.rest()

        with connect(workshop.at("news")) as tab:
            tab.send("1")
            assert json.loads(tab.recv(PATIENCE_S))["number"] == 0


def test_who_does_not_read_its_answers_is_not_read_either_and_given_up(workshop):
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("bench", workshop.port, "full", takes=4096)

        assert not client.flood(frame(b"x" * 1000) * 100, seconds=PATIENCE_S)
        workshop.wait_for_note("full left 1006")


def test_who_does_not_answer_a_close_is_left(workshop):
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("bench", workshop.port)
        client.send(frame(b"close"))

        assert close_in(client.rest()) == (4000, "")


# --- Who sends too much ------------------------------------------------------------------------------


def test_a_flood_of_pings_ends_with_1008(workshop):
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("bench", workshop.port)

        assert not client.flood(frame(b"x" * 125, Opcode.PING) * 1000, seconds=PATIENCE_S)
        assert client.rest().endswith(b"\x88\x11\x03\xf0Too many pings.")


def test_ordinary_pings_are_answered(workshop):
    client = Client.at("bench", workshop.port)

    client.send(frame(b"you", Opcode.PING) * 50 + frame(b"hello"))

    expected = b"\x8a\x03you" * 50 + b"\x81\x05hello"
    received = b""
    while len(received) < len(expected):
        received += client.socket.recv(1000)
    assert received == expected


def test_a_flood_of_frames_waits_until_the_application_has_time(workshop):
    """What has come is kept as it is, and not as so many objects."""
    with unnoticed(workshop, mebibytes=15):
        for number in range(5):
            client = Client.at("bench", workshop.port, f"flood{number}")
            client.send(frame(b"work:flood"))
            assert not client.flood(frame() * 40_000, seconds=PATIENCE_S)
    Client.leave()
    workshop.let("flood")
    wait_until(lambda: all(left_at(workshop, f"flood{number}") for number in range(5)), what="all of them to end")


def test_what_has_waited_is_taken_in_order_when_the_application_has_time_again(workshop):
    texts = [f"number {number}" for number in range(5_000)]
    with unnoticed(workshop, mebibytes=30), connect(workshop.at("bench")) as tab:
        tab.socket.sendall(frame(b"work:much") + b"".join(frame(text.encode()) for text in texts))
        workshop.let("much")

        assert [tab.recv(PATIENCE_S) for _ in range(5_001)] == ["done much", *texts]


def test_fragments_that_never_end_are_kept_within_the_size_of_a_frame(workshop):
    """However small: no matter how many empty ones, and of others no more than the largest frame has."""
    with unnoticed(workshop, mebibytes=15):
        empty = Client.at("bench", workshop.port)
        empty.send(frame(b"", fin=False))
        for _ in range(40):
            empty.send(frame(b"", Opcode.CONT, fin=False) * 10_000)
        empty.send(frame(b"the end", Opcode.CONT))

        large = Client.at("bench", workshop.port)
        large.send(frame(b"x", fin=False))
        assert not large.flood(frame(b"x", Opcode.CONT, fin=False) * 1_000, seconds=PATIENCE_S)
        assert close_in(large.rest())[0] == 1009
        assert empty.socket.recv(1000) == b"\x81\x07the end"


def test_hundreds_of_frames_that_never_end_take_no_more_than_they_have(workshop):
    with unnoticed(workshop, mebibytes=30):
        for _ in range(300):
            Client.at("bench", workshop.port).send(frame(b"x" * LARGEST)[:-1])


# --- Who breaks the protocol -------------------------------------------------------------------------

BROKEN = {
    "no UTF-8": (frame(b"\xff\xfe"), 1007),
    "no UTF-8, in parts": (frame(b"\xc3", fin=False) + frame(b"\xff", Opcode.CONT), 1007),
    "reserved bits": (b"\xf1\x80\x00\x00\x00\x00", 1002),
    "an opcode that is none": (b"\x83\x80\x00\x00\x00\x00", 1002),
    "no mask": (b"\x81\x01a", 1002),
    "a long ping": (b"\x89\xfe\x00\xff" + bytes(259), 1002),
    "a part of nothing": (frame(b"x", Opcode.CONT), 1002),
    "a code that is none": (frame(b"\x00\x01", Opcode.CLOSE), 1002),
    "a frame of a tebibyte": (b"\x81\xff" + struct.pack("!Q", 2**40), 1009),
    "a frame that is too large": (frame(b"x" * (10 * LARGEST)), 1009),
    "much nonsense": (b"\xff" * 20_000_000, 1002),
}


@pytest.mark.parametrize(("data", "code"), BROKEN.values(), ids=BROKEN)
def test_who_breaks_the_protocol_is_told_so(workshop, data, code):
    """Also with more on its way, which must not make it a reset."""
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("bench", workshop.port)
        client.send(data)

        assert close_in(client.rest())[0] == code


def test_nonsense_and_a_close_at_once_end_in_one_close(workshop):
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("bench", workshop.port)
        client.send(frame(b"\xff") + frame(struct.pack("!H", 1000), Opcode.CLOSE))

        assert close_in(client.rest())[0] == 1000


def test_nonsense_before_the_handshake_is_over_is_looked_at_after_it(workshop):
    with unnoticed(workshop, mebibytes=10):
        client = Client(workshop.port, handshake("door"))
        wait_until(lambda: "knock" in workshop.notes(), what="somebody at the door")
        client.send(b"\x83\x80\x00\x00\x00\x00")
        workshop.let("open")

        head, _, rest = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert close_in(rest)[0] == 1002


@pytest.mark.parametrize("name", ["vanished", "broken"])
def test_a_consumer_at_work_for_a_client_that_has_gone_ends_quietly(workshop, name):
    with unnoticed(workshop, mebibytes=10):
        client = Client.at("mailbox", workshop.port, name)
        client.send(frame(f"work:{name}".encode()))
        workshop.wait_for_note(f"{name} took work:{name}")
        if name == "vanished":
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
        else:  # and still there, until it has heard of it
            client.send(b"\xff\xff")
            client.socket.recv(1)
        workshop.let(name)

        wait_until(lambda: left_at(workshop, name), what="the consumer to end")


# --- Who is not answered -----------------------------------------------------------------------------


def test_a_handshake_that_the_application_does_not_answer_is_refused_after_a_while(workshop):
    (workshop.directory / "open").unlink(missing_ok=True)
    with unnoticed(workshop, mebibytes=10):
        answer = Client(workshop.port, handshake("door")).rest()
        workshop.let("open")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in answer


def left_at(workshop, name=""):
    """The notes of consumers that have ended, without the neighbour's."""
    return [note for note in workshop.notes() if note.startswith(f"{name} left")]

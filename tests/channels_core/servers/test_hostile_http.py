"""Clients of HTTP that mean no good, and what is left of it: with shorter times, on a server as in production."""

import json
import os
import re
import resource

import pytest

from tests.channels_core.servers.conftest import Workshop
from tests.channels_core.servers.hostile import Client, handshake, unnoticed
from tests.servers import wait_until

pytestmark = pytest.mark.timeout(120)
HANDSHAKE = handshake("bench")
LIMITS = {"http.HEAD_S": 2, "http.BODY_S": 2, "http.BODY_BYTES_PER_S": 100, "overdue.STUCK_S": 2}
GET = b"GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(autouse=True)
def the_end():
    yield
    Client.leave()


@pytest.fixture(scope="module")
def many_files():
    """As many sockets as this machine lets us have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def workshop(many_files):
    workshop = Workshop(LIMITS=json.dumps(LIMITS))
    workshop.start()
    yield workshop
    workshop.remove()


def test_a_thousand_connections_that_send_nothing_or_half_a_request_are_closed(workshop):
    with unnoticed(workshop, mebibytes=30):
        clients = [Client(workshop.port, data) for data in (b"", b"GET / HT", HANDSHAKE[:-2]) for _ in range(334)]

        assert {client.rest() for client in clients} == {b""}


@pytest.mark.parametrize("drop", [b"a: b\r\n", b"\r\n"], ids=["headers", "empty lines"])
@pytest.mark.parametrize("first", [b"", GET], ids=["at first", "after a request"])
def test_a_request_that_comes_drop_by_drop_is_not_waited_for(workshop, first, drop):
    client = Client(workshop.port, first)
    if first:
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    with unnoticed(workshop, mebibytes=10):
        if drop != b"\r\n":
            client.send(b"GET /state HTTP/1.1\r\n")
        assert 1 < client.drip(drop) < 10


def test_a_body_that_trickles_is_not_waited_for(workshop):
    client = Client(workshop.port, b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")

    with unnoticed(workshop, mebibytes=10):
        assert 1 < client.drip(b"x") < 10
        wait_until(lambda: "body left" in workshop.notes(), what="the page to hear of it")


def test_a_body_that_comes_at_a_fair_pace_has_its_time(workshop):
    """It takes longer than a body that does not."""
    client = Client(workshop.port, b"POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n")

    client.send(b"x" * 1000)
    with pytest.raises(TimeoutError):
        client.socket.settimeout(2 * LIMITS["http.BODY_S"])
        client.socket.recv(1)
    client.send(b"x" * 4000)

    client.socket.settimeout(10)
    assert client.socket.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_page_that_nobody_reads_is_given_up(workshop):
    before = workshop.notes().count("stream left")
    with unnoticed(workshop, mebibytes=10):
        Client(workshop.port, b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n", takes=4096)

        wait_until(lambda: workshop.notes().count("stream left") > before, what="the page to hear of it")


TOO_MUCH = {
    "a header": (b"GET / HTTP/1.1\r\na: ", b"x" * 1000, b"HTTP/1.1 400 "),
    "an address": (b"GET /", b"x" * 1000, b"HTTP/1.1 400 "),
    "headers": (b"GET / HTTP/1.1\r\n", b"a: " + b"x" * 100 + b"\r\n", b"HTTP/1.1 400 "),
    "short headers": (b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 200 + b"\r\n", b"", b"HTTP/1.1 400 "),
    "an address of a socket": (handshake("b" * 9000), b"", b"HTTP/1.1 414 "),
    "a header of a socket": (HANDSHAKE[:-2] + b"a: " + b"x" * 9000 + b"\r\n\r\n", b"", b"HTTP/1.1 431 "),
    "requests at once": (GET * 2000, b"", b"HTTP/1.1 400 "),
}


@pytest.mark.parametrize(("beginning", "more", "answer"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_who_sends_too_much_is_refused(workshop, beginning, more, answer):
    with unnoticed(workshop, mebibytes=10):
        client = Client(workshop.port, beginning)
        if more:
            assert not client.flood(more, seconds=10)

        assert client.rest().startswith(answer)


NONSENSE = {
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(190),
    "noise": os.urandom(8) + b"\x00\xff" * 100,
    "half a line": b"hello\r\n\r\n",
    "a number that is none": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a key that is none": HANDSHAKE.replace(b"dGhl", b"!!!!"),
    "another version": HANDSHAKE.replace(b"Version: 13", b"Version: 99"),
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE)
def test_what_makes_no_sense_is_told_so(workshop, data):
    with unnoticed(workshop, mebibytes=10):
        answer = Client(workshop.port, data).rest()

    assert re.match(rb"HTTP/1\.1 4(00|26) ", answer), answer


def test_an_old_client_gets_its_page(workshop):
    assert Client(workshop.port, b"GET /state HTTP/1.0\r\n\r\n").rest().startswith(b"HTTP/1.1 200 OK\r\n")


class FewFiles(Workshop):
    """May open 256 files: 156 for connections, the rest for all else."""

    def command(self):
        return ["sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *super().command()]


def test_where_files_run_out_who_is_in_stays_and_others_are_sent_away(many_files):
    workshop = FewFiles()
    workshop.start()
    try:
        with unnoticed(workshop, mebibytes=10):
            for _ in range(150):
                Client.at("bench", workshop.port)
            late = [Client(workshop.port) for _ in range(300)]
            sent_away = [client for client in late[50:] if client.rest().startswith(b"HTTP/1.1 503 ")]
            assert len(sent_away) == 250
            Client.leave()
            wait_until(lambda: workshop.get("/state").status == 200, what="a place")
    finally:
        workshop.remove()

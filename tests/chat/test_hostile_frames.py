"""Frames that mean no good, on the wire to the server as it is in production: each ends its own socket only."""

import json
import os
import struct
from contextlib import ExitStack

import pytest
from django.db import connection
from django.test import Client
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from chat.events import MAX_FRAME_BYTES, REASONS, CloseCode
from tests.chat.drafts import HELLO
from tests.people import make_person, make_room
from tests.production import SECRET, Production
from tests.servers import wait_until

PATIENCE_S = 15
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]


def text(content, opcode=Opcode.TEXT):
    return Frame(opcode, content, True).serialize(mask=True)


FRAMES = {
    "brackets": (text(b"[" * 60_000), 4400, REASONS[CloseCode.MALFORMED]),
    "brackets within a command": (text(b'{"ref": 1, "a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"), 4400, None),
    "a byte too many": (text(b"x" * (MAX_FRAME_BYTES + 1)), 1009, REASONS[CloseCode.TOO_BIG]),
    "much too much": (text(b"x" * 1_000_000), 1009, None),
    "a hundred thousand brackets": (text(b"[" * 100_000), 1009, None),
    "no UTF-8": (text(b'{"ref": "\xff"}'), 1007, None),
    "bytes": (text(b"{}", Opcode.BINARY), 4400, None),
    "an opcode that is none": (b"\x83\x80\x00\x00\x00\x00", 1002, None),
    "no mask": (b"\x81\x02{}", 1002, None),
    "a frame of a tebibyte": (b"\x81\xff" + struct.pack("!Q", 2**40), 1009, None),
    "pings": (text(b"", Opcode.PING) * 10_000, 1008, None),
}


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker):
    name = connection.settings_dict["NAME"]
    is_sqlite = connection.vendor == "sqlite"
    url = f"sqlite:///{name}" if is_sqlite else os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    server = Production(DATABASE_URL=url)
    server.start()
    yield server
    server.remove()


@pytest.fixture
def enter(server, settings):
    """A socket of alice's in the lobby, past its welcome."""
    settings.SECRET_KEY = SECRET  # which has signed the session
    alice = make_person("alice")
    make_room("lobby", [alice])
    client = Client()
    client.force_login(alice)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    address = server.url.replace("http", "ws") + "/ws/rooms/lobby/"
    with ExitStack() as tabs:

        def enter():
            tab = tabs.enter_context(connect(address, origin=server.url, additional_headers={"Cookie": cookie}))
            assert json.loads(tab.recv(PATIENCE_S))["type"] == "welcome"
            return tab

        yield enter


def test_a_frame_that_means_no_good_ends_its_own_socket_and_says_why(server, enter):
    neighbour = enter()
    said = server.log.stat().st_size
    for name, (data, code, reason) in FRAMES.items():
        tab = enter()
        tab.socket.sendall(data)
        wait_until(lambda tab=tab: is_closed(tab), what=f"{name} to be refused")
        assert tab.close_code == code, name
        assert reason is None or tab.close_reason == reason, name

    neighbour.send(json.dumps(HELLO))
    while (told := json.loads(neighbour.recv(PATIENCE_S))).get("ref") != HELLO["ref"]:
        pass
    assert told["ok"] is True
    log = server.log.read_text()[said:]
    assert "Traceback" not in log, log
    assert "ERROR" not in log, log


def is_closed(tab):
    try:
        tab.recv(0.1)
    except TimeoutError:
        pass
    except Exception:
        return True
    return False

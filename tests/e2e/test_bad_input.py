"""What a server answers to clients that are broken, late or up to something, over real sockets."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from uuid import uuid4

import pytest
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chat.models import Message
from tests.people import make_room, session_key

TIMEOUT_S = 5


@pytest.fixture
def dial(server) -> Callable[..., AbstractContextManager[ClientConnection]]:
    """Connect to a room's socket as ``person``, or as nobody, from a page of ``origin``."""

    def dial(person, slug: str, origin: str | None = None) -> ClientConnection:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session_key(person)}"} if person else {}
        return connect(
            f"{server.url.replace('http', 'ws')}/ws/rooms/{slug}/",
            origin=origin or server.url,
            additional_headers=headers,
            open_timeout=TIMEOUT_S,
            proxy=None,
        )

    return dial


def next_event(socket: ClientConnection, type: str) -> dict:
    while (event := json.loads(socket.recv(timeout=TIMEOUT_S)))["type"] != type:
        pass
    return event


def close_code(socket: ClientConnection) -> int:
    """The code with which the server ends the connection; what it says before is passed over."""
    try:
        while True:
            socket.recv(timeout=TIMEOUT_S)
    except ConnectionClosed as closed:
        return closed.rcvd.code


def ask(socket: ClientConnection, **frame) -> dict:
    socket.send(json.dumps({"ref": "r1"} | frame))
    return next_event(socket, "reply")


def is_alive(socket: ClientConnection) -> bool:
    text = f"Still here {uuid4()}"
    reply = ask(socket, type="message.post", client_id=str(uuid4()), text=text)
    return reply["ok"] and reply["message"]["text"] == text


def test_nobody_listens_without_having_logged_in(dial, room):
    with dial(None, room.slug) as socket:
        assert close_code(socket) == 4401


def test_a_third_person_without_membership_is_refused(dial, carol, room):
    with dial(carol, room.slug) as socket:
        assert close_code(socket) == 4403


def test_a_room_that_is_not_there_is_refused(dial, alice):
    with dial(alice, "nowhere") as socket:
        assert close_code(socket) == 4404


def test_a_page_of_a_foreign_origin_gets_no_connection(dial, alice, room):
    with pytest.raises(InvalidStatus) as refused:
        dial(alice, room.slug, origin="https://evil.example")

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "frame",
    ['{"type": "mess', "null", "[]", '"text"', "{}", '{"type": "message.post"}', '{"ref": {}}', "[" * 50_000, "NaN"],
    ids=["cut short", "null", "list", "string", "bare", "without ref", "odd ref", "deep", "not a number"],
)
def test_a_frame_that_makes_no_sense_ends_the_connection(dial, alice, room, frame):
    with dial(alice, room.slug) as socket:
        socket.send(frame)

        assert close_code(socket) == 4400


def test_a_binary_frame_ends_the_connection(dial, alice, room):
    with dial(alice, room.slug) as socket:
        socket.send(b"\x00\xff")

        assert close_code(socket) == 4400


def test_a_frame_over_64_kib_ends_the_connection(dial, alice, room):
    with dial(alice, room.slug) as socket:
        socket.send(json.dumps({"type": "message.post", "ref": 1, "text": "x" * 64 * 1024}))

        assert close_code(socket) == 1009


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "message.burn"}, "unknown_type"),
        ({}, "unknown_type"),
        ({"type": "message.post", "text": "No id"}, "invalid"),
        ({"type": "message.post", "client_id": "7", "text": "Bad id"}, "invalid"),
        ({"type": "message.post", "client_id": str(uuid4())}, "invalid"),
        ({"type": "message.post", "client_id": str(uuid4()), "text": 7}, "invalid"),
        ({"type": "message.post", "client_id": str(uuid4()), "text": "\ud800"}, "invalid"),
        ({"type": "message.post", "client_id": str(uuid4()), "text": "a\0b"}, "invalid"),
        ({"type": "message.post", "client_id": str(uuid4()), "text": " \n "}, "empty"),
        ({"type": "message.post", "client_id": str(uuid4()), "text": "x" * 4001}, "too_long"),
        ({"type": "history.get", "before": "soon"}, "invalid"),
        ({"type": "history.get", "before": -1}, "invalid"),
        ({"type": "history.get", "before": 10**30}, "invalid"),
        ({"type": "history.get", "before": 5, "limit": 0}, "invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:60],
)
def test_what_cannot_be_done_is_refused_by_name_and_the_connection_lives_on(dial, alice, room, frame, code):
    with dial(alice, room.slug) as socket:
        next_event(socket, "welcome")

        refused = ask(socket, **frame)

        assert refused["ok"] is False
        assert refused["error"]["code"] == code
        assert refused["error"]["detail"]
        assert Message.objects.filter(room=room).count() == 0
        assert is_alive(socket)


def test_an_archived_room_refuses_posts_and_tells_its_history(dial, alice):
    room = make_room(f"archive-{alice.pk}", [alice], archived=True)
    with dial(alice, room.slug) as socket:
        assert next_event(socket, "welcome")["room"]["archived"] is True

        refused = ask(socket, type="message.post", client_id=str(uuid4()), text="Too late")

        assert refused["error"]["code"] == "archived"
        assert ask(socket, type="history.get", before=1)["messages"] == []


def test_a_repeated_client_id_is_one_message(dial, alice, room):
    with dial(alice, room.slug) as socket:
        next_event(socket, "welcome")
        client_id = str(uuid4())

        first, second = (ask(socket, type="message.post", client_id=client_id, text=text) for text in ("One", "Two"))

    assert first["message"] == second["message"]
    assert [message.text for message in Message.objects.filter(room=room)] == ["One"]


def test_the_largest_message_fits_into_a_frame(dial, alice, room):
    """4,000 characters that JSON writes as twelve bytes each."""
    with dial(alice, room.slug) as socket:
        next_event(socket, "welcome")

        reply = ask(socket, type="message.post", client_id=str(uuid4()), text="🦉" * 4000)

    assert reply["message"]["text"] == "🦉" * 4000


def test_a_plain_request_is_told_that_the_address_speaks_websocket(server, room):
    connection = HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    connection.request("GET", f"/ws/rooms/{room.slug}/")

    response = connection.getresponse()

    assert response.status == 426
    assert response.headers["Upgrade"] == "websocket"
    connection.close()

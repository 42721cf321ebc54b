"""
What ``lean.py`` and ``websocket.py`` rely on in uvicorn's websocket class, each for itself, so that a new version
of uvicorn that differs says where to look. What they rely on around a drain is in test_uvicorn.py.

All of it is about uvicorn/protocols/websockets/websockets_sansio_impl.py.
"""

import asyncio
import inspect
import re
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.protocol import CLOSING, CONNECTING, OPEN

from channels_core.servers.gate import Gate
from channels_core.servers.inbox import Inbox
from channels_core.servers.lean import LeanProtocol
from channels_core.servers.uvicorn import DEFAULTS
from channels_core.servers.websocket import WebSocketProtocol

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)
OURS = {"_gate", "_tend_at"}

# What an attribute is at first, and what is to be looked at when that has changed.
ATTRIBUTES = {
    "handshake_complete": (False, "the end of the handshake: write_frames, is_overdue, _is_ready"),
    "handshake_initiated": (False, "the first bytes: data_received"),
    "close_sent": (False, "what is not written after a close: keep_alive, is_overdue, handle_connect"),
    "disconnected": (False, "what happens when the line is lost: connection_lost, _say_farewell"),
    "read_paused": (False, "how the application slows the client down: receive, _regulate"),
    "initial_response": (None, "how a handshake is refused: send"),
    "close_timer": (None, "how long a client may take to answer a close: handle_parser_exception"),
    "close_timeout": (10.0, "the same: __init__"),
    "ping_interval": (DEFAULTS["ws_ping_interval"], "keepalive: start_keepalive, keep_alive"),
    "ping_timeout": (DEFAULTS["ws_ping_timeout"], "keepalive: keep_alive"),
    "ping_timer": (None, "keepalive: a timer that we never start"),
    "pong_timer": (None, "keepalive: a timer that we never start"),
    "pending_ping_payload": (None, "keepalive: keep_alive, handle_pong"),
    "ping_sent_at": (0.0, "keepalive: keep_alive, handle_pong"),
    "frames": ([], "the parts of a message: handle_cont, send_receive_event_to_app"),
    "curr_msg_data_type": ("bytes", "the kind of a message: send_receive_event_to_app"),
}

# Methods that are overridden or called, with their parameters.
METHODS = {
    **dict.fromkeys(("start_keepalive", "stop_keepalive", "keepalive_timeout", "handle_ping"), ()),
    **dict.fromkeys(("handle_parser_exception", "send_receive_event_to_app", "receive", "run_asgi"), ()),
    **dict.fromkeys(("pause_writing", "resume_writing", "shutdown"), ()),
    **dict.fromkeys(("handle_connect", "handle_cont", "handle_pong", "handle_close"), ("event",)),
    "connection_made": ("transport",),
    "connection_lost": ("exc",),
    "data_received": ("data",),
    "on_task_complete": ("task",),
    "send": ("message",),
}


class Application:
    """Does what a test says, in its turn."""

    def __init__(self):
        self.turns = asyncio.Queue()

    async def __call__(self, scope, receive, send):
        self.scope, self.receive, self.send = scope, receive, send
        while (turn := await self.turns.get()) is not None:
            done, message = turn
            done.set_result(await send(message))

    async def sends(self, kind, **content):
        done = asyncio.get_running_loop().create_future()
        self.turns.put_nowait((done, {"type": f"websocket.{kind}", **content}))
        await asyncio.wait_for(done, 10)


@pytest.fixture
async def application():
    return Application()


@pytest.fixture
async def connection(application):
    """One of uvicorn's own, past the request, on a line that leads nowhere."""
    connection = WebSocketsSansIOProtocol(uvicorn.Config(application, **DEFAULTS), ServerState(), {})
    transport = Mock(asyncio.Transport, get_extra_info=Mock(return_value=None), is_closing=Mock(return_value=False))
    connection.connection_made(transport)
    connection.data_received(HANDSHAKE)
    yield connection
    connection.stop_keepalive()
    application.turns.put_nowait(None)
    async with asyncio.timeout(10):
        while connection.tasks:
            await asyncio.sleep(0)


def client_sends(connection, opcode, payload):
    connection.data_received(Frame(opcode, payload).serialize(mask=True))


# --- What there is -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTRIBUTES)
async def test_an_attribute_begins_as_we_expect(name):
    value, look_at = ATTRIBUTES[name]
    connection = WebSocketsSansIOProtocol(uvicorn.Config(Application(), **DEFAULTS), ServerState(), {})

    assert getattr(connection, name, "missing") == value, f"uvicorn has changed {name}. Look at {look_at}."


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_what_we_expect(name):
    parameters = list(inspect.signature(getattr(WebSocketsSansIOProtocol, name)).parameters)

    assert parameters == ["self", *METHODS[name]], f"uvicorn has changed {name}(). Look where we call or override it."
    is_coroutine = inspect.iscoroutinefunction(getattr(WebSocketsSansIOProtocol, name))
    assert is_coroutine == (name in ("send", "receive", "run_asgi"))


async def test_our_slots_are_uvicorns_attributes(connection, application):
    """Those that are missing there cost each connection a dict; those that are too many cost 8 bytes."""
    await application.sends("accept")
    slots = set(LeanProtocol.__slots__) - OURS

    assert set(vars(connection)) - slots == set(), "uvicorn has new attributes. Name them in LeanProtocol.__slots__."
    assert slots - set(vars(connection)) == set(), "uvicorn has dropped attributes. LeanProtocol.__slots__ names them."
    assert [name for name in slots if hasattr(WebSocketsSansIOProtocol, name)] == [], (
        "uvicorn has given attributes a value in the class, which slots hide. Take them out of LeanProtocol.__slots__."
    )


async def test_ours_has_no_dict_of_its_own():
    connection = WebSocketProtocol(uvicorn.Config(Application(), **DEFAULTS), ServerState(), {})
    transport = Mock(asyncio.Transport, get_extra_info=Mock(return_value=None), is_closing=Mock(return_value=False))
    connection.connection_made(transport)

    assert vars(connection) == {}, "Name these in __slots__ of the class that sets them."


@pytest.mark.parametrize(("name", "replacement"), [("writable", Gate), ("queue", Inbox)])
def test_of_what_we_have_replaced_uvicorn_uses_only_what_ours_has(name, replacement):
    used = set(re.findall(rf"self\.{name}\.(\w+)", inspect.getsource(WebSocketsSansIOProtocol)))

    assert used
    assert [attribute for attribute in used if not hasattr(replacement, attribute)] == [], (
        f"uvicorn uses {name} in another way. Look at {replacement.__name__}."
    )


# --- What a frame that is made ahead relies on -------------------------------------------------------


async def test_the_state_is_open_from_the_acceptance(connection, application):
    assert connection.conn._state is CONNECTING

    await application.sends("accept")

    assert connection.conn._state is OPEN, "write_frames() would never write."


async def test_the_state_is_open_up_to_our_close(connection, application):
    await application.sends("accept")

    await application.sends("close", code=4000)

    assert connection.conn._state is CLOSING, "write_frames() would write behind a close frame."


async def test_the_state_is_open_up_to_the_clients_close(connection, application):
    await application.sends("accept")

    client_sends(connection, Opcode.CLOSE, (1000).to_bytes(2))

    assert connection.conn._state is CLOSING, "write_frames() would write behind a close frame."
    connection.transport.close.assert_called_once_with()


@pytest.mark.parametrize("end", ["keepalive_timeout", "shutdown"])
async def test_the_state_is_open_up_to_the_servers_close(connection, application, end):
    await application.sends("accept")

    getattr(connection, end)()

    assert connection.conn._state is CLOSING, "write_frames() would write behind a close frame."


async def test_a_refused_handshake_never_opens(connection, application):
    await application.sends("close")

    assert connection.conn._state is CONNECTING, "write_frames() would write into the response."


async def test_a_send_is_one_write_that_waits_for_writable_first(connection, application):
    """Nothing is left in the library, which a frame past it would overtake."""
    await application.sends("accept")
    connection.transport.write.reset_mock()

    await application.sends("send", text="hello")
    connection.transport.write.assert_called_once_with(b"\x81\x05hello")
    assert connection.conn.data_to_send() == []

    connection.pause_writing()
    sending = asyncio.ensure_future(application.sends("send", text="later"))
    for _ in range(5):
        await asyncio.sleep(0)
    connection.transport.write.assert_called_once()
    connection.resume_writing()
    await sending
    connection.transport.write.assert_called_with(b"\x81\x05later")


async def test_the_application_runs_later_so_that_we_can_add_to_its_scope():
    application = Application()
    connection = WebSocketsSansIOProtocol(uvicorn.Config(application, **DEFAULTS), ServerState(), {})
    connection.connection_made(Mock(asyncio.Transport, get_extra_info=Mock(return_value=None)))

    connection.data_received(HANDSHAKE)

    assert isinstance(connection.scope["extensions"], dict), "handle_connect() adds ours to it."
    [task] = connection.tasks
    assert not hasattr(application, "scope"), "The application runs before handle_connect() has added ours."
    task.cancel()
    await asyncio.wait([task])


# --- What keepalive relies on ------------------------------------------------------------------------


async def test_keepalive_begins_when_the_handshake_is_over(connection, application):
    connection.start_keepalive = Mock()

    await application.sends("accept")

    connection.start_keepalive.assert_called_once_with()
    assert connection.handshake_complete


async def test_keepalive_ends_with_the_line(connection):
    connection.stop_keepalive = Mock()

    connection.connection_lost(None)

    connection.stop_keepalive.assert_called_once_with()
    del connection.stop_keepalive


async def test_a_pong_answers_the_ping_with_its_payload(connection, application):
    await application.sends("accept")
    connection.pending_ping_payload = b"1234"

    client_sends(connection, Opcode.PONG, b"4321")
    assert connection.pending_ping_payload == b"1234"

    client_sends(connection, Opcode.PONG, b"1234")
    assert connection.pending_ping_payload is None


async def test_a_client_that_does_not_answer_is_closed_with_1011(connection, application):
    await application.sends("accept")

    connection.keepalive_timeout()

    connection.transport.write.assert_called_with(b"\x88\x18" + (1011).to_bytes(2) + b"keepalive ping timeout")
    connection.transport.close.assert_called_once_with()
    assert connection.close_sent


# --- What memory relies on ---------------------------------------------------------------------------


async def test_headers_of_the_handshake_are_not_needed_after_it(connection, application):
    connection.request.headers.clear()
    await application.sends("accept")
    connection.response.headers.clear()

    await application.sends("send", text="hello")
    client_sends(connection, Opcode.TEXT, b"hello")

    assert [(await application.receive())["type"] for _ in range(2)] == ["websocket.connect", "websocket.receive"]


async def test_the_parser_is_not_needed_after_the_line(connection, application):
    await application.sends("accept")
    connection.connection_lost(None)

    connection.conn.parser.close()

    with pytest.raises(OSError):
        await asyncio.wait_for(connection.send({"type": "websocket.send", "text": "late"}), 10)


def test_the_http_parser_is_not_needed_after_the_handshake():
    """Our HttpProtocol drops it in handle_websocket_upgrade()."""
    calls = inspect.getsource(HttpToolsProtocol.data_received)

    assert calls.index("parser.feed_data") < calls.index("handle_websocket_upgrade()")
    assert "parser" not in calls.partition("handle_websocket_upgrade()")[2]

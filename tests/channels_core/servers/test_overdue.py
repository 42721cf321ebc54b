"""When a connection has had its time: by the clock of the tests, on a line that leads nowhere."""

import asyncio
from unittest.mock import Mock

import pytest
import uvicorn
from uvicorn.server import ServerState

from channels_core.servers.http import HEAD_S, HttpProtocol
from channels_core.servers.overdue import STUCK_S
from channels_core.servers.uvicorn import DEFAULTS
from channels_core.servers.websocket import ACCEPT_S, CLOSE_S, WebSocketProtocol


class Line(Mock):
    """A transport; ``is_over`` when it closes, with ``waiting`` bytes for the client."""

    is_over = False
    waiting = 0

    def is_closing(self):
        return self.is_over

    def get_write_buffer_size(self):
        return self.waiting

    def get_extra_info(self, name, default=None):
        return default


@pytest.fixture(params=[HttpProtocol, WebSocketProtocol])
async def connection(request):
    """A connection that waits for nothing; what it began with is over."""
    connection = request.param(uvicorn.Config(nothing, **DEFAULTS), ServerState(), {})
    connection.connection_made(Line())
    connection._due = None
    connection.handshake_complete = True
    return connection


async def nothing(scope, receive, send):
    """An application that ends at once."""


def now():
    return asyncio.get_running_loop().time()


async def test_who_is_idle_is_never_overdue(connection):
    connection.transport.waiting = 1000

    assert not connection.is_overdue(now())
    assert not connection.is_overdue(now() + 1_000_000)


async def test_who_takes_nothing_is_overdue_after_a_while(connection):
    connection.transport.waiting = 100_000
    connection.pause_writing()

    assert not connection.is_overdue(now() + STUCK_S - 1)
    assert connection.is_overdue(now() + STUCK_S + 1)


async def test_who_takes_a_little_each_time_is_not(connection):
    began = now()
    connection.transport.waiting = 100_000
    connection.pause_writing()

    for step in range(1, 10):
        connection.transport.waiting -= 1
        assert not connection.is_overdue(began + step * (STUCK_S - 1))


async def test_who_has_caught_up_is_not(connection):
    connection.transport.waiting = 100_000
    connection.pause_writing()
    connection.resume_writing()

    assert not connection.is_overdue(now() + STUCK_S + 1)


async def test_what_closes_is_overdue_when_nothing_moves(connection):
    connection.transport.is_over = True
    connection.transport.waiting = 100

    assert not connection.is_overdue(now())
    assert connection.is_overdue(now() + STUCK_S + 1)


async def test_a_websocket_that_closes_is_overdue_however_much_moves(connection):
    if isinstance(connection, HttpProtocol):
        pytest.skip("A page may take its time.")
    began = now()
    connection.close_sent = True

    assert not connection.is_overdue(began)
    assert not connection.is_overdue(began + CLOSE_S - 1)
    assert connection.is_overdue(began + CLOSE_S)


async def test_a_request_that_we_let_wait_is_not_overdue():
    connection = HttpProtocol(uvicorn.Config(nothing, **DEFAULTS), ServerState(), {})
    connection.connection_made(Line())
    late = now() + HEAD_S + 1

    connection.flow.read_paused = True
    assert not connection.is_overdue(late)
    connection.flow.read_paused = False
    assert not connection.is_overdue(late + HEAD_S - 1)
    assert connection.is_overdue(late + HEAD_S)


async def test_a_handshake_has_its_time_and_is_refused_then():
    connection = WebSocketProtocol(uvicorn.Config(nothing, **DEFAULTS), ServerState(), {})
    connection.connection_made(Line())

    assert not connection.is_overdue(now() + ACCEPT_S - 1)
    assert connection.is_overdue(now() + ACCEPT_S + 1)
    connection.give_up()

    [[answer]] = [call.args for call in connection.transport.write.call_args_list]
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    connection.transport.close.assert_called_once_with()
    connection.transport.abort.assert_not_called()

"""What a connection keeps while it is idle, how it is kept alive without timers, and that it leaves nothing behind."""

import asyncio
import gc
import signal
import weakref
from contextlib import asynccontextmanager, nullcontext

import pytest
import uvicorn
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from channels_core.meters import meters
from channels_core.servers.uvicorn import DEFAULTS, Server
from channels_core.servers.websocket import WebSocketProtocol
from tests.channels_core.servers.lines import HANDSHAKE, echo
from tests.channels_core.servers.writing import frames_in
from tests.servers import until

INTERVAL_S, TIMEOUT_S = 20.0, 10.0
PINGS = {"ws_ping_interval": INTERVAL_S, "ws_ping_timeout": TIMEOUT_S}


@pytest.fixture
async def connection(open_connection):
    return await open_connection(**PINGS)


# --- Keepalive ---------------------------------------------------------------------------------------


def now():
    return asyncio.get_running_loop().time()


def pinged(connection, when):
    """The payload of the ping that is sent at that time; None: none is."""
    assert not connection.is_overdue(when)
    frames = connection.transport.frames()
    assert [opcode for opcode, _ in frames] in ([], [Opcode.PING])
    return frames[0][1] if frames else None


def answer(connection, payload):
    connection.data_received(Frame(Opcode.PONG, payload).serialize(mask=True))


async def test_first_pings_are_spread_over_half_the_interval(open_connection):
    """After a restart all connections are as old as each other."""
    before = now()
    connections = [await open_connection(**PINGS) for _ in range(60)]
    after = now()

    assert not any(pinged(connection, before + INTERVAL_S / 2 - 1) for connection in connections)
    late = [connection for connection in connections if pinged(connection, before + INTERVAL_S * 0.75) is None]
    assert 10 < len(late) < 50
    assert all(pinged(connection, after + INTERVAL_S) for connection in late)


async def test_a_client_that_answers_is_asked_again_and_again(connection):
    when = now() + INTERVAL_S
    payloads = set()
    for _ in range(5):
        payloads.add(payload := pinged(connection, when))
        answer(connection, payload)
        assert pinged(connection, when + INTERVAL_S - 1) is None
        when += INTERVAL_S

    assert len(payloads) == 5
    assert {len(payload) for payload in payloads} == {4}
    assert not connection.close_sent


async def test_a_client_that_does_not_answer_is_told_so_and_left(connection):
    began = now() + INTERVAL_S
    pinged(connection, began)

    assert pinged(connection, began + TIMEOUT_S - 1) is None
    assert not connection.transport.is_over
    connection.is_overdue(began + TIMEOUT_S)

    assert connection.transport.frames() == [(Opcode.CLOSE, (1011).to_bytes(2) + b"keepalive ping timeout")]
    assert connection.transport.is_over
    connection.is_overdue(began + TIMEOUT_S + 1)
    assert connection.transport.frames() == []


async def test_the_answer_to_another_ping_is_none(connection):
    began = now() + INTERVAL_S
    pinged(connection, began)

    answer(connection, b"what?")
    connection.is_overdue(began + TIMEOUT_S)

    assert connection.transport.is_over


async def test_a_client_whose_answer_we_let_wait_has_answered(connection):
    """Behind a frame that the busy application has not taken; from when it has, there is time to answer again."""
    began, late = now() + INTERVAL_S, now() + 10 * INTERVAL_S
    payload = pinged(connection, began)
    connection.data_received(Frame(Opcode.TEXT, b"work").serialize(mask=True))
    assert not connection._is_ready()

    assert pinged(connection, began + TIMEOUT_S) is None
    assert pinged(connection, late) is None
    await until(connection._is_ready)
    connection.transport.taken.clear()  # what the application says
    assert pinged(connection, late + TIMEOUT_S - 1) is None
    answer(connection, payload)

    assert pinged(connection, late + TIMEOUT_S)
    assert not connection.close_sent
    connection.is_overdue(late + 2 * TIMEOUT_S)
    assert connection.close_sent


async def test_who_need_not_answer_is_asked_nevertheless(open_connection):
    """Lines without traffic are cut on their way."""
    connection = await open_connection(**PINGS | {"ws_ping_timeout": None})
    began = now() + INTERVAL_S

    assert all(pinged(connection, began + rounds * INTERVAL_S) for rounds in range(3))
    assert not connection.transport.is_over


@pytest.mark.parametrize("interval", [None, 0])
async def test_nobody_is_asked_where_that_is_switched_off(open_connection, interval):
    connection = await open_connection(ws_ping_interval=interval)

    assert pinged(connection, now() + 1_000_000) is None


async def test_after_a_close_nobody_is_asked(connection):
    await connection.send({"type": "websocket.close"})
    connection.transport.frames()

    connection.keep_alive(now() + INTERVAL_S)

    assert connection.transport.frames() == []


async def test_a_connection_has_no_timer(connection):
    pinged(connection, now() + INTERVAL_S)

    assert (connection.ping_timer, connection.pong_timer, connection.close_timer) == (None, None, None)


# --- What is kept ------------------------------------------------------------------------------------


async def test_nothing_is_kept_of_a_handshake_that_is_over(connection):
    assert len(connection.request.headers) == len(connection.response.headers) == 0
    assert dict(connection.scope["headers"])[b"host"] == b"localhost"


async def test_names_of_headers_are_kept_once(open_connection):
    one, other = [(await open_connection()).scope["headers"] for _ in range(2)]

    assert all(name is shared for (name, _), (shared, _) in zip(one, other, strict=True))


# --- What is left behind -----------------------------------------------------------------------------


@pytest.fixture
def uncollected():
    """Nothing is freed but by its references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@asynccontextmanager
async def serve(application, **options):
    """A server in the process of the tests."""
    config = uvicorn.Config(application, port=0, log_config=None, lifespan="off", **DEFAULTS | options)
    server = Server(config)
    server.capture_signals = nullcontext  # those of the test run are its own
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server, f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.handle_exit(signal.SIGINT, None)
        await asyncio.wait_for(serving, 10)


async def leave(tab):
    await tab.close()


async def vanish(tab):
    tab.transport.abort()


async def break_the_protocol(tab):
    tab.transport.write(b"\xff" * 20)
    await tab.wait_closed()


@pytest.mark.parametrize("end", [leave, vanish, break_the_protocol])
async def test_a_connection_that_has_ended_is_freed_without_the_collector(end, uncollected, monkeypatch):
    """What was frozen before, the collector would not find."""
    monkeypatch.setattr(meters, "is_draining", False)
    async with serve(echo) as (server, url):
        async with connect(url, proxy=None) as tab:
            await tab.send("hello")
            assert await tab.recv() == "hello"
            [connection] = server.server_state.connections
            ended = [weakref.ref(connection), weakref.ref(connection.conn)]
            del connection
            await end(tab)

        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
        await until(lambda: [each() for each in ended] == [None, None])


REFUSED = [HANDSHAKE, HANDSHAKE.replace(b"version: 13", b"version: 12")]  # by the application; by the library


@pytest.mark.parametrize("handshake", REFUSED)
async def test_a_connection_that_was_refused_is_freed_without_the_collector(handshake, uncollected, monkeypatch):
    monkeypatch.setattr(meters, "is_draining", False)
    refused = []

    async def refuse(scope, receive, send):
        await send({"type": "websocket.close"})

    class Noted(WebSocketProtocol):
        def connection_made(self, transport):
            refused.append(weakref.ref(self))
            super().connection_made(transport)

    async with serve(refuse, ws=Noted) as (server, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
        writer.write(handshake)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 4")
        writer.close()

        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
        await until(lambda: [each() for each in refused] == [None])


async def test_a_server_asks_its_clients_and_leaves_those_that_do_not_answer(monkeypatch):
    monkeypatch.setattr(meters, "is_draining", False)
    options = {"ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    async with serve(echo, **options) as (server, url), connect(url, proxy=None, ping_interval=None) as lively:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        ping, close = frames_in(await asyncio.wait_for(reader.read(), 10))
        writer.close()

        assert ping[0] == Opcode.PING
        assert close == (Opcode.CLOSE, (1011).to_bytes(2) + b"keepalive ping timeout")
        await lively.send("still here")
        assert await lively.recv() == "still here"

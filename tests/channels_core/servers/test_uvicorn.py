"""
The fine points of a drain, with shorter times and in the process of the tests; and what we rely on in uvicorn.

With real processes, signals and times: test_drain.py.
"""

import asyncio
import inspect
import runpy
import signal
import time
from collections import Counter
from contextlib import asynccontextmanager, nullcontext
from http import HTTPStatus
from unittest.mock import Mock

import pytest
import uvicorn
import uvicorn.server
from django.conf import settings
from django.db import OperationalError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.meters import each_second, meters
from channels_core.servers import uvicorn as ours
from channels_core.servers import websocket
from channels_core.servers.http import HttpProtocol
from channels_core.servers.uvicorn import DEFAULTS, Server, WebSocketProtocol
from tests.channels_core.servers.hearing import hear, hear_close
from tests.servers import until

HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Place:
    """What a test and its consumers know of each other."""

    def __init__(self) -> None:
        self.events = []
        self.began = asyncio.Event()  # some work has begun
        self.go = asyncio.Event()  # it may come to its end
        self.server = None

    def application(self):
        place = self

        class Bench(AsyncWebsocketConsumer):
            channel_layer_alias = None

            async def receive(self, text_data=None, bytes_data=None):
                place.events.append(text_data)
                match text_data:
                    case "work":
                        place.began.set()
                        await place.go.wait()
                    case "flood":
                        for _ in range(200):
                            await self.send("x" * 100_000)
                await self.send(f"done {text_data}")

            async def disconnect(self, code):
                place.events.append((code, place.server.ticks))

        consumer = Bench.as_asgi()

        async def application(scope, receive, send):
            await (consumer if scope["type"] == "websocket" else place.page)(scope, receive, send)

        return application

    async def page(self, scope, receive, send):
        """A response that ends when it may, and does not ask whether anybody waits for it."""
        self.began.set()
        try:
            await self.go.wait()
        finally:
            self.events.append("the page is over")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class CountingServer(Server):
    """Says how often it has looked around."""

    ticks = 0

    async def on_tick(self, counter):
        self.ticks += 1
        return await super().on_tick(counter)

    def at(self) -> str:
        return f"ws://127.0.0.1:{self.port}/"

    @property
    def port(self) -> int:
        return self.servers[0].sockets[0].getsockname()[1]

    def is_listening(self) -> bool:
        return any(server.sockets for server in self.servers)


@pytest.fixture
def times(monkeypatch):
    """A drain that waits for nothing unless a test says so."""

    def times(**seconds):
        for name, value in seconds.items():
            monkeypatch.setattr(ours, name, value)

    times(NOTICE_S=0, END_S=10)
    monkeypatch.setattr(websocket, "CLOSE_FRAME_S", 1)
    return times


@pytest.fixture
async def place():
    return Place()


@pytest.fixture
def serve(place, times, monkeypatch):
    """Run a server with the consumers of ``place`` while the block runs; it has come to its end afterwards."""
    monkeypatch.setattr(meters, "is_draining", False)

    @asynccontextmanager
    async def serve():
        options = DEFAULTS | {"timeout_graceful_shutdown": 0.2}
        config = uvicorn.Config(place.application(), port=0, log_config=None, lifespan="off", **options)
        place.server = server = CountingServer(config)
        server.capture_signals = nullcontext  # those of the test run are its own
        serving = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        try:
            yield server
        finally:
            server.handle_exit(signal.SIGTERM, None)
            await asyncio.wait_for(serving, 10)

    return serve


# --- The drain ---------------------------------------------------------------------------------------


async def test_what_came_before_is_answered_in_its_turn_and_what_comes_later_is_not_taken(serve, place):
    async with serve() as server, connect(server.at()) as tab:
        await tab.send("work")
        await place.began.wait()
        await tab.send("next")  # waits behind the first, and its sender counts on it
        [connection] = server.server_state.connections
        await until(lambda: connection.read_paused)

        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: not server.is_listening())
        await tab.send("late")
        place.go.set()

        assert [await hear(tab), await hear(tab)] == ["done work", "done next"]
        assert await hear_close(tab) == (1012, "Restarting.")
        assert [event for event in place.events if isinstance(event, str)] == ["work", "next"]
        assert [event[0] for event in place.events if isinstance(event, tuple)] == [1012]


async def test_a_socket_that_is_leaving_lives_on_and_its_application_is_given_nothing_more(serve, place):
    """Whatever an application does with what it is told: the end was the last."""
    async with serve() as server, connect(server.at()) as tab:
        await tab.send("work")
        await place.began.wait()
        [connection] = server.server_state.connections
        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: not server.is_listening())

        await tab.send("late")
        async with asyncio.timeout(10):
            await (await tab.ping())

        assert connection.queue.get_nowait()["type"] == "websocket.disconnect"
        assert connection.queue.empty()
        connection.queue.put_nowait({"type": "websocket.disconnect", "code": 1012})
        place.go.set()
        await hear(tab)


async def test_a_client_that_leaves_meanwhile_is_noted_once(serve, place):
    async with serve() as server, connect(server.at()) as tab:
        await tab.send("work")
        await place.began.wait()
        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: not server.is_listening())

        await tab.close(4001)
        place.go.set()

    assert len([event for event in place.events if isinstance(event, tuple)]) == 1


async def test_a_few_sockets_are_closed_one_after_the_other(serve, place, times):
    times(CLOSES_PER_S=10, SPREAD_S=5)
    async with serve() as server:
        tabs = [await connect(server.at()) for _ in range(5)]

        server.handle_exit(signal.SIGTERM, None)

        assert [await hear_close(tab) for tab in tabs] == [(1012, "Restarting.")] * 5
    moments = Counter(tick for _, tick in place.events)
    assert set(moments.values()) == {1}
    assert max(moments) - min(moments) == 4  # ticks, so with each one


async def test_many_sockets_are_closed_in_slices_of_the_same_size_within_the_longest_spread(serve, place, times):
    times(CLOSES_PER_S=10, SPREAD_S=0.5)
    async with serve() as server:
        tabs = [await connect(server.at()) for _ in range(20)]

        server.handle_exit(signal.SIGTERM, None)

        assert {await hear_close(tab) for tab in tabs} == {(1012, "Restarting.")}
    moments = Counter(tick for _, tick in place.events)
    assert list(moments.values()) == [4] * 5
    assert max(moments) - min(moments) == 4


async def test_a_second_signal_ends_the_waiting(serve, place, times):
    times(NOTICE_S=60)
    async with serve() as server, connect(server.at()) as tab:
        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: meters.is_draining)

        server.handle_exit(signal.SIGINT, None)

        assert (await hear_close(tab))[0] == 1012
    assert len(place.events) == 1


async def test_what_does_not_end_is_cancelled_and_cleans_up(serve, place, times, caplog):
    times(END_S=0.2)
    async with serve() as server:
        tab = await connect(server.at())
        await tab.send("work")
        await place.began.wait()

    assert (await hear_close(tab))[0] == 1012
    assert [event[0] for event in place.events if isinstance(event, tuple)] == [1006]
    assert "Cut off what ran on /." in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_client_that_does_not_read_is_given_up(serve, place, times, caplog):
    """Its last reply fills the buffers, so there is no room for the close either."""
    times(END_S=0.2)
    async with serve() as server:
        tab = await connect(server.at(), max_queue=1, ping_interval=None)
        await tab.send("flood")
        [connection] = server.server_state.connections
        await until(lambda: not connection.writable.is_set())

    assert len([event for event in place.events if isinstance(event, tuple)]) == 1
    assert "Traceback" not in caplog.text
    tab.transport.abort()


async def test_a_client_that_does_not_answer_the_close_is_left(serve, place):
    async with serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")

    assert [event[0] for event in place.events] == [1012]
    close = await asyncio.wait_for(reader.read(), 10)
    assert close == b"\x88\x0d" + CloseCode.SERVICE_RESTART.to_bytes(2) + b"Restarting."
    writer.close()


async def test_a_response_that_runs_is_finished_on_a_connection_that_ends_with_it(serve, place):
    async with serve() as server:
        reader, writer = await ask_for_the_page(server)
        await place.began.wait()

        server.handle_exit(signal.SIGTERM, None)
        await until(lambda: not server.is_listening())
        place.go.set()

        response = await asyncio.wait_for(reader.read(), 10)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in response
    assert response.endswith(b"\r\n\r\nok")
    writer.close()


async def test_a_connection_that_is_idle_is_closed(serve, place):
    place.go.set()
    async with serve() as server:
        reader, writer = await ask_for_the_page(server)
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 OK\r\n")

        server.handle_exit(signal.SIGTERM, None)

        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_a_page_that_never_ends_is_cancelled(serve, place, times):
    times(END_S=0.2)
    async with serve() as server:
        _, writer = await ask_for_the_page(server)
        await place.began.wait()

    assert place.events == ["the page is over"]
    writer.close()


async def ask_for_the_page(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader, writer


def test_all_of_it_fits_into_what_gunicorn_grants():
    """After the end: uvicorn's breath, its patience with what was cut off, and ours with what was cancelled."""
    granted_s = runpy.run_path(f"{settings.BASE_DIR}/gunicorn.conf.py")["graceful_timeout"]

    assert granted_s == 15
    assert ours.NOTICE_S + ours.SPREAD_S < ours.END_S
    assert granted_s > ours.END_S + ours.TICK_S + ours.CUT_OFF_S + ours.CLEAN_UP_S
    assert DEFAULTS["timeout_graceful_shutdown"] == ours.CUT_OFF_S


# --- Once a second -----------------------------------------------------------------------------------


async def test_what_is_due_is_done_once_a_second_and_told_how_late_the_loop_was(serve, monkeypatch):
    lags = []
    act = lambda: lags.append(meters.loop_lag_s)  # noqa: E731
    monkeypatch.setattr(meters, "loop_lag_s", 0.0)
    each_second.append(act)
    try:
        async with serve() as server:
            await until(lambda: lags)
            time.sleep(0.3)  # noqa: ASYNC251 (it is what is measured)
            await until(lambda: len(lags) > 1)
            ticks = server.ticks
    finally:
        each_second.remove(act)

    assert lags[1] > 0.15  # all but the tick that it fell into
    assert 8 < ticks <= 12


async def test_what_fails_once_a_second_is_logged_and_ends_nothing(serve, monkeypatch, caplog):
    """A disk that is full, where the numbers are written, is nothing to those who are connected."""
    rounds = []

    def fail():
        raise OSError("No space left on device")

    for act in (fail, lambda: rounds.append(meters.connections)):
        monkeypatch.setattr(ours, "each_second", [*ours.each_second, act])
    async with serve() as server, connect(server.at()) as tab:
        await until(lambda: len(rounds) > 1)

        await tab.send("hello")
        assert await hear(tab) == "done hello"
    assert "What is done once a second failed" in caplog.text
    assert "No space left on device" in caplog.text


async def test_a_handshake_without_the_database_is_refused_in_a_sentence(serve, place, caplog):
    """Everybody comes back again and again until it is there: that is no place for tracebacks."""

    async def application(scope, receive, send):
        raise OperationalError("connection refused")

    place.application = lambda: application
    async with serve() as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.at())

    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["Retry-After"] == "1"
    assert "A handshake on / was refused, the database does not answer: connection refused" in caplog.text
    assert not any(record.exc_info for record in caplog.records)


# --- What we rely on in uvicorn ----------------------------------------------------------------------


async def nothing(scope, receive, send):
    """An application that ends at once."""


@pytest.fixture
async def connection():
    """A connection of uvicorn's own, on a line that leads nowhere."""
    connection = WebSocketsSansIOProtocol(uvicorn.Config(nothing, **DEFAULTS), ServerState(), {})
    transport = Mock(asyncio.Transport, get_extra_info=Mock(return_value=None), is_closing=Mock(return_value=False))
    connection.connection_made(transport)
    return connection


def test_contract_our_choices_are_taken():
    config = uvicorn.Config(nothing, **DEFAULTS)
    config.load()

    assert config.ws_protocol_class is WebSocketProtocol
    assert issubclass(WebSocketProtocol, WebSocketsSansIOProtocol)
    assert config.http_protocol_class is HttpProtocol
    assert issubclass(HttpProtocol, HttpToolsProtocol)
    assert config.get_loop_factory().__module__ == "uvloop"


async def test_contract_a_connection_has_what_we_read_and_set(connection):
    assert isinstance(connection.queue, asyncio.Queue)
    assert connection.app is connection.config.loaded_app
    assert connection.frames == []
    assert (connection.handshake_complete, connection.close_sent, connection.disconnected) == (False, False, False)
    assert connection.close_timeout == 10.0
    assert inspect.iscoroutinefunction(connection.send)


async def test_contract_a_handshake_comes_to_handle_connect_and_runs_the_application_in_app(connection, monkeypatch):
    heard = []

    async def application(scope, receive, send):
        heard.append((scope["path"], await receive()))
        await send({"type": "websocket.accept"})
        assert connection.handshake_complete
        await send({"type": "websocket.close", "code": 1012, "reason": "Restarting."})

    connection.app = application
    handle_connect = Mock(side_effect=connection.handle_connect)
    monkeypatch.setattr(connection, "handle_connect", handle_connect)

    connection.data_received(HANDSHAKE)

    [[request]] = [call.args for call in handle_connect.call_args_list]
    assert isinstance(request, Request)
    await until(lambda: connection.close_sent)
    assert heard == [("/socket", {"type": "websocket.connect"})]
    assert connection.close_timer is not None  # the client has close_timeout to answer


async def test_contract_a_handshake_can_be_refused_by_hand(connection):
    response = connection.conn.reject(HTTPStatus.SERVICE_UNAVAILABLE, "not now")
    response.headers["Retry-After"] = "1"
    connection.conn.send_response(response)

    sent = b"".join(connection.conn.data_to_send())
    assert sent.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in sent
    assert sent.endswith(b"\r\n\r\nnot now")


async def test_contract_a_frame_comes_to_send_receive_event_to_app_in_frames(connection, monkeypatch):
    connection.data_received(HANDSHAKE)
    given = []
    monkeypatch.setattr(connection, "send_receive_event_to_app", lambda: given.append(connection.frames))
    connection.conn.send_response(connection.response)
    connection.conn.data_to_send()

    connection.data_received(Frame(Opcode.TEXT, b"hello").serialize(mask=True))

    assert [[bytes(part) for part in frames] for frames in given] == [[b"hello"]]
    await until(lambda: not connection.tasks)


async def test_contract_the_server_looks_around_every_tenth_of_a_second(monkeypatch):
    server = uvicorn.Server(uvicorn.Config(nothing))
    slept, seen = [], []

    async def sleep(seconds):
        slept.append(seconds)

    async def on_tick(counter):
        seen.append(counter)
        return counter == 3

    monkeypatch.setattr(uvicorn.server.asyncio, "sleep", sleep)
    monkeypatch.setattr(server, "on_tick", on_tick)
    await server.main_loop()

    assert seen == [0, 1, 2, 3]
    assert set(slept) == {ours.TICK_S}


def test_contract_signals_come_to_handle_exit():
    server = uvicorn.Server(uvicorn.Config(nothing))

    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server.force_exit) == (True, False)

    server.handle_exit(signal.SIGINT, None)
    assert server.force_exit is True

"""When a frame made ahead is written and when not, to the turn; with real servers and clients: test_frames.py."""

import asyncio

import pytest
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame, Opcode

from channels_core.frames import text_frame
from channels_core.servers.websocket import WebSocketProtocol
from tests.channels_core.servers.lines import HANDSHAKE, Line
from tests.servers import until

FRAME = text_frame(b"ahead")


@pytest.fixture
async def connection(open_connection):
    return await open_connection()


@pytest.fixture
def write(connection):
    return connection.scope["extensions"]["channels_core.frames"]["write"]


@pytest.fixture
async def send(connection):
    """Begin to send a text; it waits if it has to."""
    sends = []

    async def send(text):
        sends.append(asyncio.create_task(connection.send({"type": "websocket.send", "text": text})))
        await asyncio.sleep(0)  # it has begun
        return sends[-1]

    yield send
    connection.resume_writing()
    await asyncio.gather(*sends, return_exceptions=True)


def texts(connection):
    """What was written since this was asked."""
    return [payload.decode() for opcode, payload in connection.transport.frames() if opcode == Opcode.TEXT]


async def test_other_extensions_stay(connection):
    assert set(connection.scope["extensions"]) == {"websocket.http.response", "channels_core.frames"}


async def test_it_is_written_as_it_is_at_once(connection, write):
    assert write(FRAME * 2) is True

    assert connection.transport.taken == FRAME * 2


async def test_nothing_is_written_to_a_line_that_takes_no_more(connection, write):
    connection.pause_writing()

    assert write(FRAME) is False

    connection.resume_writing()
    assert write(FRAME) is True
    assert texts(connection) == ["ahead"]


async def test_a_send_that_waits_is_not_overtaken_in_the_turn_in_which_the_line_is_free_again(connection, write, send):
    connection.pause_writing()
    sends = [await send("one"), await send("two")]

    connection.resume_writing()
    assert write(FRAME) is False

    seen = []
    while not all(sending.done() for sending in sends):
        seen.append(write(FRAME))
        await asyncio.sleep(0)
    order = texts(connection)
    assert order[:2] == ["one", "two"]
    assert order[2:] == ["ahead"] * sum(seen)
    assert write(FRAME) is True


async def test_a_send_overtakes_none_that_waits(connection, send):
    """As asyncio's events would let it."""
    connection.pause_writing()
    first = await send("one")
    connection.resume_writing()
    second = await send("two")

    await asyncio.gather(first, second)

    assert texts(connection) == ["one", "two"]


async def test_a_send_that_is_given_up_keeps_nobody_waiting(connection, write, send):
    connection.pause_writing()
    waiting = await send("never")
    waiting.cancel()
    await asyncio.wait([waiting])

    connection.resume_writing()

    assert write(FRAME) is True
    assert texts(connection) == ["ahead"]


async def test_nothing_is_written_behind_a_close_of_the_application(connection, write):
    await connection.send({"type": "websocket.close", "code": 4000})

    assert write(FRAME) is False


async def test_nothing_is_written_behind_a_close_of_the_client(connection, write):
    connection.data_received(Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True))

    assert write(FRAME) is False


async def test_nothing_is_written_behind_a_failure(connection, write):
    connection.fail(CloseCode.POLICY_VIOLATION, "Too much.")

    assert write(FRAME) is False


async def test_nothing_is_written_behind_a_close_that_the_server_sends(connection, write):
    connection.keepalive_timeout()

    assert write(FRAME) is False


async def test_nothing_is_written_to_a_line_that_is_closing(connection, write):
    connection.transport.is_over = True

    assert write(FRAME) is False


async def test_while_a_socket_leaves_it_is_written_to(connection, write):
    """Until its application has ended: what it is told belongs to the commands that still run."""
    connection.drain()

    assert write(FRAME) is True


async def test_when_the_application_has_ended_nothing_is_written(connection, write):
    connection.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await until(lambda: not connection.tasks)

    assert write(FRAME) is False


async def test_a_handshake_that_is_wrong_comes_to_no_application(connection):
    wrong = WebSocketProtocol(connection.config, ServerState(), {})
    wrong.connection_made(Line())

    wrong.data_received(HANDSHAKE.replace(b"sec-websocket-version: 13", b"sec-websocket-version: 12"))

    assert wrong.transport.taken.startswith(b"HTTP/1.1 4")
    assert wrong.write_frames(FRAME) is False
    assert not wrong.tasks

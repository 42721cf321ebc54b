"""
Frames made ahead, as clients get them that know nothing of us: on uvicorn and gunicorn, both event loops, with TLS.

A browser reads them in tests/e2e/test_frames.py.
"""

import asyncio
import datetime
import ipaddress
import ssl
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import aiohttp
import picows
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from tests.channels_core.servers import writing
from tests.channels_core.servers.hearing import HEARD_WITHIN_S
from tests.channels_core.servers.writing import SEVERAL, TEXTS, WritingServer, frames_in, texts_in

TOO_LARGE = 2**21  # for what clients take at once: the longest text fits
CLOSE = Frame(Opcode.CLOSE, (1000).to_bytes(2)).serialize(mask=True)


# --- Servers -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The files of a certificate for this machine that nobody has signed, and of its key."""
    directory = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = directory / "certificate.pem", directory / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return [str(file) for file in files]


@pytest.fixture(scope="module", params=["uvicorn", "uvicorn, TLS", "gunicorn", "gunicorn, TLS"])
def server(request, certificate):
    """One for all tests of this file; uvicorn's runs on asyncio's loop, gunicorn's on uvloop's."""
    kind, _, tls = request.param.partition(", ")
    server = WritingServer(kind, certificate if tls else None)
    server.start()
    yield server
    said = server.log.read_text()
    server.remove()
    assert "Traceback" not in said
    assert "socket.send() raised" not in said  # the loops' warning for who writes to a line that is gone


@pytest.fixture
def trust(server):
    """What a client needs to know for a line to that server."""
    return ssl.create_default_context(cafile=server.certificate[0]) if server.certificate else None


@pytest.fixture
def name():
    """That of the notes."""
    return uuid4().hex


async def noted(server, name):
    """What the script noted, as soon as it has."""
    async with asyncio.timeout(HEARD_WITHIN_S):
        while (notes := server.noted(name)) is None:
            await asyncio.sleep(0.01)
    return notes


# --- Clients -----------------------------------------------------------------------------------------


@asynccontextmanager
async def websockets_client(url, trust):
    async with connect(url, ssl=trust, max_size=TOO_LARGE, proxy=None) as tab:
        yield tab.send, tab.recv


@asynccontextmanager
async def aiohttp_client(url, trust):
    async with aiohttp.ClientSession() as session:
        tab = await session.ws_connect(url, ssl=trust or True, max_msg_size=TOO_LARGE)
        yield tab.send_str, tab.receive_str
        line = tab.get_extra_info("socket")
        await tab.close()
        while line.fileno() != -1:  # with TLS it is open for a moment, and aiohttp does not wait for that
            await asyncio.sleep(0)


@asynccontextmanager
async def picows_client(url, trust):
    heard = asyncio.Queue()

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == picows.WSMsgType.TEXT and frame.fin:
                heard.put_nowait(frame.get_payload_as_utf8_text())
            elif frame.msg_type != picows.WSMsgType.PING:
                heard.put_nowait(frame.msg_type)

    tab, _ = await picows.ws_connect(Listener, url, ssl_context=trust, max_frame_size=TOO_LARGE)

    async def send(text):
        tab.send(picows.WSMsgType.TEXT, text.encode())

    yield send, heard.get
    tab.send_close(picows.WSCloseCode.OK)
    tab.disconnect()
    await tab.wait_disconnected()


@pytest.fixture(params=[websockets_client, aiohttp_client, picows_client], ids=["websockets", "aiohttp", "picows"])
def client(request, trust):
    """Opens a connection: how to send a text, and how to hear one."""

    @asynccontextmanager
    async def client(url):
        async with asyncio.timeout(HEARD_WITHIN_S), request.param(url, trust) as tab:
            yield tab

    return client


class Line:
    """A client that can do what no client would, and sees every byte of what the server writes."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def rest(self):
        """Everything up to the end of the line."""
        async with asyncio.timeout(HEARD_WITHIN_S):
            return await self.reader.read()

    async def up_to(self, data):
        """Everything up to these bytes."""
        async with asyncio.timeout(HEARD_WITHIN_S):
            return await self.reader.readuntil(data)

    def vanish(self):
        self.writer.transport.abort()


@pytest.fixture
def open_line(server, trust):
    """A line to a script, past the handshake."""

    @asynccontextmanager
    async def open_line(script, name):
        path = server.at(script, name).partition(str(server.port))[2]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust, limit=2**17)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        line = Line(reader, writer)
        assert (await line.up_to(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield line
        line.vanish()
        with suppress(OSError):
            await writer.wait_closed()

    return open_line


# --- What clients read -------------------------------------------------------------------------------


async def test_frames_are_right_at_every_length(client, server, name):
    async with client(server.at(writing.write_texts, name)) as (send, hear):
        for number, text in enumerate(TEXTS):
            await send(str(number))
            assert await hear() == text


async def test_several_frames_arrive_with_one_write(client, server, name):
    async with client(server.at(writing.write_several, name)) as (_, hear):
        assert [await hear() for _ in SEVERAL] == SEVERAL
    assert await noted(server, name) == [True]


async def test_frames_keep_their_order_with_what_is_sent(client, server, name):
    async with client(server.at(writing.take_turns, name)) as (_, hear):
        assert [await hear() for _ in range(7)] == list("1234567")
    assert await noted(server, name) == [True] * 3


# --- The end -----------------------------------------------------------------------------------------


async def test_after_a_close_of_ours_nothing_is_written_though_the_client_reads_on(server, open_line, name):
    async with open_line(writing.close, name) as line:
        assert await noted(server, name) == [True, False, False]
        line.writer.write(CLOSE)
        frames = frames_in(await line.rest())

    assert frames == [(Opcode.TEXT, b"before"), (Opcode.CLOSE, (4000).to_bytes(2) + b"Enough.")]


async def test_after_a_close_of_the_client_nothing_is_written(server, open_line, name):
    async with open_line(writing.write_on, name) as line:
        more = await line.up_to(b"more")
        line.writer.write(CLOSE)
        *frames, last = frames_in(more + await line.rest())

    written, *after = await noted(server, name)
    assert frames == [(Opcode.TEXT, b"more")] * written
    assert last == (Opcode.CLOSE, (1000).to_bytes(2))
    assert after == [False] * 10 + ["ClientDisconnected"]


async def test_to_a_client_that_has_vanished_nothing_is_written(server, open_line, name):
    async with open_line(writing.write_on, name) as line:
        await line.up_to(b"more")
        line.vanish()

    _, *after = await noted(server, name)
    assert after == [False] * 10 + ["ClientDisconnected"]


# --- A line that is full -----------------------------------------------------------------------------


async def test_what_a_client_reads_late_is_complete_and_in_order(server, open_line, name):
    """Sends that wait are not overtaken by writes that came later, not even in the turn in which there is room."""
    async with open_line(writing.write_until_paused, name) as line:
        assert await noted(server, name) == [False] * 3
        data = bytearray()
        async with asyncio.timeout(HEARD_WITHIN_S):
            while not data.endswith(b"end"):
                data += await line.reader.read(2**16)

    *texts, _ = texts_in(bytes(data))
    assert [int(text.split()[0]) for text in texts] == list(range(len(texts)))
    kinds = [text.split()[1] for text in texts if not text.endswith("x")]
    assert kinds == ["sent"] * 3 + ["written"] * 100

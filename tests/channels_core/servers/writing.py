"""
An application that writes ready-made frames, the servers that it runs on, and what a client gets of them.

Each address is a script. What it noted is in the directory WRITING, in a file with the name that the client has
given in its query.
"""

import asyncio
import gc
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from channels_core.frames import Burst
from tests.servers import Server

LENGTHS = (0, 1, 125, 126, 127, 65_535, 65_536, 2**20)  # of payloads, in bytes
LONG = "x" * 60_000
MODULE = "channels_core.servers.garbage"


def characters_of_all_sizes(length):
    """A text that has so many bytes in UTF-8."""
    text = ("aé€😀" * (length // 10 + 1)).encode()[:length].decode(errors="ignore")
    return text + "x" * (length - len(text.encode()))


TEXTS = [text for length in LENGTHS for text in ("x" * length, characters_of_all_sizes(length))]
SEVERAL = ["", "one", "zwölf", "x" * 126, characters_of_all_sizes(65_536), "last"]


# --- Scripts -----------------------------------------------------------------------------------------


class Connection:
    """One websocket: what came with its scope, in the words of the scripts."""

    def __init__(self, scope, receive, send):
        self.write_bytes = scope["extensions"]["channels_core.frames"]["write"]
        self.receive = receive
        self.send_event = send
        self.name = scope["query_string"].decode()

    def write(self, *texts):
        return self.write_bytes(Burst(*texts).frames)

    async def send(self, text):
        await self.send_event({"type": "websocket.send", "text": text})

    async def is_told(self):
        """The text of the next message; None: there is none anymore."""
        return (await self.receive()).get("text")

    async def is_over(self):
        while (await self.receive())["type"] != "websocket.disconnect":
            pass

    def note(self, noted):
        directory = Path(os.environ["WRITING"])
        (directory / f"{self.name}.part").write_text(json.dumps(noted))
        (directory / f"{self.name}.part").rename(directory / self.name)  # all of it at once


async def write_texts(connection):
    """One frame in one write, for each number that comes: that of a text."""
    while (number := await connection.is_told()) is not None:
        if not connection.write(TEXTS[int(number)]):
            await connection.send(f"Text {number} was not written.")


async def write_several(connection):
    """Many frames in one write."""
    connection.note([connection.write(*SEVERAL)])
    await connection.is_over()


async def take_turns(connection):
    """Writes and sends in one turn of the loop; the first before anything was accepted is in ``application``."""
    taken = [connection.write("1")]
    await connection.send("2")
    taken.append(connection.write("3", "4"))
    await connection.send("5")
    await connection.send("6")
    taken.append(connection.write("7"))
    connection.note(taken)
    await connection.is_over()


async def close(connection):
    """Write after a close of one's own, as long as the client does not answer it, and then."""
    taken = [connection.write("before")]
    await connection.send_event({"type": "websocket.close", "code": 4000, "reason": "Enough."})
    taken.append(connection.write("at once"))
    await connection.is_over()  # uvicorn says so at once
    taken.append(connection.write("later"))
    connection.note(taken)


async def write_on(connection):
    """Write in every turn until the client has closed or is gone; and then."""
    over = asyncio.create_task(connection.is_over())
    written = 0
    while not over.done():
        written += connection.write("more")
        await asyncio.sleep(0)
    after = [connection.write("after") for _ in range(10)]
    try:
        await connection.send("after")
    except OSError as error:
        after.append(type(error).__name__)
    connection.note([written, *after])


async def write_until_paused(connection):
    """
    Fill the line, let three sends wait, and write what can be written meanwhile, which is nothing; then go on.

    Each text starts with its number in the order in which it was taken.
    """
    number = 0
    while connection.write(f"{number} {LONG}"):
        number += 1
    sends = [asyncio.create_task(connection.send(f"{number + ahead} sent")) for ahead in range(3)]
    await asyncio.sleep(0)
    connection.note([connection.write("too early") for _ in range(3)])  # a client that hears of it reads on
    number += len(sends)
    for _ in range(100):
        while not connection.write(f"{number} written"):
            await asyncio.sleep(0)
        number += 1
    await connection.send("end")
    await connection.is_over()


async def tell_of_the_collector(connection):
    """How this process collects garbage."""
    connection.note(
        [gc.get_threshold(), gc.get_freeze_count(), sum(each.__module__ == MODULE for each in gc.callbacks)]
    )
    await connection.is_over()


SCRIPTS = {
    f"/{script.__name__}/": script
    for script in (write_texts, write_several, take_turns, close, write_on, write_until_paused, tell_of_the_collector)
}


async def application(scope, receive, send):
    connection = Connection(scope, receive, send)
    assert (await receive())["type"] == "websocket.connect"
    if connection.write("too early"):
        raise AssertionError("Something was written before the handshake was answered.")
    await send({"type": "websocket.accept"})
    with suppress(asyncio.CancelledError):
        await SCRIPTS[scope["path"]](connection)


# --- Servers -----------------------------------------------------------------------------------------


class WritingServer(Server):
    """A process that runs the application; ``certificate``: the files of a certificate and its key, for TLS."""

    def __init__(self, kind, certificate=None):
        super().__init__("writing")
        self.kind = kind
        self.certificate = certificate

    def command(self):
        if self.kind == "uvicorn":
            return [sys.executable, "-m", __name__, str(self.port), *(self.certificate or ())]
        certificate = ["--certfile", self.certificate[0], "--keyfile", self.certificate[1]] if self.certificate else []
        return [
            *(sys.executable, "-m", "gunicorn", f"{__name__}:application", "--bind", f"127.0.0.1:{self.port}"),
            *("--worker-class=channels_core.servers.gunicorn.Worker", "--no-control-socket", *certificate),
        ]

    def environment(self):
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            "PYTHONPATH": str(settings.BASE_DIR),
            "WRITING": str(self.directory),
        }

    def at(self, script, name=""):
        """The address of a script; ``name`` is that of its notes."""
        return f"{'wss' if self.certificate else 'ws'}://127.0.0.1:{self.port}/{script.__name__}/?{name}"

    def noted(self, name):
        """What a script noted; None: nothing yet."""
        notes = self.directory / name
        return json.loads(notes.read_text()) if notes.exists() else None


def serve(port, *certificate):
    """uvicorn with our classes, on the event loop of the standard library, with compression for who wants it."""
    import django
    import uvicorn

    from channels_core.servers.uvicorn import DEFAULTS
    from channels_core.servers.uvicorn import Server as OurServer

    django.setup()
    options = DEFAULTS | {"loop": "asyncio", "ws_per_message_deflate": True, "log_level": "warning"}
    tls = dict(zip(("ssl_certfile", "ssl_keyfile"), certificate, strict=False))
    OurServer(uvicorn.Config(application, port=int(port), lifespan="off", **tls, **options)).run()


# --- What a client got -------------------------------------------------------------------------------


def frames_in(data):
    """
    The frames of a server in ``data``, read by the websockets library: for each its opcode and payload.

    Raises:
        ProtocolError: something that is no frame, or masked.
        EOFError: half a frame at the end.
    """
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while not run(reader.at_eof()):
        frame = run(Frame.parse(reader.read_exact, mask=False))
        assert frame.fin
        frames.append((frame.opcode, bytes(frame.data)))
    return frames


def run(steps):
    """The result of one of the library's coroutines, for which everything is there."""
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    raise AssertionError("It waits for more.")


def texts_in(data):
    """The texts of these frames, which have to be nothing else."""
    frames = frames_in(data)
    assert {opcode for opcode, _ in frames} <= {Opcode.TEXT}
    return [payload.decode() for _, payload in frames]


if __name__ == "__main__":
    serve(*sys.argv[1:])

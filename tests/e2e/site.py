"""The chat as a process of its own, and the line to it that can break."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from threading import Thread
from typing import Any

from django.conf import settings

from tests.servers import Server, free_port


class Site(Server):
    """
    What ``make run`` serves, without reloading: Daphne's ``runserver``, on a free port.

    It has the database of the tests' own settings. ``environment`` overrides them by .env.example's names.
    """

    def __init__(self, **environment: str) -> None:
        super().__init__("site")
        self.url = f"http://127.0.0.1:{self.port}"
        self.mail = self.directory / "mail"
        self._environment = environment

    def command(self) -> list[str]:
        manage = Path(settings.BASE_DIR, "manage.py")
        return [sys.executable, str(manage), "runserver", "--noreload", f"127.0.0.1:{self.port}"]

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "SITE_URL": self.url,
            "EMAIL_URL": f"filemail:///{self.mail}",
            "PYTHONUNBUFFERED": "1",
            "CHAT_SIGN_IN_RATE": "0",  # everybody comes from one address
            **self._environment,
        }


class Line:
    """
    A TCP line to ``port``: cut it, freeze it, mend it. Browsers connect to ``url``.

    Going offline is something else: a browser that is told to be offline keeps its open connections.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._thread.start()
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._call(self._open())

    def cut(self) -> None:
        """End every connection at once, and refuse new ones until the line is mended."""
        self._call(self._cut())

    def freeze(self) -> None:
        """Let nothing through either way, and let nobody notice: connections stay open."""
        self._call(self._set(self._flowing.clear))

    def mend(self) -> None:
        """Let everything through again, also what was held while frozen."""
        self._call(self._set(self._mend))

    def close(self) -> None:
        """End the line for good."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the line's own loop and wait for it."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=5)

    async def _open(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def _set(self, change: Any) -> None:
        change()

    def _mend(self) -> None:
        self._is_cut = False
        self._flowing.set()

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()

    async def _close(self) -> None:
        await self._cut()
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._writers.add(sink)
            pump = asyncio.ensure_future(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry bytes one way; when one end closes, close the other."""
        try:
            while data := await source.read(2**16):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass  # cut
        finally:
            self._writers.discard(sink)
            sink.close()

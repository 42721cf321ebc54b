"""Lines between processes that can go wrong in ways of which neither end is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

from tests.servers import free_port

T = TypeVar("T")

CHUNK = 64 * 1024

Line = tuple[asyncio.StreamWriter, asyncio.StreamWriter]  # to the client, to the server


class Proxy:
    """
    A TCP line to ``target``, on ``port``, served by a thread of its own. Whoever uses it may be on any thread.

    It understands nothing of what it carries.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self._lines: set[Line] = set()
        self._frozen: set[Line] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", self.port))

    def cut(self) -> None:
        """End all lines at once."""
        self._loop.call_soon_threadsafe(self._cut)

    def freeze(self) -> None:
        """Let the lines that are there carry nothing any more. Neither end is told, ever; new lines work."""
        self._loop.call_soon_threadsafe(lambda: self._frozen.update(self._lines))

    def close(self) -> None:
        """End it for good."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def passes_up(self, data: bytes) -> bool:
        """Whether to go on after this was carried from the client to the server."""
        return True

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.run_until_complete(asyncio.sleep(0))  # what was closed last learns of it
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _cut(self) -> None:
        for client, server in list(self._lines):
            client.transport.abort()
            server.close()  # in order, so that what was sent already arrives

    async def _close(self) -> None:
        self._server.close()
        writers = [writer for line in self._lines for writer in line]
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *(writer.wait_closed() for writer in writers), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            server_reader, server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            client.transport.abort()
            return
        line = (client, server)
        self._lines.add(line)
        try:
            await asyncio.gather(
                self._carry(line, reader, server, self.passes_up),
                self._carry(line, server_reader, client, lambda _: True),
            )
        except asyncio.CancelledError:
            pass  # the proxy is closed; Python 3.11's streams would complain of a task that was cancelled
        finally:
            self._lines.discard(line)
            self._frozen.discard(line)
            client.transport.abort()
            server.close()

    async def _carry(
        self,
        line: Line,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        goes_on: Callable[[bytes], bool],
    ) -> None:
        with suppress(OSError):
            while data := await source.read(CHUNK):
                if line in self._frozen:
                    continue
                target.write(data)
                await target.drain()
                if not goes_on(data):
                    break
        if line not in self._frozen:
            target.close()


class CommitCutter(Proxy):
    """
    A line to a database that is cut between a commit and its answer, once for each time it is ``armed``.

    The database has got the COMMIT and carries it out; the server never hears so.
    """

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.is_armed = False
        self.cuts = 0

    def passes_up(self, data: bytes) -> bool:
        if not (self.is_armed and b"COMMIT" in data):
            return True
        self.is_armed = False
        self.cuts += 1
        self._cut()
        return False

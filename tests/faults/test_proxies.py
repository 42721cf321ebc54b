"""The lines that go wrong do so in the way that is meant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from tests.faults.proxies import CommitCutter, Proxy
from tests.servers import until


@pytest.fixture
async def target():
    """A server that answers each line with the same one, and keeps what it was told."""
    told: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                told.append(line)
                writer.write(line)
            told.append(b"end")
        except ConnectionError:
            told.append(b"end")
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.told = told
    yield server
    server.close()
    serving = asyncio.all_tasks() - {asyncio.current_task()}
    for task in serving:
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


@pytest.fixture
def line(target):
    proxies = []

    def line(kind: type[Proxy]) -> Proxy:
        proxies.append(kind(target.sockets[0].getsockname()[1]))
        return proxies[-1]

    yield line
    for proxy in proxies:
        proxy.close()


@asynccontextmanager
async def asking(proxy: Proxy, text: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(text)
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def told(target, text: bytes) -> None:
    await until(lambda: text in target.told)


async def test_a_line_carries_both_ways_and_ends_with_either_end(target, line):
    async with asking(line(Proxy), b"Hello\n") as (reader, _):
        assert await reader.readline() == b"Hello\n"

    await told(target, b"end")


async def test_a_frozen_line_carries_nothing_and_does_not_end(target, line):
    proxy = line(Proxy)
    async with asking(proxy, b"Hello\n") as (reader, writer):
        await reader.readline()

        proxy.freeze()
        async with asking(proxy, b"From a new line\n") as (newer, _):
            assert await newer.readline() == b"From a new line\n"
        writer.write(b"Are you there?\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readline()

    assert b"Are you there?\n" not in target.told


async def test_a_commit_arrives_and_its_answer_does_not(target, line):
    proxy = line(CommitCutter)
    proxy.is_armed = True

    async with asking(proxy, b"COMMIT\n") as (reader, _):
        assert await reader.read() == b""

    await told(target, b"end")
    assert target.told == [b"COMMIT\n", b"end"]
    assert (proxy.cuts, proxy.is_armed) == (1, False)

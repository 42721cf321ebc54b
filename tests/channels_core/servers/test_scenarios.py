"""The same conversations under every server, with a client that knows nothing of them."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.channels_core.servers.conftest import Site

both = pytest.mark.parametrize("path", ["talk", "sync"])


async def hear(socket):
    async with asyncio.timeout(10):
        return await socket.recv()


async def hear_close(socket):
    """The code and reason with which the server closes."""
    with pytest.raises(ConnectionClosed) as closed:
        await hear(socket)
    return closed.value.rcvd.code, closed.value.rcvd.reason


@both
async def test_text_and_bytes_go_both_ways(site, path):
    async with connect(f"{site.url}/{path}/") as socket:
        for frame in ("Grüße 👋", b"\x00\xff", "x" * 60_000):
            await socket.send(frame)
            assert await hear(socket) == frame


async def test_a_subprotocol_is_agreed_on(site):
    async with connect(f"{site.url}/talk/", subprotocols=["other", "chat"]) as socket:
        assert socket.subprotocol == "chat"


@both
async def test_a_close_carries_code_and_reason_and_nothing_follows_it(site, path):
    async with connect(f"{site.url}/{path}/") as socket:
        await socket.send("close:4321:enough")
        assert await hear_close(socket) == (4321, "enough")

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("4321")


@pytest.mark.parametrize("code", [1009, 1012, 1013])
async def test_the_codes_of_the_protocol_itself_arrive(site, code):
    async with connect(f"{site.url}/talk/") as socket:
        await socket.send(f"close:{code}:why")
        assert await hear_close(socket) == (code, "why")


@both
async def test_an_error_in_a_handler_closes_with_1011(site, path):
    async with connect(f"{site.url}/{path}/") as socket:
        await socket.send("fail")
        code, _ = await hear_close(socket)

    assert code == 1011
    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("1011")


@both
async def test_a_client_that_leaves_is_noted_once_with_its_code(site, path):
    async with connect(f"{site.url}/{path}/") as socket:
        await socket.close(4001)

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("4001")


@both
async def test_a_client_that_vanishes_without_a_word_is_noted_once(site, path):
    socket = await connect(f"{site.url}/{path}/")
    await socket.send("hello")
    await hear(socket)

    socket.transport.abort()

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.split()[1] in ("1005", "1006")


async def test_a_refused_handshake_is_a_403_and_noted_once(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{site.url}/refuse/")

    assert refused.value.response.status_code == 403
    assert len(await asyncio.to_thread(site.wait_for_notes, 1)) == 1


async def test_an_error_before_the_accept_is_a_500_and_cleaned_up(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{site.url}/fail/")

    assert refused.value.response.status_code == 500
    assert await asyncio.to_thread(site.wait_for_notes, 1) == ["FailAtOnce 1011"]


async def test_an_address_without_a_route_is_refused(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{site.url}/nowhere/")

    assert refused.value.response.status_code == 403


async def test_what_is_broadcast_reaches_everybody_in_every_process(site):
    sockets = [await connect(f"{site.url}/talk/") for _ in range(8)]
    for socket in sockets:  # an answer means that it is subscribed
        await socket.send("here")
        assert await hear(socket) == "here"

    await sockets[0].send("broadcast:news for all")

    assert {await hear(socket) for socket in sockets} == {'{"text":"news for all"}'}
    for socket in sockets:
        await socket.close()


async def test_a_group_reaches_asynchronous_and_synchronous_consumers(site):
    sockets = [await connect(f"{site.url}/{path}/") for path in ("talk", "sync") * 3]
    for socket in sockets:
        await socket.send("here")
        assert await hear(socket) == "here"

    for sender, text in ((0, "from one"), (1, "from another")):
        await sockets[sender].send(f"group:{text}")
        assert {await hear(socket) for socket in sockets} == {text}
    for socket in sockets:
        await socket.close()


async def test_a_server_that_stops_lets_every_connection_end_once(running_site, redis_server):
    site = Site(running_site.kind, redis_server.url)
    site.start()
    try:
        sockets = [await connect(f"{site.url}/{path}/") for path in ("talk", "sync") * 2]
        for socket in sockets:
            await socket.send("here")
            await hear(socket)

        await asyncio.to_thread(site.stop)

        assert len(await asyncio.to_thread(site.wait_for_notes, 4)) == 4
        for socket in sockets:
            with pytest.raises(ConnectionClosed):
                await hear(socket)
    finally:
        site.remove()

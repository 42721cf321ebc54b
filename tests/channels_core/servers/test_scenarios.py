"""The same conversations under every server, with a client that knows nothing of them."""

import asyncio
import socket

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.channels_core.servers.conftest import Site
from tests.channels_core.servers.hearing import hear, hear_close

both = pytest.mark.parametrize("path", ["talk", "sync"])


@both
async def test_text_and_bytes_go_both_ways(site, path):
    async with connect(site.at(path)) as tab:
        for frame in ("Grüße 👋", b"\x00\xff", "x" * 60_000):
            await tab.send(frame)
            assert await hear(tab) == frame


async def test_a_subprotocol_is_agreed_on(site):
    async with connect(site.at("talk"), subprotocols=["other", "chat"]) as tab:
        assert tab.subprotocol == "chat"


@both
async def test_a_close_carries_code_and_reason_and_nothing_follows_it(site, path):
    async with connect(site.at(path)) as tab:
        await tab.send("close:4321:enough")
        assert await hear_close(tab) == (4321, "enough")

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("4321")


async def test_what_nobody_waits_for_arrives_in_front_of_its_close(site):
    async with connect(site.at("talk")) as tab:
        await tab.send("close soon:4321:enough")

        assert [await hear(tab), await hear(tab)] == ["before", "the close"]
        assert await hear_close(tab) == (4321, "enough")


@pytest.mark.parametrize("code", [1009, 1012, 1013])
async def test_the_codes_of_the_protocol_itself_arrive(site, code):
    async with connect(site.at("talk")) as tab:
        await tab.send(f"close:{code}:why")
        assert await hear_close(tab) == (code, "why")


@both
async def test_an_error_in_a_handler_closes_with_1011(site, path):
    async with connect(site.at(path)) as tab:
        await tab.send("fail")
        code, _ = await hear_close(tab)

    assert code == 1011
    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("1011")


@both
async def test_a_client_that_leaves_is_noted_once_with_its_code(site, path):
    async with connect(site.at(path)) as tab:
        await tab.close(4001)

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.endswith("4001")


@both
async def test_a_client_that_vanishes_without_a_word_is_noted_once(site, path):
    tab = await connect(site.at(path))
    await tab.send("hello")
    await hear(tab)

    tab.transport.abort()

    [note] = await asyncio.to_thread(site.wait_for_notes, 1)
    assert note.split()[1] in ("1005", "1006")


async def test_a_refused_handshake_is_a_403_and_noted_once(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(site.at("refuse"))

    assert refused.value.response.status_code == 403
    assert len(await asyncio.to_thread(site.wait_for_notes, 1)) == 1


async def test_an_error_before_the_accept_is_a_500_and_cleaned_up(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(site.at("fail"))

    assert refused.value.response.status_code == 500
    assert await asyncio.to_thread(site.wait_for_notes, 1) == ["FailAtOnce 1011"]


async def test_an_address_without_a_route_is_refused(site):
    with pytest.raises(InvalidStatus) as refused:
        await connect(site.at("nowhere"))

    assert refused.value.response.status_code == 403


async def test_what_is_broadcast_reaches_everybody_in_every_process(site):
    sockets = [await connect(site.at("talk")) for _ in range(8)]
    for tab in sockets:  # an answer means that it is subscribed
        await tab.send("here")
        assert await hear(tab) == "here"

    await sockets[0].send("broadcast:news for all")

    assert {await hear(tab) for tab in sockets} == {'{"text":"news for all"}'}
    for tab in sockets:
        await tab.close()


async def test_a_group_reaches_asynchronous_and_synchronous_consumers(site):
    sockets = [await connect(site.at(path)) for path in ("talk", "sync") * 3]
    for tab in sockets:
        await tab.send("here")
        assert await hear(tab) == "here"

    for sender, text in ((0, "from one"), (1, "from another")):
        await sockets[sender].send(f"group:{text}")
        assert {await hear(tab) for tab in sockets} == {text}
    for tab in sockets:
        await tab.close()


# Not under Daphne, whose send never waits: it keeps what a client does not read, without bound.
@pytest.mark.parametrize(
    "running_site", ["uvicorn, websockets", "uvicorn, wsproto", "gunicorn, two workers"], indirect=True
)
async def test_a_client_that_does_not_read_is_closed_with_1013_and_the_others_miss_nothing(site):
    """Its own buffers fill, then those of the two systems, then its outbox."""
    small = socket.create_connection(("127.0.0.1", site.port))
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 * 1024)
    slow = await connect(site.at("talk"), sock=small, max_queue=1, ping_interval=None, compression=None)
    quick = [await connect(site.at("talk")) for _ in range(2)]
    for tab in (slow, *quick):
        await tab.send("here")
        assert await hear(tab) == "here"

    padding = "x" * 60_000
    for number in range(600):
        await quick[0].send(f"broadcast:{number} {padding}")
        for tab in quick:
            assert (await hear(tab)).startswith(f'{{"text":"{number} ')

    heard = 0
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await hear(slow)
            heard += 1
    assert closed.value.rcvd.code == 1013
    assert heard < 600
    for tab in quick:
        await tab.close()


async def test_a_server_that_stops_lets_every_connection_end_once(running_site, redis_server):
    site = Site(running_site.kind, redis_server.url)
    site.start()
    try:
        sockets = [await connect(site.at(path)) for path in ("talk", "sync") * 2]
        for tab in sockets:
            await tab.send("here")
            await hear(tab)

        await asyncio.to_thread(site.stop)

        assert len(await asyncio.to_thread(site.wait_for_notes, 4)) == 4
        for tab in sockets:
            with pytest.raises(ConnectionClosed):
                await hear(tab)
    finally:
        site.remove()

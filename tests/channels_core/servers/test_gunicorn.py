"""gunicorn with our worker: its defaults, how it shares the work, whom it believes, and when it does not start."""

import subprocess
from collections import Counter

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.channels_core.servers.conftest import Workshop

MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def workshop(redis_server):
    """Two workers behind a proxy that has the address 127.0.0.1."""
    workshop = Workshop("--workers=2", "--reuse-port", "--forwarded-allow-ips=127.0.0.1", REDIS_URL=redis_server.url)
    workshop.start()
    yield workshop
    workshop.remove()


def test_it_runs_on_uvloop_and_does_not_say_what_it_is(workshop):
    assert workshop.state()["loop"].startswith("uvloop")
    assert workshop.get("/state").getheader("Server") is None


async def test_a_handshake_agrees_on_no_compression_and_does_not_say_what_it_is(workshop):
    async with connect(workshop.at("bench"), compression="deflate") as tab:
        assert "permessage-deflate" in tab.request.headers["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in tab.response.headers
        assert "Server" not in tab.response.headers


async def test_a_frame_may_have_a_mebibyte_and_a_larger_one_closes_with_1009(workshop):
    async with connect(workshop.at("bench"), compression=None, max_size=None) as tab:
        await tab.send("x" * MEBIBYTE)
        assert len(await tab.recv()) == MEBIBYTE

        await tab.send("x" * (MEBIBYTE + 1))

        with pytest.raises(ConnectionClosed) as closed:
            await tab.recv()
        assert closed.value.rcvd.code == 1009


async def test_every_worker_gets_a_share_of_the_connections(workshop):
    tabs = [await connect(workshop.at("bench")) for _ in range(40)]

    for tab in tabs:
        await tab.send("pid")
    shares = Counter([await tab.recv() for tab in tabs])

    assert len(shares) == 2
    for tab in tabs:
        await tab.close()


FORWARDED = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}


def test_the_proxy_is_believed_for_whom_it_speaks(workshop):
    state = workshop.state(**FORWARDED)

    assert (state["client"], state["scheme"]) == ("203.0.113.7", "https")


def test_anybody_else_is_not(workshop):
    state = workshop.state(source="127.0.0.2", **FORWARDED)

    assert (state["client"], state["scheme"]) == ("127.0.0.2", "http")


def test_what_a_client_tells_the_proxy_about_itself_is_not_believed(workshop):
    """The proxy adds the address that it saw behind what came with the request."""
    state = workshop.state(**FORWARDED | {"X_Forwarded_For": "192.0.2.1, 203.0.113.7"})

    assert state["client"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("options", "environment", "sentence"),
    [
        (["--workers=2"], {}, "There are to be 2 workers, but CHANNEL_LAYERS['default'] is in memory"),
        ([], {"DEBUG": "0"}, "With DEBUG=0, SECRET_KEY must be a secret of at least 50 characters."),
    ],
    ids=["workers that cannot talk", "settings that are refused"],
)
def test_it_does_not_start_and_says_why_in_a_sentence(options, environment, sentence):
    workshop = Workshop(*options, **environment)

    with workshop.log.open("wb") as log:
        workshop.process = subprocess.Popen(
            workshop.command(), cwd=workshop.directory, env=workshop.environment(), stdout=log, stderr=log
        )
    try:
        code = workshop.process.wait(30)
        said = workshop.log.read_text()
    finally:
        workshop.remove()  # its workers too, if it has started after all

    assert code == 4  # gunicorn's for an application that cannot be loaded
    assert said.count(f"Wrong settings: {sentence}") == 1
    assert "Traceback" not in said

"""Frames made ahead, as a browser reads them; other clients do in tests/channels_core/servers/test_frames.py."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.channels_core.servers import writing
from tests.channels_core.servers.writing import SEVERAL, TEXTS, WritingServer
from tests.servers import wait_until

# What a socket was sent, as soon as that is so many messages; ``send`` goes out first.
LISTEN = """([url, count, send]) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url);
  const heard = [];
  socket.onopen = () => send.forEach((text) => socket.send(text));
  socket.onmessage = ({ data }) => heard.push(data) === count && resolve(heard);
  socket.onclose = ({ code }) => reject(new Error(`Closed with ${code} after ${heard.length} messages.`));
})"""


@pytest.fixture(params=["uvicorn", "gunicorn"], scope="module")
def server(request) -> Iterator[WritingServer]:
    server = WritingServer(request.param)
    server.start()
    yield server
    server.remove()


def test_frames_are_right_at_every_length(page: Page, server: WritingServer):
    numbers = [str(number) for number in range(len(TEXTS))]

    assert page.evaluate(LISTEN, [server.at(writing.write_texts), len(TEXTS), numbers]) == TEXTS


def test_several_frames_arrive_with_one_write(page: Page, server: WritingServer):
    assert page.evaluate(LISTEN, [server.at(writing.write_several, "several"), len(SEVERAL), []]) == SEVERAL
    wait_until(lambda: server.noted("several"), what="the script")
    assert server.noted("several") == [True]


def test_frames_keep_their_order_with_what_is_sent(page: Page, server: WritingServer):
    assert page.evaluate(LISTEN, [server.at(writing.take_turns, "turns"), 7, []]) == list("1234567")

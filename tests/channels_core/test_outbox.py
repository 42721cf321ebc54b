"""The way to a socket: order, back-pressure, and what happens after a close."""

import asyncio
import logging

import pytest

from channels_core.meters import drops
from channels_core.outbox import Outbox


class Socket:
    """The server's end: takes at once, or waits until ``is_open``; can fail."""

    def __init__(self):
        self.taken = []
        self.is_ready = asyncio.Event()
        self.is_ready.set()
        self.error = None
        self.changed = asyncio.Event()

    async def send(self, message):
        await self.is_ready.wait()
        if self.error:
            raise self.error
        self.taken.append(message.get("text", message["type"]))
        self.changed.set()

    async def has(self, *texts):
        async with asyncio.timeout(5):
            while self.taken != list(texts):
                self.changed.clear()
                await self.changed.wait()


def text(content):
    return {"type": "websocket.send", "text": content}


@pytest.fixture
async def socket():
    return Socket()


async def test_a_write_to_a_ready_socket_is_done_at_once_and_makes_no_task(socket):
    outbox = Outbox(socket.send)
    before = asyncio.all_tasks()

    outbox.write(text("one"))

    assert socket.taken == ["one"]
    assert asyncio.all_tasks() == before


async def test_what_is_sent_and_written_while_the_socket_waits_follows_in_order(socket):
    outbox = Outbox(socket.send)
    socket.is_ready.clear()

    outbox.write(text("written first"))
    sending = asyncio.ensure_future(outbox.send(text("sent second")))
    await asyncio.sleep(0)
    outbox.write(text("written third"))
    assert socket.taken == []
    socket.is_ready.set()
    await sending

    await socket.has("written first", "sent second", "written third")


async def test_a_write_waits_behind_a_send_that_waits(socket):
    outbox = Outbox(socket.send)
    socket.is_ready.clear()
    sending = asyncio.ensure_future(outbox.send(text("first")))
    await asyncio.sleep(0)

    outbox.write(text("second"))
    socket.is_ready.set()
    await sending

    await socket.has("first", "second")


async def test_a_socket_that_falls_too_far_behind_is_closed_with_1013_and_logged_once(socket, caplog):
    outbox = Outbox(socket.send, capacity=3)
    socket.is_ready.clear()
    counted = drops["slow_socket"]

    with caplog.at_level(logging.WARNING, logger="channels_core.outbox"):
        for number in range(10):
            outbox.write(text(str(number)))

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert drops["slow_socket"] == counted + 1
    assert not outbox.is_open
    socket.is_ready.set()
    await socket.has("0", "websocket.close")


async def test_a_consumer_that_waits_for_its_turn_goes_on_when_the_socket_overflows(socket):
    outbox = Outbox(socket.send, capacity=1)
    socket.is_ready.clear()
    outbox.write(text("stuck"))
    sending = asyncio.ensure_future(outbox.send(text("never sent")))
    await asyncio.sleep(0)

    outbox.write(text("one too many"))

    await asyncio.wait_for(sending, 5)


async def test_after_a_close_nothing_is_sent_and_nobody_complains(socket):
    outbox = Outbox(socket.send)
    await outbox.send({"type": "websocket.close"})

    await outbox.send(text("late"))
    outbox.write(text("later"))
    await outbox.send({"type": "websocket.close", "code": 4000})

    assert socket.taken == ["websocket.close"]


async def test_an_error_of_the_server_reaches_the_consumer_that_sends(socket):
    outbox = Outbox(socket.send)
    socket.error = OSError("gone")

    with pytest.raises(OSError, match="gone"):
        await outbox.send(text("hello"))


async def test_an_error_of_the_server_reaches_a_consumer_that_waited_for_its_turn(socket):
    outbox = Outbox(socket.send)
    socket.is_ready.clear()
    first = asyncio.ensure_future(outbox.send(text("first")))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(outbox.send(text("second")))
    await asyncio.sleep(0)

    socket.error = OSError("gone")
    socket.is_ready.set()

    for sending in (first, second):
        with pytest.raises(OSError, match="gone"):
            await sending


@pytest.mark.parametrize("is_ready", [True, False])
async def test_a_write_to_a_client_that_has_gone_ends_the_outbox_quietly(socket, is_ready):
    outbox = Outbox(socket.send)
    socket.error = OSError("gone")
    if not is_ready:
        socket.is_ready.clear()

    outbox.write(text("hello"))
    socket.is_ready.set()
    while asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.sleep(0)

    assert not outbox.is_open


async def test_closing_gives_up_what_waits_and_leaves_no_task(socket):
    outbox = Outbox(socket.send)
    socket.is_ready.clear()
    outbox.write(text("stuck"))
    outbox.write(text("behind"))
    [task] = asyncio.all_tasks() - {asyncio.current_task()}

    outbox.close()

    await asyncio.wait([task], timeout=5)
    assert task.done()
    assert socket.taken == []


async def test_a_write_to_a_send_that_gives_a_future_is_carried_on_when_it_is_done():
    """Some servers return futures; the first step of one never ends it."""
    loop = asyncio.get_running_loop()
    taken, futures = [], []

    def send(message):
        taken.append(message["text"])
        futures.append(loop.create_future())
        return futures[-1]

    outbox = Outbox(send)
    outbox.write(text("one"))
    outbox.write(text("two"))
    assert taken == ["one"]
    futures[0].set_result(None)

    async with asyncio.timeout(5):
        while taken != ["one", "two"]:
            await asyncio.sleep(0)
    futures[1].set_result(None)

"""The way to a socket: order, back-pressure, and what happens after a close."""

import asyncio
import logging

import pytest

from channels_core.exceptions import StopConsumer
from channels_core.frames import Burst
from channels_core.meters import drops, meters
from channels_core.outbox import CAPACITY_BYTES, Outbox


class Socket:
    """The server's end: takes at once, or waits until ``is_open``; can fail."""

    def __init__(self):
        self.taken = []
        self.is_ready = asyncio.Event()
        self.is_ready.set()
        self.error = None
        self.fails_after = 0  # messages that are taken before the error
        self.changed = asyncio.Event()

    async def send(self, message):
        await self.is_ready.wait()
        if self.error and len(self.taken) >= self.fails_after:
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


ACCEPT = {"type": "websocket.accept"}


def opened(socket, **options):
    """The outbox of a connection that has been accepted."""
    outbox = Outbox(socket.send, **options)
    outbox.push(ACCEPT)
    assert socket.taken.pop() == "websocket.accept"
    return outbox


@pytest.fixture
async def socket():
    return Socket()


async def test_a_write_to_a_ready_socket_is_done_at_once_and_makes_no_task(socket):
    outbox = opened(socket)
    before = asyncio.all_tasks()

    outbox.push(text("one"))

    assert socket.taken == ["one"]
    assert asyncio.all_tasks() == before


async def test_what_is_sent_and_written_while_the_socket_waits_follows_in_order(socket):
    outbox = opened(socket)
    socket.is_ready.clear()

    outbox.push(text("written first"))
    sending = asyncio.ensure_future(outbox.send(text("sent second")))
    await asyncio.sleep(0)
    outbox.push(text("written third"))
    assert socket.taken == []
    socket.is_ready.set()
    await sending

    await socket.has("written first", "sent second", "written third")


async def test_a_write_waits_behind_a_send_that_waits(socket):
    outbox = opened(socket)
    socket.is_ready.clear()
    sending = asyncio.ensure_future(outbox.send(text("first")))
    await asyncio.sleep(0)

    outbox.push(text("second"))
    socket.is_ready.set()
    await sending

    await socket.has("first", "second")


async def test_a_socket_that_falls_too_far_behind_is_closed_with_1013_and_logged_once(socket, caplog):
    outbox = opened(socket, capacity=3)
    socket.is_ready.clear()
    counted = drops["slow_socket"]

    with caplog.at_level(logging.WARNING, logger="channels_core.outbox"):
        for number in range(10):
            outbox.push(text(str(number)))

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert drops["slow_socket"] == counted + 1
    assert not outbox.is_open
    socket.is_ready.set()
    await socket.has("0", "websocket.close")


async def test_a_socket_may_not_fall_many_bytes_behind_either(socket):
    outbox = opened(socket)
    socket.is_ready.clear()
    half = "x" * (CAPACITY_BYTES // 2)

    for content in ("taken by the server", half, half):
        outbox.push(text(content))
    assert outbox.is_open
    outbox.push(text("x"))

    assert not outbox.is_open
    socket.is_ready.set()
    await socket.has("taken by the server", "websocket.close")


async def test_bytes_that_have_been_sent_do_not_count(socket):
    outbox = opened(socket)
    for _ in range(3):
        socket.is_ready.clear()
        outbox.push(text("first"))
        outbox.push({"type": "websocket.send", "bytes": b"x" * CAPACITY_BYTES})
        socket.is_ready.set()
        await socket.has("first", "websocket.send")
        socket.taken.clear()

    assert outbox.is_open


async def test_a_consumer_that_waits_for_its_turn_goes_on_when_the_socket_overflows(socket):
    outbox = opened(socket, capacity=1)
    socket.is_ready.clear()
    outbox.push(text("stuck"))
    sending = asyncio.ensure_future(outbox.send(text("never sent")))
    await asyncio.sleep(0)

    outbox.push(text("one too many"))

    await asyncio.wait_for(sending, 5)


async def test_after_a_close_nothing_is_sent_and_nobody_complains(socket):
    outbox = opened(socket)
    await outbox.send({"type": "websocket.close"})

    await outbox.send(text("late"))
    outbox.push(text("later"))
    await outbox.send({"type": "websocket.close", "code": 4000})

    assert socket.taken == ["websocket.close"]


ERRORS = [(ZeroDivisionError(), ZeroDivisionError), (OSError("gone"), StopConsumer)]  # what is raised, what comes out


@pytest.mark.parametrize(("error", "comes_out"), ERRORS)
async def test_an_error_of_the_server_reaches_the_consumer_that_sends(socket, error, comes_out):
    """And that the client has gone ends it in peace."""
    outbox = opened(socket)
    socket.error = error

    with pytest.raises(comes_out):
        await outbox.send(text("hello"))


@pytest.mark.parametrize(("error", "comes_out"), ERRORS)
async def test_an_error_of_the_server_reaches_a_consumer_that_waited_for_its_turn(socket, error, comes_out):
    outbox = opened(socket)
    socket.is_ready.clear()
    outbox.push(text("first"))
    sending = asyncio.ensure_future(outbox.send(text("second")))
    await asyncio.sleep(0)

    socket.error, socket.fails_after = error, 1
    socket.is_ready.set()

    with pytest.raises(comes_out):
        await asyncio.wait_for(sending, 5)


async def test_what_waits_for_its_turn_when_the_client_goes_is_dropped_quietly(socket):
    outbox = opened(socket)
    socket.is_ready.clear()
    first = asyncio.ensure_future(outbox.send(text("first")))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(outbox.send(text("second")))
    await asyncio.sleep(0)

    socket.error = OSError("gone")
    socket.is_ready.set()

    with pytest.raises(StopConsumer):
        await asyncio.wait_for(first, 5)
    await asyncio.wait_for(second, 5)


async def test_whoever_sends_without_end_after_the_close_leaves_room_for_others(socket):
    outbox = opened(socket)
    outbox.close()

    async def send_without_end():
        while True:
            await outbox.send(text("more"))

    sending = asyncio.ensure_future(send_without_end())
    await asyncio.sleep(0.01)

    assert not sending.done()
    sending.cancel()


@pytest.mark.parametrize("is_ready", [True, False])
async def test_a_write_to_a_client_that_has_gone_ends_the_outbox_quietly(socket, is_ready):
    outbox = opened(socket)
    socket.error = OSError("gone")
    if not is_ready:
        socket.is_ready.clear()

    outbox.push(text("hello"))
    socket.is_ready.set()
    while asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.sleep(0)

    assert not outbox.is_open


async def test_closing_gives_up_what_waits_and_leaves_no_task(socket):
    outbox = opened(socket)
    socket.is_ready.clear()
    outbox.push(text("stuck"))
    outbox.push(text("behind"))
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
        taken.append(message.get("text"))
        futures.append(loop.create_future())
        return futures[-1]

    outbox = Outbox(send)
    accepting = asyncio.ensure_future(outbox.send(ACCEPT))
    await asyncio.sleep(0)
    futures.pop().set_result(taken.clear())
    await accepting
    outbox.push(text("one"))
    outbox.push(text("two"))
    assert taken == ["one"]
    futures[0].set_result(None)

    async with asyncio.timeout(5):
        while taken != ["one", "two"]:
            await asyncio.sleep(0)
    futures[1].set_result(None)


class Frames(Socket):
    """A server's end that takes ready-made frames, too, while it is ready."""

    def write_frames(self, frames):
        if not self.is_ready.is_set():
            return False
        self.taken.append(frames)
        return True


@pytest.fixture
async def ready_made():
    return Frames()


async def test_a_burst_is_written_as_one_piece_of_ready_made_frames(ready_made):
    outbox = opened(ready_made, write_frames=ready_made.write_frames)
    sent = meters.sent

    outbox.write(Burst("one", "two"))

    assert ready_made.taken == [b"\x81\x03one\x81\x03two"]
    assert meters.sent == sent + 2


async def test_where_the_server_takes_no_frames_a_burst_goes_through_send(socket):
    opened(socket).write(Burst("one", "two"))

    assert socket.taken == ["one", "two"]


async def test_a_burst_that_cannot_be_written_now_follows_in_order(ready_made):
    outbox = opened(ready_made, write_frames=ready_made.write_frames)
    ready_made.is_ready.clear()

    outbox.write(Burst("one", "two"))
    outbox.write(Burst("three"))
    assert ready_made.taken == []
    ready_made.is_ready.set()
    outbox.write(Burst("four"))  # which could be written, but not yet

    await ready_made.has("one", "two", "three", "four")
    outbox.write(Burst("five"))
    assert ready_made.taken[4:] == [b"\x81\x04five"]


async def test_a_burst_that_is_too_much_ends_with_the_close(socket):
    outbox = opened(socket, capacity=2)
    socket.is_ready.clear()

    outbox.write(Burst("one", "two", "three", "four", "five"))
    outbox.write(Burst("six"))
    socket.is_ready.set()

    await socket.has("one", "websocket.close")


async def test_after_a_close_no_frame_is_written(ready_made):
    outbox = opened(ready_made, write_frames=ready_made.write_frames)

    outbox.close()
    outbox.write(Burst("one"))

    assert ready_made.taken == []


# Before the handshake is answered


async def test_what_is_written_before_the_accept_follows_it_in_order(socket):
    """A hub writes to who has subscribed, whatever its consumer is about to do."""
    outbox = Outbox(socket.send)

    outbox.write(Burst("one", "two"))
    await asyncio.sleep(0)
    assert socket.taken == []
    await outbox.send(ACCEPT)
    await outbox.send(text("three"))
    outbox.write(Burst("four"))

    await socket.has("websocket.accept", "one", "two", "three", "four")


async def test_ready_made_frames_wait_for_the_accept_too(ready_made):
    outbox = Outbox(ready_made.send, write_frames=ready_made.write_frames)

    outbox.write(Burst("one"))
    assert ready_made.taken == []
    await outbox.send(ACCEPT)
    await ready_made.has("websocket.accept", "one")
    outbox.write(Burst("two"))

    assert ready_made.taken[2:] == [b"\x81\x03two"]


async def test_what_is_written_while_the_server_takes_the_accept_follows_it(ready_made):
    outbox = Outbox(ready_made.send, write_frames=ready_made.write_frames)
    ready_made.is_ready.clear()
    accepting = asyncio.ensure_future(outbox.send(ACCEPT))
    await asyncio.sleep(0)

    outbox.write(Burst("one"))
    ready_made.is_ready.set()
    outbox.write(Burst("two"))
    await accepting

    await ready_made.has("websocket.accept", "one", "two")


@pytest.mark.parametrize("how", ["sent", "pushed"])
async def test_a_refusal_is_sent_at_once_and_what_was_written_is_forgotten(socket, how):
    outbox = Outbox(socket.send)
    outbox.write(Burst("one"))

    if how == "sent":
        await outbox.send({"type": "websocket.close"})
    else:
        outbox.push({"type": "websocket.close"})
    assert socket.taken == ["websocket.close"]
    outbox.write(Burst("two"))
    await outbox.send(ACCEPT)

    assert socket.taken == ["websocket.close"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_refusal_in_http_is_sent_at_once(socket):
    """ASGI's extension for it: several messages, none of them a close."""
    outbox = Outbox(socket.send)
    outbox.write(Burst("one"))

    await outbox.send({"type": "websocket.http.response.start", "status": 410})
    await outbox.send({"type": "websocket.http.response.body"})

    assert socket.taken == ["websocket.http.response.start", "websocket.http.response.body"]


async def test_a_handshake_that_is_not_answered_while_too_much_is_written_is_refused(socket):
    outbox = Outbox(socket.send, capacity=2)

    outbox.write(Burst("one", "two", "three", "four"))
    await socket.has("websocket.close")
    await outbox.send(ACCEPT)

    assert socket.taken == ["websocket.close"]


# The end of a connection


async def test_who_sends_what_the_server_is_just_taking_goes_on_when_the_connection_ends():
    """Its turn has come, so it does not wait in the queue any more."""
    taken, turns = [], [asyncio.Event() for _ in range(3)]

    async def send(message):
        taken.append(message)
        await turns[len(taken) - 1].wait()

    turns[0].set()
    outbox = Outbox(send)
    await outbox.send(ACCEPT)
    outbox.push(text("first"))
    sending = asyncio.ensure_future(outbox.send(text("second")))
    await asyncio.sleep(0)
    turns[1].set()
    async with asyncio.timeout(5):
        while len(taken) < 3:
            await asyncio.sleep(0)

    outbox.close()

    await asyncio.wait_for(sending, 5)

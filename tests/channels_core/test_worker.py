"""Workers: messages of named channels are handled, errors are told, and what was received is finished."""

import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from channels_redis.core import RedisChannelLayer
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from channels_core.consumer import AsyncConsumer, SyncConsumer
from channels_core.exceptions import StopConsumer
from channels_core.layers import get_channel_layer
from channels_core.management.commands.runworker import Command
from channels_core.routing import ChannelNameRouter
from channels_core.worker import Worker
from tests.servers import Server, until, wait_until

TIMEOUT_S = 20


@pytest.fixture(autouse=True)
def in_memory_layer(settings):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}


@pytest.fixture
def layer():
    return get_channel_layer()


class Notes:
    """What consumers have done, in order, with a way to wait for it."""

    def __init__(self):
        self.all = []
        self._news = asyncio.Event()

    def add(self, note):
        self.all.append(note)
        self._news.set()

    async def until(self, *expected):
        async with asyncio.timeout(5):
            while not set(expected) <= set(self.all):
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def consumer(notes):
    """A consumer that notes the texts that it is sent; some texts have a meaning."""

    class Noting(AsyncConsumer):
        go_on = asyncio.Event()

        async def note(self, message):
            match message["text"]:
                case "fail":
                    raise RuntimeError("told to fail")
                case "stop":
                    raise StopConsumer
                case "wait":
                    notes.add("waiting")
                    await self.go_on.wait()
            notes.add(message["text"])

    return Noting


def plain(notes):
    """An application that is no consumer: takes a message when it has handled the last."""

    async def application(scope, receive, send):
        notes.add("started")
        while True:
            text = (await receive())["text"]
            if text == "fail":
                raise RuntimeError("told to fail")
            notes.add(text)

    return application


def note(text):
    return {"type": "note", "text": text}


@asynccontextmanager
async def working(worker):
    """Runs the worker as long as the block does."""
    task = asyncio.create_task(worker.arun())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def logged(caplog, level=logging.ERROR):
    return [record for record in caplog.records if record.levelno >= level]


# Handling


def test_a_worker_needs_a_layer():
    with pytest.raises(ValueError, match="CHANNEL_LAYERS"):
        Worker(lambda: None, ["x"], None)


def test_what_a_worker_was_given_is_there_to_see():
    worker = Worker(application="application", channels=("a", "b"), channel_layer="layer")
    assert (worker.application, worker.channels, worker.channel_layer) == ("application", ["a", "b"], "layer")
    assert worker.max_applications == 1000


async def test_each_channel_has_one_application_with_its_name_in_the_scope(layer):
    seen = []

    class Sees(AsyncConsumer):
        async def see(self, message):
            seen.append((self, self.scope))
            if len(seen) == 4:
                done.set()

    done = asyncio.Event()
    async with working(Worker(Sees.as_asgi(), ["a", "b"], layer)):
        for channel in ("a", "a", "b", "b"):
            await layer.send(channel, {"type": "see"})
        async with asyncio.timeout(5):
            await done.wait()

    assert {scope["channel"]: scope for _, scope in seen} == {
        name: {"type": "channel", "channel": name} for name in ("a", "b")
    }
    assert len({id(consumer) for consumer, _ in seen}) == 2


async def test_messages_of_a_channel_are_handled_in_order(layer, consumer, notes):
    texts = [str(number) for number in range(30)]
    async with working(Worker(consumer.as_asgi(), ["x"], layer)):
        for text in texts:
            await layer.send("x", note(text))
        await notes.until(*texts)
    assert notes.all == texts


async def test_a_channel_that_is_busy_does_not_hold_up_another(layer, consumer, notes):
    async with working(Worker(consumer.as_asgi(), ["a", "b"], layer)):
        await layer.send("a", note("wait"))
        await layer.send("b", note("meanwhile"))
        await notes.until("meanwhile")
        consumer.go_on.set()


@pytest.mark.django_db(transaction=True)  # its thread tidies the connection that a test before may have left
async def test_a_synchronous_consumer_works_without_a_warning(layer):
    texts = []
    done = threading.Event()

    class InThread(SyncConsumer):
        def note(self, message):
            assert threading.current_thread() is not threading.main_thread()
            texts.append(message["text"])
            done.set()

    async with working(Worker(InThread.as_asgi(), ["x"], layer)):
        await layer.send("x", note("hello"))
        assert await asyncio.to_thread(done.wait, 5)
    assert texts == ["hello"]


class Sends(AsyncConsumer):
    async def answer(self, message):
        await self.send({"type": "some.answer"})


class SendsInThread(SyncConsumer):
    def answer(self, message):
        self.send({"type": "some.answer"})


@pytest.mark.django_db(transaction=True)  # its thread tidies the connection that a test before may have left
@pytest.mark.parametrize("sender", [Sends, SendsInThread])
async def test_to_send_to_a_client_that_is_not_there_is_an_error_that_says_so(layer, caplog, notes, sender):
    """In a synchronous consumer a warning of asgiref's would be an error here, another one."""
    async with working(Worker(ChannelNameRouter({"x": sender.as_asgi(), "y": plain(notes)}), ["x", "y"], layer)):
        await layer.send("x", {"type": "answer"})
        await until(lambda: logged(caplog))

    [record] = logged(caplog)
    assert record.exc_info[0] is RuntimeError
    assert "worker" in str(record.exc_info[1])
    assert "some.answer" in str(record.exc_info[1])


# Errors


async def test_after_an_error_another_application_takes_over(layer, consumer, notes, caplog):
    async with working(Worker(consumer.as_asgi(), ["x"], layer)) as task:
        await layer.send("x", note("fail"))
        await until(lambda: logged(caplog))
        await layer.send("x", note("after"))
        await notes.until("after")
        assert not task.done()

    [record] = logged(caplog)
    assert "the channel x" in record.getMessage()
    assert str(record.exc_info[1]) == "told to fail"


async def test_what_waits_behind_an_error_is_not_lost(layer, notes):
    for text in ("fail", "a", "b", "c"):
        await layer.send("x", note(text))
    async with working(Worker(plain(notes), ["x"], layer)):
        await notes.until("c")
    assert notes.all == ["started", "started", "a", "b", "c"]


async def test_an_application_that_never_takes_a_message_is_started_once_for_each(layer, notes, caplog):
    async def application(scope, receive, send):
        notes.add(f"start {len(notes.all)}")
        raise RuntimeError

    async with working(Worker(application, ["x"], layer)):
        for _ in range(3):
            await layer.send("x", note("hello"))
        await notes.until("start 2")
    assert len(notes.all) == len(logged(caplog)) == 3


async def test_a_consumer_that_stops_is_started_again_by_the_next_message(layer, consumer, notes, caplog):
    async with working(Worker(consumer.as_asgi(), ["x"], layer)):
        await layer.send("x", note("stop"))
        await until(lambda: layer.channels.keys() == {"x"})  # its own channel has gone
        await layer.send("x", note("after"))
        await notes.until("after")
    assert logged(caplog) == []


@pytest.mark.parametrize("message", [{"no": "type"}, {"type": ""}, {"type": None}])
async def test_a_message_without_a_type_ends_the_worker(layer, consumer, notes, message):
    async with working(Worker(consumer.as_asgi(), ["a", "b"], layer)) as task:
        await layer.send("a", note("first"))
        await notes.until("first")
        await layer.send("b", message)
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match="type on 'b'"):
                await task


class Breaks:
    """A layer that breaks on one channel when it is told to, and has nothing on the others."""

    extensions = []

    def __init__(self):
        self.breaks = asyncio.Event()
        self.waiting = set()

    async def receive(self, channel):
        self.waiting.add(channel)
        try:
            await (self.breaks if channel == "b" else asyncio.Event()).wait()
        finally:
            self.waiting.discard(channel)
        raise ConnectionError("the layer's")


async def test_a_channel_that_cannot_be_listened_to_ends_the_worker_with_its_error(notes):
    before = asyncio.all_tasks()
    layer = Breaks()
    layer.breaks.set()
    async with asyncio.timeout(5):
        with pytest.raises(ConnectionError, match="the layer's"):
            await Worker(plain(notes), ["a", "b", "c"], layer).arun()
    assert layer.waiting == set()
    assert asyncio.all_tasks() == before


def test_run_does_it_all_in_a_loop_of_its_own(notes):
    layer = Breaks()
    layer.breaks.set()
    with pytest.raises(ConnectionError, match="the layer's"):
        Worker(plain(notes), ["a", "b"], layer).run()


def test_a_worker_runs_in_any_thread():
    """Only the main thread may ask for signals."""
    errors = []

    def run():
        layer = Breaks()
        layer.breaks.set()
        try:
            Worker(plain(Notes()), ["a", "b"], layer).run()
        except ConnectionError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert len(errors) == 1


# Limits


async def test_what_an_application_cannot_take_stays_in_the_layer(layer, notes):
    go_on = asyncio.Event()

    async def application(scope, receive, send):
        while True:
            text = (await receive())["text"]
            notes.add(text)
            await go_on.wait()

    worker = Worker(application, ["x"], layer)
    worker.queue_size = 3
    texts = [str(number) for number in range(10)]
    for text in texts:
        await layer.send("x", note(text))
    async with working(worker):
        await notes.until("0")
        for _ in range(50):
            await asyncio.sleep(0)
        # One is being handled, three are waiting for that.
        assert len(layer.channels["x"]) == 6
        go_on.set()
        await notes.until("9")
    assert notes.all == texts


async def test_a_worker_that_stops_while_it_is_full_loses_nothing(layer, consumer, notes):
    """What it has taken is handled, and what it has not is still in the layer."""
    texts = ["wait", *(str(number) for number in range(9))]
    for text in texts:
        await layer.send("x", note(text))
    worker = Worker(consumer.as_asgi(), ["x"], layer)
    worker.queue_size = 3
    async with working(worker) as task:
        await notes.until("waiting")
        for _ in range(50):
            await asyncio.sleep(0)
        await tell_to_stop(signal.SIGTERM)
        consumer.go_on.set()
        async with asyncio.timeout(5):
            await task

    left = [message["text"] for _, message in layer.channels["x"]]
    assert len(left) > 3
    assert notes.all[1:] + left == texts


async def test_beyond_the_limit_the_longest_unused_application_ends_when_it_has_done_its_work(layer, notes):
    alive = set()
    most = 0

    async def application(scope, receive, send):
        nonlocal most
        channel = scope["channel"]
        alive.add(channel)
        most = max(most, len(alive))
        try:
            while True:
                notes.add(f"{channel} {(await receive())['text']}")
        finally:
            alive.discard(channel)
            notes.add(f"{channel} ended")

    async with working(Worker(application, ["a", "b", "c"], layer, max_applications=2)):
        for channel in ("a", "b", "a"):
            text = str(len(notes.all))
            await layer.send(channel, note(text))
            await notes.until(f"{channel} {text}")
        await layer.send("c", note("new"))
        await notes.until("c new", "b ended")
        assert alive == {"a", "c"}

        await layer.send("b", note("again"))
        await notes.until("b again", "a ended")
        assert alive == {"b", "c"}


async def test_an_application_that_has_ended_does_not_count(layer, consumer, notes, caplog):
    class Ends(consumer):
        async def __call__(self, scope, receive, send):
            try:
                await super().__call__(scope, receive, send)
            finally:
                notes.add(f"{scope['channel']} ended")

    async with working(Worker(Ends.as_asgi(), ["a", "b", "c"], layer, max_applications=2)):
        await layer.send("a", note("hello"))
        await notes.until("hello")
        await layer.send("b", note("stop"))
        await notes.until("b ended")
        await layer.send("c", note("wait"))
        await notes.until("waiting")
        await layer.send("a", note("again"))
        await notes.until("again")
        assert "a ended" not in notes.all


# Stopping


def handlers():
    return {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}


async def tell_to_stop(number):
    """Return when the worker of this process has noticed, which it shows by taking its handlers away."""
    during = handlers()
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        while handlers() == during:
            await asyncio.sleep(0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_it_finish_what_it_has_received(layer, consumer, notes, number, caplog):
    """What runs, what waits for it, and nothing that comes later."""
    async with working(Worker(consumer.as_asgi(), ["x", "y"], layer)) as task:
        for text in ("wait", "a", "b", "c"):
            await layer.send("x", note(text))
        await notes.until("waiting")
        while layer.channels.get("x"):
            await asyncio.sleep(0)

        await tell_to_stop(number)
        assert not task.done()
        await layer.send("x", note("later"))
        consumer.go_on.set()
        async with asyncio.timeout(5):
            assert await task is None

    assert notes.all == ["waiting", "wait", "a", "b", "c"]
    assert [message["text"] for _, message in layer.channels.pop("x")] == ["later"]
    assert layer.channels == {}
    assert logged(caplog) == []


async def test_an_idle_worker_ends_at_once(layer, notes, caplog):
    before = asyncio.all_tasks()
    async with working(Worker(plain(notes), ["x", "y"], layer)) as task:
        await layer.send("x", note("hello"))
        await notes.until("hello")
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await task
    assert asyncio.all_tasks() == before
    assert logged(caplog) == []


async def test_an_error_meanwhile_does_not_keep_it_from_finishing_the_rest(layer, notes):
    go_on = asyncio.Event()

    async def application(scope, receive, send):
        while (text := (await receive())["text"]) != "fail":
            await go_on.wait()
            notes.add(text)
        raise RuntimeError

    async with working(Worker(application, ["x"], layer)) as task:
        for text in ("a", "fail", "b", "fail", "c"):
            await layer.send("x", note(text))
        while layer.channels.get("x"):
            await asyncio.sleep(0)
        await tell_to_stop(signal.SIGTERM)
        go_on.set()
        async with asyncio.timeout(5):
            await task
    assert notes.all == ["a", "b", "c"]


async def test_what_takes_too_long_is_cancelled_and_told(layer, consumer, notes, caplog):
    before = asyncio.all_tasks()
    worker = Worker(consumer.as_asgi(), ["x", "y"], layer)
    worker.drain_timeout_s = 0.05
    async with working(worker) as task:
        await layer.send("y", note("done"))
        await layer.send("x", note("wait"))
        await notes.until("waiting", "done")
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await task

    assert asyncio.all_tasks() == before
    [record] = logged(caplog)
    assert "0.05 s" in record.getMessage()
    assert "['x']" in record.getMessage()


async def test_what_runs_is_finished_before_the_error_of_a_channel_comes_out(layer, consumer, notes):
    async with working(Worker(consumer.as_asgi(), ["a", "b"], layer)) as task:
        await layer.send("a", note("wait"))
        await notes.until("waiting")
        await layer.send("b", {"no": "type"})
        while "b" in layer.channels:
            await asyncio.sleep(0)
        assert not task.done()
        consumer.go_on.set()
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match="type"):
                await task
    assert notes.all == ["waiting", "wait"]


async def test_to_cancel_it_is_no_error_and_leaves_nothing_behind(layer, consumer, notes):
    tasks, signals = asyncio.all_tasks(), handlers()
    async with working(Worker(consumer.as_asgi(), ["x"], layer)) as task:
        await layer.send("x", note("hello"))
        await notes.until("hello")
    assert task.cancelled()
    assert layer.channels == {}
    assert asyncio.all_tasks() == tasks
    assert handlers() == signals


async def test_a_layer_gets_the_time_to_tick_off_what_was_received(notes):
    class TicksOff(Breaks):
        async def wait_received(self):
            notes.add("ticked off")

    layer = TicksOff()
    layer.breaks.set()
    with pytest.raises(ConnectionError):
        await Worker(plain(notes), ["b"], layer).arun()
    assert notes.all == ["ticked off"]


async def test_a_handle_of_ones_own_decides_when_it_ends(layer):
    class OneRound(Worker):
        async def handle(self):
            return

    async with asyncio.timeout(5):
        assert await OneRound(None, ["x"], layer).arun() is None


# The command


def test_the_command_runs_a_worker_on_the_channels(settings):
    settings.CHANNEL_LAYERS["other"] = settings.CHANNEL_LAYERS["default"]
    settings.ASGI_APPLICATION = "tests.channels_core.worked.application"
    workers = []

    class Noting(Worker):
        def run(self):
            workers.append(self)

    class Runs(Command):
        worker_class = Noting

    call_command(Runs(), "a", "b")
    call_command(Runs(), "c", layer="other")

    from tests.channels_core.worked import application

    assert [worker.application for worker in workers] == [application] * 2
    assert [worker.channels for worker in workers] == [["a", "b"], ["c"]]
    assert [worker.channel_layer for worker in workers] == [get_channel_layer(), get_channel_layer("other")]


def test_the_command_needs_a_layer_that_there_is():
    with pytest.raises(CommandError, match="'nowhere'"):
        call_command("runworker", "a", layer="nowhere")


def test_the_command_needs_a_channel():
    with pytest.raises(CommandError, match="channel"):
        call_command("runworker")


def test_the_command_is_what_it_was():
    assert Command.worker_class is Worker
    assert Command.leave_locale_alone is True


# With Redis, and as a process


@pytest.fixture
def prefix():
    return uuid4().hex


@pytest.fixture
async def redis_layer(redis_server, prefix):
    layer = RedisChannelLayer(hosts=[redis_server.url], prefix=prefix)
    yield layer
    await layer.flush()


async def test_a_worker_listens_to_redis(redis_layer, consumer, notes):
    async with working(Worker(consumer.as_asgi(), ["x", "y"], redis_layer)) as task:
        for text in ("a", "b", "wait"):
            await redis_layer.send("x", note(text))
        await redis_layer.send("y", note("c"))
        await notes.until("a", "b", "c", "waiting")
        os.kill(os.getpid(), signal.SIGTERM)
        consumer.go_on.set()
        async with asyncio.timeout(5):
            await task
    assert [text for text in notes.all if text != "c"] == ["a", "b", "waiting", "wait"]


class RunWorker(Server):
    """``manage.py runworker async sync``, with the application of ``worked``."""

    def __init__(self, redis_url, prefix, **environment):
        super().__init__("runworker")
        self.variables = {
            "DJANGO_SETTINGS_MODULE": "tests.channels_core.worked",
            "PYTHONPATH": str(django_settings.BASE_DIR),
            "CHANNEL_LAYER_BACKEND": "channels_redis.core.RedisChannelLayer",
            "REDIS_URL": redis_url,
            "REDIS_PREFIX": prefix,
            **environment,
        }

    def command(self):
        return [sys.executable, str(django_settings.BASE_DIR / "manage.py"), "runworker", "async", "sync"]

    def environment(self):
        return os.environ | self.variables

    def says(self, text):
        return text in self.log.read_text()

    def is_ready(self):
        return self.says("Running a worker for the channels async, sync.")


@pytest.fixture
def run_worker(redis_server, prefix):
    """Start the command; it is gone afterwards."""
    workers = []

    def run_worker(**environment):
        workers.append(RunWorker(redis_server.url, prefix, **environment))
        workers[-1].start()
        return workers[-1]

    yield run_worker
    for worker in workers:
        worker.remove()


class Correspondent:
    """Sends to channels in Redis and receives from them, for tests that wait for processes."""

    def __init__(self, url, prefix):
        self.config = {"hosts": [url], "prefix": prefix}

    def send(self, channel, message):
        async_to_sync(self._do)("send", channel, message)

    def receive(self, channel):
        return async_to_sync(self._do)("receive", channel)

    async def _do(self, verb, *args):
        layer = RedisChannelLayer(**self.config)
        async with asyncio.timeout(TIMEOUT_S):
            result = await getattr(layer, verb)(*args)
            await layer.wait_received()
        return result


@pytest.fixture
def redis(redis_server, prefix):
    return Correspondent(redis_server.url, prefix)


def test_the_command_handles_what_is_sent_and_ends_when_told_to(run_worker, redis):
    for channel in ("async", "sync"):
        redis.send(channel, {"type": "work", "reply": "replies", "text": "sent before it started"})
    worker = run_worker()
    replies = [redis.receive("replies") for _ in range(2)]
    assert replies == [{"type": "done", "text": "sent before it started"}] * 2

    redis.send("async", {"type": "work.until.told", "reply": "replies", "until": "told"})
    assert redis.receive("replies") == {"type": "begun"}
    worker.process.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.says("Told to stop"), what="the worker to be told to stop")
    assert worker.process.poll() is None
    redis.send("told", {"type": "told"})

    assert redis.receive("replies") == {"type": "done"}
    assert worker.process.wait(TIMEOUT_S) == 0
    assert not worker.says("Traceback")


@pytest.mark.parametrize("is_told", [True, False], ids=["told to stop", "broken"])
def test_a_thread_without_end_does_not_keep_the_process(run_worker, redis, is_told):
    worker = run_worker(DRAIN_TIMEOUT_S="0.1")
    redis.send("sync", {"type": "work.for.ever", "reply": "replies"})
    assert redis.receive("replies") == {"type": "begun"}

    if is_told:
        worker.process.send_signal(signal.SIGTERM)
    else:
        redis.send("async", {"no": "type"})

    assert worker.process.wait(TIMEOUT_S) == -signal.SIGTERM
    assert worker.says("ValueError: Expected a message with a type on 'async'") is not is_told
    assert worker.says("Gave up after 0.1 s on what had come to the channels ['sync']")


def test_an_error_on_a_channel_ends_the_process(run_worker, redis):
    worker = run_worker()
    redis.send("sync", {"no": "type"})

    assert worker.process.wait(TIMEOUT_S) == 1
    assert worker.says("ValueError: Expected a message with a type on 'sync'")

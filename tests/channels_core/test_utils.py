"""The pump that consumers and workers run on, and names for the log."""

import asyncio
import functools
import logging

import pytest

from channels_core.utils import await_many_dispatch, name_that_thing


class Source:
    """A callable that gives what is put into it, fails with exceptions, and knows whether it is pending."""

    def __init__(self, *items):
        self.queue = asyncio.Queue()
        for item in items:
            self.queue.put_nowait(item)
        self.calls = 0
        self.is_pending = False

    async def __call__(self):
        self.calls += 1
        self.is_pending = True
        try:
            item = await self.queue.get()
        finally:
            self.is_pending = False
        if isinstance(item, BaseException):
            raise item
        return item


class Handler:
    """A dispatch that collects what it is given, waits at ``gate``, and fails with exceptions."""

    def __init__(self):
        self.seen = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.changed = asyncio.Condition()

    async def __call__(self, item):
        async with self.changed:
            self.seen.append(item)
            self.changed.notify_all()
        await self.gate.wait()
        if isinstance(item, BaseException):
            raise item

    async def wait_for(self, count):
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: len(self.seen) >= count)


def others():
    """Every task but the test's own."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def turn(count=10):
    """Let every task that can run go on, until none can."""
    for _ in range(count):
        await asyncio.sleep(0)


class Boom(Exception):
    pass


async def test_messages_are_dispatched_one_at_a_time_in_order_of_arrival():
    first, second, handler = Source(), Source(), Handler()
    pump = asyncio.create_task(await_many_dispatch([first, second], handler))
    await turn()

    handler.gate.clear()
    for source, item in ((second, "a"), (first, "b")):
        source.queue.put_nowait(item)
        await turn()
    assert handler.seen == ["a"]
    second.queue.put_nowait("c")
    await turn()
    handler.gate.set()
    await handler.wait_for(3)

    assert handler.seen == ["a", "b", "c"]
    pump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pump


async def test_every_callable_is_pending_before_the_first_message_is_handled():
    """A consumer's mailbox is being read while its connect() runs."""
    client, layer = Source("connect"), Source()

    async def handler(item):
        assert layer.is_pending
        raise Boom

    with pytest.raises(Boom):
        await await_many_dispatch([client, layer], handler)


async def test_a_callable_may_return_any_awaitable():
    future = asyncio.get_running_loop().create_future()
    future.set_result("a")

    async def handler(item):
        raise Boom(item)

    with pytest.raises(Boom, match="a"):
        await await_many_dispatch([lambda: future], handler)


async def test_a_slow_handler_holds_its_sources_back():
    """One message is being handled, one waits; the others stay where they are."""
    source, handler = Source(*range(10)), Handler()
    handler.gate.clear()
    pump = asyncio.create_task(await_many_dispatch([source], handler))
    await handler.wait_for(1)
    await turn()

    assert handler.seen == [0]
    assert source.calls == 2
    pump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pump


async def test_each_callable_keeps_one_task():
    """A new task for each message was most of the cost of a message."""
    source, handler = Source(), Handler()
    pump = asyncio.create_task(await_many_dispatch([source], handler))
    await turn()
    before = others()

    for number in range(3):
        source.queue.put_nowait(number)
        await handler.wait_for(number + 1)
        await turn()
        assert others() == before

    pump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pump


async def test_what_a_handler_raises_ends_it_and_leaves_no_task():
    error = Boom()
    with pytest.raises(Boom) as raised:
        await await_many_dispatch([Source(error_as_item := Item(error)), Source()], error_as_item.fail)

    assert raised.value is error
    assert not others()


class Item:
    """Something to dispatch to its own ``fail``."""

    def __init__(self, error):
        self.error = error

    async def fail(self, item):
        assert item is self
        raise self.error


async def test_what_a_callable_raises_ends_it_after_what_arrived_before():
    source, handler = Source("a", "b", Boom()), Handler()

    with pytest.raises(Boom):
        await await_many_dispatch([source, Source()], handler)

    assert handler.seen == ["a", "b"]
    assert not others()


async def test_an_error_waits_for_messages_of_other_callables_that_came_earlier():
    failing, other, handler = Source(), Source(), Handler()
    handler.gate.clear()
    pump = asyncio.create_task(await_many_dispatch([failing, other], handler))
    await turn()
    for source, item in ((failing, "a"), (other, "b"), (failing, Boom())):
        source.queue.put_nowait(item)
        await turn()
    handler.gate.set()

    with pytest.raises(Boom):
        await pump
    assert handler.seen == ["a", "b"]


async def test_an_error_while_cleaning_up_does_not_replace_the_first():
    async def fails_when_cancelled():
        try:
            await asyncio.Event().wait()
        finally:
            raise KeyError("from the clean-up")

    with pytest.raises(Boom):
        await await_many_dispatch([Source(Boom()), fails_when_cancelled, Source()], Handler())
    assert not others()


async def test_a_callable_that_answers_its_cancellation_with_a_result_is_not_called_again():
    calls = 0

    async def stubborn():
        nonlocal calls
        calls += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "too late"

    async with asyncio.timeout(5):
        with pytest.raises(Boom):
            await await_many_dispatch([Source(Boom()), stubborn], Handler())
    assert calls == 1


async def test_a_callable_that_is_cancelled_from_elsewhere_ends_it():
    """Waiting for it for ever would leave a connection that hears nothing."""
    lost = asyncio.get_running_loop().create_future()
    lost.cancel()

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await asyncio.create_task(await_many_dispatch([Source(), lambda: lost], Handler()))


async def test_being_cancelled_ends_it_and_leaves_no_task():
    handler = Handler()
    pump = asyncio.create_task(await_many_dispatch([Source("a"), Source()], handler))
    await handler.wait_for(1)

    pump.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pump
    assert not others()


async def test_a_cancellation_during_the_clean_up_is_heard_and_still_leaves_no_task():
    cleaning, may_end = asyncio.Event(), asyncio.Event()

    async def slow_to_end():
        try:
            await asyncio.Event().wait()
        finally:
            cleaning.set()
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                await may_end.wait()

    pump = asyncio.create_task(await_many_dispatch([Source(Boom()), slow_to_end], Handler()))
    await cleaning.wait()
    pump.cancel()
    await turn()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await pump
    assert not others()


async def test_messages_that_nobody_handles_any_more_are_counted_in_the_log(caplog):
    caplog.set_level(logging.DEBUG, logger="channels_core.utils")
    end, other = Source("end"), Source()

    async def handler(item):
        other.queue.put_nowait("late")
        await turn()
        raise Boom

    with pytest.raises(Boom):
        await await_many_dispatch([end, other], handler)

    assert [record.getMessage() for record in caplog.records] == ["Ended with 1 messages received but not dispatched."]


@pytest.mark.parametrize(
    ("thing", "name"),
    [
        (turn, "turn"),
        (Source, "Source"),
        (Source.__call__, "Source.__call__"),
    ],
)
def test_a_function_or_class_has_its_dotted_name(thing, name):
    assert name_that_thing(thing) == f"{__name__}.{name}"


def test_an_instance_has_the_name_of_its_class():
    assert name_that_thing(Boom()) == f"{__name__}.Boom"
    assert name_that_thing(functools.partial(turn)) == "functools.partial"


def test_what_belongs_to_no_module_is_shown():
    assert name_that_thing("".upper) == repr("".upper)

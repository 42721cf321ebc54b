"""What consumers and workers run on: several sources of messages, handled one message at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


def name_that_thing(thing: Any) -> str:
    """The dotted name of a function or class, or of an instance's class; else its ``repr``."""
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    module = getattr(named, "__module__", None)
    return f"{module}.{named.__qualname__}" if module else repr(thing)


async def await_many_dispatch(
    consumer_callables: Sequence[Callable[[], Awaitable[T]]],
    dispatch: Callable[[T], Awaitable[Any]],
) -> None:
    """
    Hand what the callables return to ``dispatch``, one at a time and in order of arrival, without end.

    Each callable has one task for good, which calls it again as soon as its last result is taken: while
    a handler runs, at most one further result per callable waits. All are called before the first
    dispatch.

    Raises:
        The first exception, from ``dispatch`` or from a callable; a callable's after everything that
        arrived before it has been dispatched. No task is left behind.
    """
    arrivals: asyncio.Queue[tuple[asyncio.Semaphore, Any, BaseException | None]] = asyncio.Queue()
    is_over = False

    async def pump(receive: Callable[[], Awaitable[T]]) -> None:
        slot = asyncio.Semaphore(1)
        # A callable may answer its cancellation with a result: it is not called again.
        while not is_over:
            await slot.acquire()
            try:
                arrivals.put_nowait((slot, await receive(), None))
            except BaseException as error:
                # A cancellation that nobody here asked for is news like any other.
                arrivals.put_nowait((slot, None, error))
                return

    tasks = [asyncio.create_task(pump(receive)) for receive in consumer_callables]
    try:
        while True:
            slot, result, error = await arrivals.get()
            if error is not None:
                raise error
            slot.release()
            await dispatch(result)
    finally:
        is_over = True
        if dropped := arrivals.qsize():
            logger.debug("Ended with %d messages received but not dispatched.", dropped)
        for task in tasks:
            task.cancel()
        # Its exceptions are results, so that what ended the loop is what the caller gets. Being cancelled
        # meanwhile, it waits for the tasks all the same and then says so.
        await asyncio.gather(*tasks, return_exceptions=True)

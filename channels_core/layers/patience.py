"""Calls to a channel layer whose server may be restarting."""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)

DELAYS_S = (0.05, 0.2, 0.75)


async def patiently(call: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
    """
    Await ``call``, again if the line to the server is down, for about a second.

    So a restart of Redis delays those who connect in that moment, and refuses none of them. For calls
    that are harmless to repeat.
    """
    for delay_s in DELAYS_S:
        try:
            return await call(*args, **kwargs)
        except line_errors() as error:
            if isinstance(error, TypeError) and not _is_of_asyncio(error):
                raise
            logger.info("The channel layer does not answer (%s); trying again in %g s.", error, delay_s)
            await asyncio.sleep(delay_s)
    return await call(*args, **kwargs)


def line_errors() -> tuple[type[BaseException], ...]:
    """
    What a broken line raises. redis-py has classes of its own; it is loaded where a layer uses it.

    The first releases of Python 3.12 and 3.13 raise a TypeError when a transport that was just closed is
    written to.
    """
    redis = sys.modules.get("redis.exceptions")
    return (OSError, TypeError, redis.ConnectionError, redis.TimeoutError) if redis else (OSError,)


def _is_of_asyncio(error: BaseException) -> bool:
    """Whether asyncio itself raised it: else it is a mistake of the caller, such as a malformed name."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("asyncio.")

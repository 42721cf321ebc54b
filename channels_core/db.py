"""Database work from asynchronous code: on threads of its own, with connections that are kept tidy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any, Generic, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync, SyncToAsync, sync_to_async
from django.conf import settings
from django.db import close_old_connections, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

P = ParamSpec("P")
R = TypeVar("R")

# So long after a thread has used its connections none of them is asked whether it lives, as CONN_HEALTH_CHECKS
# has it: that would be a question of its own before each that somebody has.
FRESH_S = 1.0

# True while a test drives an application inside its own transaction, which lives on one connection.
keep_connections: ContextVar[bool] = ContextVar("keep_connections", default=False)

# True once a task has queried the database past ``database_sync_to_async``, as ``await Model.objects.aget()``
# does. Django's threads hand their context back, so that the query's mark reaches the task.
is_tidying_due: ContextVar[bool] = ContextVar("is_tidying_due", default=False)


def tidy_connections() -> None:
    """Close this thread's connections that are broken or past ``CONN_MAX_AGE``, as Django does around a request."""
    if not keep_connections.get():
        close_old_connections()


def database_threads() -> int:
    """How many threads share the database work of a process: ``CHANNELS_DATABASE_THREADS``, 1 unless set."""
    return int(getattr(settings, "CHANNELS_DATABASE_THREADS", 1))


class DatabaseSyncToAsync(SyncToAsync[P, R], Generic[P, R]):
    """
    Await a synchronous function that uses the database; also a decorator, for methods too.

    With ``CHANNELS_DATABASE_THREADS`` above 1 calls run side by side on that many threads of the process,
    each with a connection of its own. Otherwise, and where ``thread_sensitive=False`` or an ``executor``
    is given, asgiref decides: by default every call of the process runs on one and the same thread.
    """

    def __init__(
        self, func: Callable[P, R], thread_sensitive: bool = True, executor: ThreadPoolExecutor | None = None
    ) -> None:
        super().__init__(func, thread_sensitive=thread_sensitive, executor=executor)
        self._options: dict[str, Any] = {"thread_sensitive": thread_sensitive, "executor": executor}

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        options = self._options
        threads = database_threads()
        # Chosen at the call: a decorated function is often imported before the settings are ready.
        if options["thread_sensitive"] and threads > 1 and not _is_awaited_by_a_thread():
            options = {"thread_sensitive": False, "executor": _pool(threads)}
        return await sync_to_async(partial(_tidily, self.func), **options)(*args, **kwargs)


database_sync_to_async = DatabaseSyncToAsync


async def aclose_old_connections() -> None:
    """Tidy the connections of the thread that runs this process's thread-sensitive code."""
    is_tidying_due.set(False)
    await sync_to_async(tidy_connections)()


async def tidy_if_used() -> None:
    """``aclose_old_connections`` if this task has used the database since; else no thread is disturbed."""
    if is_tidying_due.get():
        await aclose_old_connections()


def _is_awaited_by_a_thread() -> bool:
    """
    Whether synchronous code waits for this in ``async_to_sync``; asgiref then lends us its thread.

    To take one of the pool's besides would hide that thread's transaction from the call, and come to a
    stop once every thread of the pool waits like that.
    """
    is_below = getattr(AsyncToSync.executors, "current", None) is not None
    return is_below or asyncio.get_running_loop() in AsyncToSync.loop_thread_executors


def _tidily(func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    was_due = is_tidying_due.get()
    if time.monotonic() - getattr(_used, "at", 0) < FRESH_S:
        for connection in connections.all(initialized_only=True):
            connection.health_check_done = True  # type: ignore[attr-defined] # which the stubs do not know
    else:
        tidy_connections()
    try:
        result = func(*args, **kwargs)
        _used.at = time.monotonic()
        return result
    finally:
        tidy_connections()
        is_tidying_due.set(was_due)  # for what this call did it has just been done


def _mark_use(execute: Callable[..., Any], *args: Any) -> Any:
    is_tidying_due.set(True)
    return execute(*args)


def _watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Have every query of a new connection marked."""
    if _mark_use not in connection.execute_wrappers:
        # In front: Django's context manager for such wrappers takes its own from the end.
        connection.execute_wrappers.insert(0, _mark_use)


_used = threading.local()  # when this thread's connections have last done what they were asked
connection_created.connect(_watch)


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="channels-database")

"""Threads for pages: a few for all requests, instead of one for each."""

import os
from collections.abc import Callable
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.conf import settings
from django.db import close_old_connections
from django.http import HttpRequest
from django.utils.decorators import async_only_middleware


@async_only_middleware
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """
    Have pages made on ``HTTP_CONCURRENCY`` threads, which keep their database connections.

    By itself Django gives each request under ASGI a thread of its own, and with it a connection, which is
    closed some time after the thread has gone: everybody who comes back after a restart would ask the
    database for one at the same moment. Here a request is sent to the thread with the shortest queue.
    """
    count = settings.HTTP_CONCURRENCY
    queues: dict[ThreadSensitiveContext, int] = {}
    process = 0

    async def on_a_shared_thread(request: HttpRequest) -> Any:
        nonlocal process
        if SyncToAsync.thread_sensitive_context.get(None) is None:
            return await get_response(request)  # not Django's ASGI handler, but the test client, say: nothing to share
        if process != os.getpid():  # threads do not survive a fork
            process = os.getpid()
            queues.clear()
            # asgiref has one thread for each such object, and looks up the one that is current for a task.
            queues.update({ThreadSensitiveContext(): 0 for _ in range(count)})
        thread = min(queues, key=queues.__getitem__)
        queues[thread] += 1
        before = SyncToAsync.thread_sensitive_context.set(thread)
        try:
            # Django does this around a request, but on the thread that it has made for it.
            await sync_to_async(close_old_connections)()
            return await get_response(request)
        finally:
            SyncToAsync.thread_sensitive_context.reset(before)
            queues[thread] -= 1

    return on_a_shared_thread

"""
What a load balancer and an operator ask: ``/healthz``, ``/readyz`` and ``/metrics``.

Answered above everything else: for any host name, without a session, and without waiting for a thread.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound, JsonResponse
from django.utils.decorators import async_only_middleware
from redis.asyncio import Redis
from redis.exceptions import RedisError

from channels_core.meters import meters

from . import metrics

DATABASE_ANSWERS_WITHIN_S = 2.0
REDIS_ANSWERS_WITHIN_S = 1.0

# A thread, and so a connection, of its own: work that waits for a slow database must not hide it, nor it them.
_thread = ThreadPoolExecutor(1, thread_name_prefix="readiness")
_asking: asyncio.Future[bool] | None = None


async def healthz(request: HttpRequest) -> HttpResponse:
    """200: the process is alive and its event loop turns. It touches nothing else."""
    return JsonResponse({"status": "alive"})


async def readyz(request: HttpRequest) -> HttpResponse:
    """
    200 when requests may come: ``"ready"``, or ``"degraded"`` without Redis; 503 when not: ``"unavailable"``.

    The reasons are sentences for an operator, without names or addresses.
    """
    database, redis = await asyncio.gather(is_database_up(), redis_state())
    reasons = []
    if meters.is_draining:
        reasons.append("The process is stopping.")
    if not database:
        reasons.append(f"The database did not answer within {DATABASE_ANSWERS_WITHIN_S:g} s.")
    is_ready = not reasons
    if redis == "down":
        reasons.append("Redis does not answer: what is said in one process does not reach the others at once.")
    status = "unavailable" if not is_ready else "degraded" if reasons else "ready"
    state = {
        "status": status,
        "database": "up" if database else "down",
        "redis": redis,
        "draining": meters.is_draining,
        "reasons": reasons,
    }
    return JsonResponse(state, status=200 if is_ready else 503)


async def metrics_page(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, for who has the token in METRICS_TOKEN; for others there is no such page."""
    expected = f"Bearer {settings.METRICS_TOKEN}".encode()
    given = request.headers.get("Authorization", "").encode()
    if not settings.METRICS_TOKEN or not secrets.compare_digest(given, expected):
        return HttpResponseNotFound("Not Found", content_type="text/plain")
    return HttpResponse(metrics.exposition(await redis_state()), content_type=metrics.CONTENT_TYPE)


PAGES: dict[str, Callable[[HttpRequest], Awaitable[HttpResponse]]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics_page,
}


@async_only_middleware  # the next one is synchronous, and Django would have this one so too if it could
def middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Answers these pages; everything else goes on."""

    async def answer(request: HttpRequest) -> HttpResponse:
        response: HttpResponse
        if page := PAGES.get(request.path):
            response = await page(request)
            # Django's mark: to tell a probe that it is not ready is no error, to be logged with each of them.
            setattr(response, "_has_been_logged", True)  # noqa: B010
            return response
        response = await get_response(request)
        return response

    return answer


async def is_database_up() -> bool:
    """
    Whether it answers a query in time.

    One question at a time: while one hangs, the next readers wait for the same answer.
    """
    global _asking
    if _asking is None or _asking.done() or _asking.get_loop() is not asyncio.get_running_loop():
        _asking = asyncio.get_running_loop().run_in_executor(_thread, _ask_database)
    done, _ = await asyncio.wait([_asking], timeout=DATABASE_ANSWERS_WITHIN_S)
    return bool(done) and _asking.result()


def _ask_database() -> bool:
    close_old_connections()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:
        connection.close()
        return False
    return True


async def redis_state() -> str:
    """``"up"``, ``"down"`` or, where there is no REDIS_URL, ``"not configured"``."""
    if not settings.REDIS_URL:
        return "not configured"
    try:
        async with asyncio.timeout(REDIS_ANSWERS_WITHIN_S), Redis.from_url(settings.REDIS_URL) as redis:
            await redis.execute_command("PING")
    except (RedisError, OSError, TimeoutError):
        return "down"
    return "up"

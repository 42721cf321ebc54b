"""Redis, and the channel layer that carries events between processes."""

import asyncio
import re
import secrets
import time
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.retry import Retry

from channels_core.layers import InMemoryChannelLayer, get_channel_layer

from .findings import Finding, Findings, Level, error, first_line, ok, plural, warning, without_password

ANSWERS_WITHIN_S = 3.0
SLOW_S = 0.05


def examine() -> Findings:
    if settings.REDIS_URL:
        redis = list(examine_redis(settings.REDIS_URL))
        yield from redis
        if redis[0].level == Level.ERROR:
            return  # without Redis the layer has no chance
    else:
        yield ok("Redis is not configured, so this can run as one process.")
    yield round_trip()


def examine_redis(url: str) -> Findings:
    """First of all whether it answers."""
    shown = without_password(url)
    try:
        redis = Redis.from_url(
            url,
            socket_connect_timeout=ANSWERS_WITHIN_S,
            socket_timeout=ANSWERS_WITHIN_S,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its text may have a part of the password in it
        yield error(
            f"REDIS_URL is no address of a Redis: {shown}.",
            "write REDIS_URL=redis://:password@host:6379/0, with special characters of the password as %XX",
        )
        return
    with redis:
        try:
            redis.ping()
            started = time.perf_counter()
            redis.ping()
            took_s = time.perf_counter() - started
        except (AuthenticationError, NoPermissionError) as refused:
            yield error(
                f"Redis at {shown} does not let us in: {first_line(refused)}.",
                "correct user and password in REDIS_URL: redis://user:password@host:6379/0",
            )
            return
        except (RedisError, OSError) as silent:
            said = re.sub(r"^Error \S+ connecting to \S+ ", "", first_line(silent))  # without the address again
            yield error(f"Redis does not answer at {shown}: {said}.", "start Redis, or correct REDIS_URL")
            return
        info = _info(redis)
        text = f"Redis {info.get('redis_version', '(version unknown)')} at {shown} answers in {took_s * 1000:.1f} ms."
        if took_s > SLOW_S:
            yield warning(text, "put Redis near the server: each message goes through it")
        else:
            yield ok(text)
        yield from memory(info)


def _info(redis: Any) -> dict[str, Any]:
    """What it tells about itself; nothing where that is forbidden."""
    try:
        return dict(redis.info())
    except RedisError:
        return {}


def memory(info: dict[str, Any]) -> Findings:
    """
    Whether Redis throws away who is present, and mailboxes, when its memory is full.

    Where only what expires may go (volatile-...), that is no worse than refusing to write, until it happens.
    """
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if info.get("maxmemory", 0) and policy.startswith("allkeys"):
        yield warning(
            f"Redis is set up as a cache: when its memory is full, it throws away anything ({policy}).",
            "redis-cli config set maxmemory-policy volatile-ttl, or a Redis of its own",
        )
    elif evicted := int(info.get("evicted_keys", 0)):
        yield warning(
            f"Redis has thrown away {plural(evicted, 'key')} since it started: its memory was full ({policy}).",
            "give Redis more memory (maxmemory), or a server of its own",
        )


def round_trip() -> Finding:
    """Whether what is sent to a group arrives, through the layer that the project uses."""
    layer = get_channel_layer()
    if layer is None:
        return error("There is no channel layer: CHANNEL_LAYERS has no 'default'.", "leave CHANNEL_LAYERS as it was")
    name = type(layer).__name__
    try:
        async_to_sync(_send_and_receive)(layer)
    except TimeoutError:
        return error(
            f"What was sent through the channel layer ({name}) did not come back within {ANSWERS_WITHIN_S:g} s.",
            "look at what Redis logs, or try another CHANNEL_LAYER_BACKEND",
        )
    except Exception as failure:  # layers of others raise what they like
        return error(
            f"The channel layer ({name}) fails: {type(failure).__name__}.",
            "see that CHANNEL_LAYER_BACKEND and REDIS_URL belong together; .env.example explains both",
        )
    if isinstance(layer, InMemoryChannelLayer):
        return ok("What is sent through the channel layer comes back, within one process: it is in memory.")
    return ok(f"What is sent through the channel layer ({name}) comes back.")


async def _send_and_receive(layer: Any) -> None:
    message = {"type": "doctor.knock", "token": secrets.token_hex(8)}
    async with asyncio.timeout(ANSWERS_WITHIN_S):
        channel = await layer.new_channel()
        group = f"doctor.{secrets.token_hex(8)}"
        await layer.group_add(group, channel)
        try:
            await layer.group_send(group, message)
            while await layer.receive(channel) != message:
                pass
        finally:
            await layer.group_discard(group, channel)

"""What channels_redis does to consumers when time passes, Redis restarts or a consumer dies."""

import asyncio

import pytest
import redis as redis_py

from channels_core.broadcast import broadcast
from channels_core.generic.websocket import AsyncWebsocketConsumer
from channels_core.testing import WebsocketCommunicator
from tests.servers import wait_until

pytestmark = pytest.mark.needs("uses_redis")


class Member(AsyncWebsocketConsumer):
    """Hears the group ``a`` of the layer, and what is broadcast to ``b``; fails when it is told to."""

    groups = ["a"]

    async def connect(self):
        await self.accept()
        await self.subscribe("b")

    async def receive(self, text_data=None, bytes_data=None):
        raise ZeroDivisionError

    async def say(self, event):
        await self.send(event["text"])


async def connected():
    socket = WebsocketCommunicator(Member.as_asgi(), "/")
    assert await socket.connect(timeout=10) == (True, None)
    return socket


async def test_a_consumer_that_hears_nothing_for_long_lives(site, backend, redis_server):
    """redis-py's read timeout, as it is by default, must not be shorter than the layer's blocking wait."""
    socket = await connected()
    if backend.path == "channels_redis.core.RedisChannelLayer":
        timeout_s = site.connection(0).connection_pool.connection_kwargs.get("socket_timeout")
        assert timeout_s is None or timeout_s > site.brpop_timeout
        site.brpop_timeout = 1
        await idle_rounds(redis_server)
    await site.group_send("a", {"type": "say", "text": "still there?"})

    assert await socket.receive_from(timeout=5) == "still there?"
    await socket.disconnect()


async def idle_rounds(server):
    """Return when the layer's blocking wait has ended with nothing and begun anew, twice."""
    with redis_py.Redis.from_url(server.url) as admin:

        def waits():
            return admin.info("commandstats").get("cmdstat_bzpopmin", {}).get("calls", 0)

        begun = waits()
        await asyncio.to_thread(wait_until, lambda: waits() >= begun + 2, what="idle rounds of the layer")


async def test_after_a_restart_of_redis_the_first_handshake_succeeds_and_hears(site, redis_server):
    before = await connected()
    await before.disconnect()

    redis_server.stop()
    redis_server.start()
    socket = await connected()
    await site.group_send("a", {"type": "say", "text": "hello"})
    assert await socket.receive_from(timeout=5) == "hello"
    await broadcast("b", {"hello": "too"})

    assert await socket.receive_json_from(timeout=5) == {"hello": "too"}
    await socket.disconnect()


async def test_a_consumer_that_failed_leaves_no_mailbox_that_fills(site, redis_server):
    socket, witness = await connected(), await connected()
    await socket.send_to("fail")
    with pytest.raises(ZeroDivisionError):
        await socket.receive_output(timeout=5)

    for number in range(20):
        await site.group_send("a", {"type": "say", "text": str(number)})
    for number in range(20):
        assert await witness.receive_from(timeout=5) == str(number)

    buffered = sum(queue.qsize() for queue in getattr(site, "receive_buffer", {}).values())
    assert buffered == 0
    await witness.disconnect()

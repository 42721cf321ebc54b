"""Our layer while its Redis is dead, stands still, throws it out or says nothing: it comes back, and tells."""

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import pytest
from redis import CredentialProvider, Redis
from redis.exceptions import ConnectionError

from channels_core.layers.patience import line_errors
from channels_core.layers.redis import RedisChannelLayer, link, subscriber
from tests.channels_core.layers.members import member, received
from tests.servers import RedisServer, free_port, until

BOUND_S = 5  # nothing waits longer than that; on a machine that has time, half of it
RETURN_S = 10


@pytest.fixture
async def make_layer(own_redis):
    layers, prefix = [], uuid4().hex

    def make_layer(url=own_redis.url):
        layers.append(RedisChannelLayer(hosts=[url], prefix=prefix))
        return layers[-1]

    yield make_layer
    for layer in layers:
        async with asyncio.timeout(BOUND_S):
            await layer.flush()


class Hook:
    """Counts how often it is called."""

    def __init__(self, layer):
        self.calls = 0
        self._news = asyncio.Event()
        layer.add_missed_hook(self)

    def __call__(self):
        self.calls += 1
        self._news.set()

    async def until(self, calls):
        async with asyncio.timeout(RETURN_S):
            while self.calls < calls:
                self._news.clear()
                await self._news.wait()


async def is_heard(layer, group, channel):
    """Return when ``channel`` hears what is sent to ``group``: soon, or the test fails."""
    token = uuid4().hex
    async with asyncio.timeout(RETURN_S):
        while True:
            with suppress(ConnectionError):
                await layer.group_send(group, {"type": "token", "token": token})
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    while (await layer.receive(channel)).get("token") != token:
                        pass
                    return


async def is_taken(layer, group, message):
    """Return when Redis has taken ``message``: soon, or the test fails."""
    async with asyncio.timeout(RETURN_S):
        while True:
            with suppress(ConnectionError):
                return await layer.group_send(group, message)
            await asyncio.sleep(0.02)


async def fails(awaitable):
    """The error of the line that ``awaitable`` ends with, in time."""
    async with asyncio.timeout(BOUND_S):
        with pytest.raises(line_errors()) as raised:
            await awaitable
    return str(raised.value)


def warnings(caplog):
    return [
        record.getMessage() for record in caplog.records if record.levelno == logging.WARNING and "Redis" in record.msg
    ]


def links(layer):
    """What publishes, and what is subscribed."""
    (shard,) = layer._get_layer()._shards
    return shard._publisher, shard._subscriber


@asynccontextmanager
async def noticing(link):
    """What happens in the block breaks the connection of ``link``; afterwards it knows."""
    before = link._serving
    yield
    await until(lambda: link._connection is None or link._serving is not before, timeout_s=BOUND_S)


def throw_out(kind):
    async def throw_out(server):
        with Redis.from_url(server.url) as redis:
            redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    return throw_out


async def flood(server):
    with Redis.from_url(server.url) as redis:
        redis.config_set("client-output-buffer-limit", "pubsub 65536 0 0")
        redis.publish(redis.pubsub_channels()[0], "x" * 2**20)


async def restart(server):
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize(
    "break_line", [throw_out("pubsub"), flood, restart], ids=["thrown out", "too slow a reader", "restarted and empty"]
)
async def test_after_a_break_everything_is_subscribed_again_and_the_hooks_are_called(
    break_line, make_layer, own_redis, caplog
):
    layer = make_layer()
    groups = [f"room.{number}" for number in range(1500)]
    channel = await member(layer, *groups)
    hook = Hook(layer)

    await break_line(own_redis)
    await hook.until(2)

    with Redis.from_url(own_redis.url) as redis:
        assert len(redis.pubsub_channels()) == 1501
        assert redis.info("commandstats")["cmdstat_subscribe"]["calls"] <= 2 * 4 + 1
    for group in ("room.0", "room.1499"):
        await is_heard(layer, group, channel)
    assert hook.calls == 2
    lost, back = warnings(caplog)
    assert "is away" in lost
    assert "is back" in back


async def test_a_publisher_that_is_thrown_out_is_back_before_anybody_notices(make_layer, own_redis, caplog):
    layer = make_layer()
    channel = await member(layer, "room.1")
    await is_heard(layer, "room.1", channel)
    hook, publisher = Hook(layer), links(layer)[0]

    async with noticing(publisher):
        await throw_out("normal")(own_redis)
    await layer.group_send("room.1", {"type": "hello"})

    assert await received(layer, channel) == {"type": "hello"}
    assert hook.calls == 0
    assert warnings(caplog) == []


async def test_while_redis_is_away_everybody_is_told_soon_and_then_at_once(make_layer, own_redis, caplog):
    layer = make_layer()
    channel = await member(layer, "room.1")
    await is_heard(layer, "room.1", channel)
    await asyncio.to_thread(own_redis.kill)

    first = [fails(layer.group_send("room.1", {"type": "lost"})) for _ in range(50)]
    await asyncio.gather(
        *first, fails(layer.group_add("room.2", channel)), fails(layer.send(channel, {"type": "lost"}))
    )
    begun = asyncio.get_running_loop().time()
    for _ in range(50):
        await fails(layer.group_send("room.1", {"type": "lost"}))
        await fails(layer.group_add("room.2", channel))
    assert asyncio.get_running_loop().time() - begun < BOUND_S

    await asyncio.to_thread(own_redis.start)
    await is_heard(layer, "room.1", channel)
    assert len(layer.groups) == 1  # a join that failed is none
    assert len(warnings(caplog)) == 2


async def test_a_short_break_is_waited_for(make_layer, own_redis):
    layer = make_layer()
    channel = await member(layer, "room.1")
    await is_heard(layer, "room.1", channel)
    publisher, subscriber = links(layer)
    async with noticing(publisher), noticing(subscriber):
        await throw_out("pubsub")(own_redis)
        await throw_out("normal")(own_redis)

    async with asyncio.timeout(BOUND_S):
        await asyncio.gather(layer.group_send("room.1", {"type": "x"}), layer.group_add("room.2", channel))


async def test_a_layer_whose_redis_is_not_there_yet_finds_it_later(make_layer):
    server = RedisServer()
    layer = make_layer(server.url)
    await asyncio.gather(fails(layer.new_channel()), fails(layer.group_send("room.1", {"type": "x"})))
    assert layer.channels == {}

    server.start()
    try:
        async with asyncio.timeout(RETURN_S):
            channel = None
            while channel is None:
                with suppress(ConnectionError):
                    channel = await layer.new_channel()
                await asyncio.sleep(0.02)
        await layer.group_add("room.1", channel)
        await is_heard(layer, "room.1", channel)
        await layer.flush()
    finally:
        server.remove()


async def test_a_redis_that_stands_still_keeps_its_connections(make_layer, own_redis, caplog, monkeypatch):
    """It has what was written to it, and goes on where it stood: nothing is lost that others publish."""
    monkeypatch.setattr(link, "ANSWER_S", 1)
    layer = make_layer()
    channel = await member(layer, "room.1")
    await is_heard(layer, "room.1", channel)
    hook = Hook(layer)
    with Redis.from_url(own_redis.url) as redis:
        before = {client["id"] for client in redis.client_list()}
        own_redis.pause()
        assert "no answer" in await fails(layer.group_send("room.1", {"type": "unsure"}))
        assert "no answer" in await fails(layer.group_add("room.2", channel))
        assert "no answer" in await fails(layer.group_send("room.1", {"type": "refused"}))

        own_redis.go_on()
        assert await received(layer, channel) == {"type": "unsure"}
        await is_heard(layer, "room.1", channel)
        assert {client["id"] for client in redis.client_list()} == before
    assert hook.calls == 0
    assert len(warnings(caplog)) == 2


async def test_who_has_given_up_is_not_published_late(make_layer, own_redis):
    layer = make_layer()
    await layer.group_send("room.1", {"type": "first"})
    await asyncio.to_thread(own_redis.kill)
    sending = asyncio.create_task(layer.group_send("room.1", {"type": "late"}))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait([sending])
    await asyncio.to_thread(own_redis.start)

    await is_taken(layer, "room.1", {"type": "now"})

    with Redis.from_url(own_redis.url) as redis:
        assert redis.info("commandstats")["cmdstat_publish"]["calls"] == 1


class Proxy:
    """
    Between a layer and a server, on a port of its own.

    It can swallow replies, or what subscribes; say nothing at all; and hang up.
    """

    def __init__(self, server):
        self.server = server
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.swallows = set()  # of "requests", "subscriptions" and "replies"
        self.opened = 0
        self._writers = []
        self._tasks = []

    async def __aenter__(self):
        self._listening = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self._listening.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self):
        for writer in self._writers:
            writer.close()

    async def _connected(self, reader, writer):
        self.opened += 1
        back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._writers += [writer, back_writer]
        for kind, source, target in (("requests", reader, back_writer), ("replies", back_reader, writer)):
            self._tasks.append(asyncio.create_task(self._carry(kind, source, target)))

    async def _carry(self, kind, source, target):
        with suppress(OSError):
            while data := await source.read(65536):
                if kind not in self.swallows and not ("subscriptions" in self.swallows and b"SUBSCRIBE" in data):
                    target.write(data)
        target.close()


async def test_what_breaks_between_a_message_and_its_reply_fails_and_is_not_repeated(make_layer, own_redis):
    reader = make_layer()
    channel = await member(reader, "room.1")
    async with Proxy(own_redis) as proxy:
        layer = make_layer(proxy.url)
        await layer.group_send("room.1", {"type": "first"})
        assert await received(reader, channel) == {"type": "first"}
        proxy.swallows = {"replies"}
        sending = asyncio.create_task(layer.group_send("room.1", {"type": "unsure"}))
        assert await received(reader, channel) == {"type": "unsure"}

        proxy.swallows = set()
        proxy.hang_up()

        assert "broke before it answered" in await fails(sending)
        await layer.group_send("room.1", {"type": "last"})
        assert await received(reader, channel) == {"type": "last"}


@pytest.fixture
def hurried(monkeypatch):
    """Limits of about a second: a busy machine keeps them where nothing is wrong."""
    for module, name, value in (
        (link, "ANSWER_S", 0.5),
        (link, "DEAD_S", 1),
        (link, "HANDSHAKE_S", 1),
        (subscriber, "PING_S", 0.2),
    ):
        monkeypatch.setattr(module, name, value)


async def test_a_subscribed_connection_that_has_gone_silent_is_given_up(make_layer, own_redis, hurried):
    """Nobody has said that it is gone: a proxy keeps it, or its host has vanished."""
    async with Proxy(own_redis) as proxy:
        layer = make_layer(proxy.url)
        channel = await member(layer, "room.1")
        hook, opened = Hook(layer), proxy.opened
        proxy.swallows = {"requests", "replies"}
        await hook.until(1)

        proxy.swallows = set()
        await hook.until(2)
        assert proxy.opened > opened
        await make_layer().group_send("room.1", {"type": "hello"})
        assert await received(layer, channel) == {"type": "hello"}


async def test_a_connection_on_which_nothing_is_subscribed_again_is_given_up(make_layer, own_redis, hurried):
    """It is there, and takes what is said first; nobody waits for the rest, and nothing would ever arrive."""
    async with Proxy(own_redis) as proxy:
        layer = make_layer(proxy.url)
        channel = await member(layer, "room.1")
        hook = Hook(layer)
        await until(lambda: links(layer)[1]._clock is None)  # nobody waits for an answer
        proxy.swallows = {"subscriptions"}
        opened = proxy.opened
        proxy.hang_up()
        await hook.until(1)
        await until(lambda: proxy.opened >= opened + 2)  # the one that is no use, and another

        proxy.swallows = set()
        await is_heard(layer, "room.1", channel)


async def test_a_subscribed_connection_that_only_has_nothing_to_say_is_kept(make_layer, own_redis, hurried):
    layer = make_layer()
    channel = await member(layer, "room.1")
    hook = Hook(layer)

    with Redis.from_url(own_redis.url) as redis:
        # One at every other look, so that it has been silent for longer than the dead are waited for.
        await until(lambda: redis.info("commandstats").get("cmdstat_ping", {}).get("calls", 0) >= 5)
    await layer.group_discard("room.1", channel)
    await layer.send(channel, {"type": "hello"})

    assert await received(layer, channel) == {"type": "hello"}
    assert hook.calls == 0


async def test_a_publishing_connection_that_has_gone_silent_is_given_up(make_layer, own_redis, hurried):
    reader = make_layer()
    channel = await member(reader, "room.1")
    async with Proxy(own_redis) as proxy:
        layer = make_layer(proxy.url)
        await layer.group_send("room.1", {"type": "first"})
        proxy.swallows = {"requests", "replies"}
        await fails(layer.group_send("room.1", {"type": "lost"}))
        await until(lambda: proxy.opened > 1, timeout_s=BOUND_S)

        proxy.swallows = set()
        await is_taken(layer, "room.1", {"type": "second"})
        assert await received(reader, channel) == {"type": "first"}
        assert await received(reader, channel) == {"type": "second"}


class Tokens(CredentialProvider):
    """A service that gives the password, or fails."""

    def __init__(self):
        self.asked = 0
        self.is_there = False

    def get_credentials(self):
        raise NotImplementedError

    async def get_credentials_async(self):
        self.asked += 1
        if not self.is_there:
            raise RuntimeError("no token")
        return "default", "sesame"


async def test_a_connection_that_failed_before_it_said_who_it_is_is_not_used(make_layer, own_redis):
    tokens = Tokens()
    layer = make_layer({"address": own_redis.url, "credential_provider": tokens})

    assert "no token" in await fails(layer.group_send("room.1", {"type": "first"}))
    asked = tokens.asked
    await until(lambda: tokens.asked >= asked + 2)

    with Redis.from_url(own_redis.url) as redis:
        assert "cmdstat_publish" not in redis.info("commandstats")
        redis.config_set("requirepass", "sesame")
    tokens.is_there = True
    await is_taken(layer, "room.1", {"type": "second"})


async def test_a_flush_does_not_wait_for_a_redis_that_is_away(make_layer, own_redis):
    layer = make_layer()
    await member(layer, "room.1")
    own_redis.pause()
    sending = asyncio.create_task(layer.group_send("room.1", {"type": "x"}))
    await asyncio.sleep(0)

    async with asyncio.timeout(BOUND_S):
        await layer.flush()

    assert "flushed" in await fails(sending)

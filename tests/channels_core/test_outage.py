"""A hub while its Redis is dead, stands still, comes back empty, or throws it out: nobody fails, nothing is lost."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings
from redis import Redis
from redis.asyncio.sentinel import Sentinel as RedisSentinel

from channels_core import line, recovery
from channels_core.broadcast import broadcast, get_hub
from channels_core.layers import ChannelLayerManager, channel_layers
from channels_core.recovery import Source
from tests.servers import RedisServer, until, wait_until

RETURN_S = 6  # it takes less than 3 on a machine that has time
DURING_S = 6
KINDS = {
    "ours": "channels_core.layers.redis.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
}


class Ledger:
    """The numbered changes of all groups ``numbered.``: what an application keeps in its database."""

    def __init__(self) -> None:
        self.head = 0
        self.misses: list[bool] = []  # whether the hub heard the layer when it said that something was missed
        self.has_missed = asyncio.Event()

    async def heads(self, groups):
        return dict.fromkeys(groups, self.head)

    async def fetch(self, group, after):
        return {"changes": list(range(after + 1, self.head + 1))}, self.head

    async def missed(self):
        self.misses.append(get_hub().is_heard)
        self.has_missed.set()

    async def until_missed(self, *, while_heard: bool) -> None:
        async with asyncio.timeout(DURING_S):
            while while_heard not in self.misses:
                self.has_missed.clear()
                await self.has_missed.wait()


@pytest.fixture
def ledger(monkeypatch) -> Ledger:
    ledger = Ledger()
    monkeypatch.setattr(recovery, "_sources", {"numbered.": Source(ledger.heads, ledger.fetch, ledger.missed)})
    monkeypatch.setattr(line, "COMPARE_S", 3600)  # what is found, is found because the layer is away
    monkeypatch.setattr(line, "SILENCES", 3600)  # and what heals, without a new channel
    return ledger


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
async def layer(own_redis, kind) -> AsyncIterator[Any]:
    """The default layer of this process, on that server."""
    entry = {"BACKEND": KINDS[kind], "CONFIG": {"hosts": [own_redis.url], "prefix": uuid4().hex}}
    with override_settings(CHANNEL_LAYERS={"default": entry}):
        layer = ChannelLayerManager().make_backend("default")
        previous = channel_layers.set("default", layer)
        yield layer
        channel_layers.set("default", previous)
        own_redis.go_on()
        if own_redis.process:
            await layer.flush()


class Socket:
    """A member of groups, and what it has heard."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.has_heard = asyncio.Event()

    def write(self, burst) -> None:
        self.events.extend(map(json.loads, burst.texts))
        self.has_heard.set()

    @property
    def changes(self) -> list[int]:
        return [number for event in self.events for number in event.get("changes", ())]

    async def until(self, condition, timeout_s=DURING_S):
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self.has_heard.clear()
                await self.has_heard.wait()


@pytest.fixture
async def subscribe(layer):
    """Sockets that have subscribed to a group; they leave at the end."""
    opened = []

    async def subscribe(group: str, head: int | None = None) -> Socket:
        socket = Socket()
        async with asyncio.timeout(3):
            await get_hub().subscribe(socket, group)
        if head is not None:
            get_hub().start_at(group, head)
        opened.append((group, socket))
        return socket

    yield subscribe
    for group, socket in opened:
        await get_hub().unsubscribe(socket, group)


async def is_live(group: str, socket: Socket) -> None:
    """Return when the socket hears what is broadcast: soon, or the test fails."""
    token = uuid4().hex
    async with asyncio.timeout(RETURN_S):
        while not any(event.get("token") == token for event in socket.events):
            try:
                await broadcast(group, {"token": token})
            except Exception:  # not there yet
                pass
            await asyncio.sleep(0.05)


async def test_members_of_before_and_of_meanwhile_miss_nothing_and_hear_again_soon_after(outage, subscribe, ledger):
    take_away, bring_back = outage
    before = await subscribe("numbered.1", 0)
    plain = await subscribe("plain")
    await is_live("plain", plain)

    await take_away()
    meanwhile = [await subscribe(f"numbered.{number}", 0) for number in range(2, 12)]
    fleeting = Socket()
    async with asyncio.timeout(3):
        await get_hub().subscribe(fleeting, "plain")
        await get_hub().unsubscribe(fleeting, "plain")
    for head in (1, 2):
        ledger.head = head
        for socket in (before, *meanwhile):
            await socket.until(lambda socket, head=head: socket.changes == list(range(1, head + 1)))
    assert not get_hub().is_heard
    assert ledger.misses

    await bring_back()
    await is_live("plain", plain)
    for number, socket in enumerate([before, *meanwhile], start=1):
        await is_live(f"numbered.{number}", socket)
    await until(lambda: get_hub().is_heard, timeout_s=RETURN_S)  # by its next echo
    assert all(socket.changes == [1, 2] for socket in (before, *meanwhile))
    assert fleeting.events == []


async def test_a_hub_whose_first_member_comes_while_redis_is_away_serves_it(outage, subscribe, ledger):
    take_away, bring_back = outage
    await take_away()
    first, second = await asyncio.gather(subscribe("numbered.1", 0), subscribe("numbered.2", 0))
    ledger.head = 1
    for socket in (first, second):
        await socket.until(lambda socket: socket.changes == [1])

    await bring_back()
    await is_live("numbered.1", first)
    await is_live("numbered.2", second)


async def test_who_leaves_meanwhile_has_left_the_layer_too_when_it_is_back(outage, subscribe, ledger, layer, kind):
    take_away, bring_back = outage
    stays, leaves = await subscribe("stays"), Socket()
    await get_hub().subscribe(leaves, "leaves")
    await is_live("leaves", leaves)

    await take_away()
    async with asyncio.timeout(3):
        await get_hub().unsubscribe(leaves, "leaves")
    await bring_back()
    await is_live("stays", stays)
    heard = len(leaves.events)
    await broadcast("leaves", {"n": 1})
    await is_live("stays", stays)

    assert len(leaves.events) == heard
    if kind != "core":
        await until(lambda: not any("leaves" in group for group in layer.groups), timeout_s=RETURN_S)


async def test_a_broadcast_is_given_up_after_a_second_and_sooner_while_the_layer_is_known_to_be_away(
    subscribe, ledger, own_redis
):
    loop = asyncio.get_running_loop()
    await is_live("plain", await subscribe("plain"))
    own_redis.pause()

    begun = loop.time()
    with pytest.raises(TimeoutError):
        await broadcast("plain", {})
    assert loop.time() - begun < 3
    await until(lambda: not get_hub().is_heard, timeout_s=DURING_S)
    begun = loop.time()
    for _ in range(5):
        with pytest.raises(TimeoutError):
            await broadcast("plain", {})
    assert loop.time() - begun < 3


async def test_many_who_come_when_redis_has_just_stopped_wait_one_moment_together(subscribe, ledger, own_redis):
    await is_live("plain", await subscribe("plain"))
    own_redis.pause()

    async with asyncio.timeout(5):
        await asyncio.gather(*(subscribe(f"numbered.{number}", 0) for number in range(50)))


async def test_a_pause_of_five_seconds_heals(subscribe, ledger, own_redis):
    plain = await subscribe("plain")
    await is_live("plain", plain)
    own_redis.pause()
    await asyncio.sleep(5)
    own_redis.go_on()

    await is_live("plain", plain)


async def test_what_is_not_numbered_is_looked_after_when_the_layer_is_back(subscribe, ledger, own_redis):
    await is_live("numbered.1", await subscribe("numbered.1", 0))
    await asyncio.to_thread(own_redis.kill)
    await ledger.until_missed(while_heard=False)
    await asyncio.to_thread(own_redis.start)

    await ledger.until_missed(while_heard=True)


@pytest.mark.parametrize("clients", ["pubsub", "normal"])
async def test_a_hub_whose_lines_are_cut_hears_again(clients, subscribe, ledger, own_redis):
    before = await subscribe("numbered.1", 0)
    await is_live("numbered.1", before)

    with Redis.from_url(own_redis.url) as redis:
        redis.execute_command("CLIENT", "KILL", "TYPE", clients, "SKIPME", "yes")
    await is_live("numbered.1", before)
    meanwhile = await subscribe("numbered.2", 0)
    await is_live("numbered.2", meanwhile)


@pytest.mark.parametrize("kind", ["ours", "pubsub"], indirect=True)
async def test_who_is_thrown_out_for_a_burst_gets_all_of_it_and_hears_again(
    subscribe, ledger, own_redis, monkeypatch, caplog
):
    monkeypatch.setattr(line, "COMPARE_S", 1)
    before = await subscribe("numbered.1", 0)
    await is_live("numbered.1", before)
    with Redis.from_url(own_redis.url) as redis:
        redis.config_set("client-output-buffer-limit", "pubsub 65536 0 0")

        for head in range(1, 21):
            ledger.head = head
            await broadcast("numbered.1", {"changes": [head], "text": "x" * 200_000}, after=head - 1, head=head)
        await before.until(lambda socket: socket.changes == list(range(1, 21)))
    await until(lambda: "closed by server" in caplog.text)  # it was thrown out

    await is_live("numbered.1", before)
    assert before.changes == list(range(1, 21))


@pytest.mark.parametrize("kind", ["core"], indirect=True)
async def test_memberships_that_redis_has_forgotten_are_renewed(subscribe, ledger, own_redis):
    plain = await subscribe("plain")
    await is_live("plain", plain)

    with Redis.from_url(own_redis.url) as redis:
        redis.flushall()

    await is_live("plain", plain)


async def test_a_hub_that_has_lost_its_channel_opens_another(subscribe, ledger, layer, kind, monkeypatch):
    """The layer takes what is sent, and brings nothing: it was flushed, or its line to the server is a dead one."""
    if kind == "core":
        pytest.skip("This layer keeps nothing of a channel in the process.")
    monkeypatch.setattr(line, "LIMIT_S", 0.2)
    monkeypatch.setattr(line, "WATCH_S", 0.2)
    monkeypatch.setattr(line, "SILENCES", 4)
    plain = await subscribe("plain")
    await is_live("plain", plain)

    await layer.flush()

    await is_live("plain", plain)


class Sentinel(RedisServer):
    """One that watches a server and its replica, and makes the replica the master half a second after its death."""

    def __init__(self, master: RedisServer) -> None:
        super().__init__()
        (self.directory / "sentinel.conf").write_text(
            f"port {self.port}\nbind 127.0.0.1\n"
            f"sentinel monitor main 127.0.0.1 {master.port} 1\n"
            "sentinel down-after-milliseconds main 500\n"
            "sentinel failover-timeout main 3000\n"
        )

    def command(self) -> list[str]:
        return ["redis-server", "sentinel.conf", "--sentinel"]


@pytest.fixture
def replica(own_redis):
    replica = RedisServer()
    replica.start()
    with Redis.from_url(replica.url) as redis:
        redis.replicaof("127.0.0.1", own_redis.port)
        wait_until(lambda: redis.info("replication")["master_link_status"] == "up", what="the replica to follow")
    yield replica
    replica.remove()


@pytest.fixture
def sentinel(own_redis, replica):
    sentinel = Sentinel(own_redis)
    sentinel.start()
    with Redis.from_url(sentinel.url) as redis:
        wait_until(lambda: redis.sentinel_slaves("main"), what="the sentinel to find the replica", timeout_s=20)
    yield sentinel
    sentinel.remove()


async def test_a_hub_follows_a_failover(sentinel, replica, kind, own_redis, subscribe, ledger, layer):
    layer_of_sentinel = type(layer)(
        hosts=[{"master_name": "main", "sentinels": [("127.0.0.1", sentinel.port)]}], prefix=uuid4().hex
    )
    channel_layers.set("default", layer_of_sentinel)
    before = await subscribe("numbered.1", 0)
    await is_live("numbered.1", before)

    await asyncio.to_thread(own_redis.kill)
    meanwhile = await subscribe("numbered.2", 0)
    ledger.head = 1
    for socket in (before, meanwhile):
        await socket.until(lambda socket: socket.changes == [1])
    with Redis.from_url(replica.url) as redis:
        is_master = lambda: redis.info("replication")["role"] == "master"  # noqa: E731
        await asyncio.to_thread(wait_until, is_master, what="the replica to take over", timeout_s=20)

    await is_live("numbered.1", before)
    await is_live("numbered.2", meanwhile)
    for group, socket in (("numbered.1", before), ("numbered.2", meanwhile)):
        await get_hub().unsubscribe(socket, group)
    await layer_of_sentinel.flush()
    for asked in [each for each in gc.get_objects() if type(each) is RedisSentinel]:  # not a proxy of one
        for client in asked.sentinels:  # which nobody else closes
            await client.aclose()


async def test_a_broadcast_that_fails_has_the_source_looked_at_at_once(own_redis, subscribe, ledger, monkeypatch):
    """Not when the next echo is due: whoever says something while Redis dies is heard all the same."""
    monkeypatch.setattr(line, "WATCH_S", 3600)
    socket = await subscribe("numbered.1", head=0)
    own_redis.kill()
    ledger.head = 1

    with pytest.raises(Exception):  # noqa: B017 (whatever the layer raises)
        await broadcast("numbered.1", {"changes": [1]}, after=0, head=1)

    await socket.until(lambda socket: socket.changes == [1])

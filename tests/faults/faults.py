"""What goes wrong: each fault strikes while tabs talk, and returns when it is over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import redis

from tests.faults.cluster import Gunicorn, respawned
from tests.faults.history import GRACE_S
from tests.faults.tabs import Tab

LONG = "𠮷" * 3900  # 16 kB, and as much again in HTML
MORE_THAN_FITS = 6_500_000  # bytes: into the buffers of a connection, and into what is queued for it


@dataclass
class Field:
    """What a fault may touch. ``scale`` is 1 in a long run, less in a short one."""

    cluster: Any  # a Cluster, or the comparison's
    tabs: list[Any]
    random: Random
    scale: float = 1.0

    def times(self, most: int) -> range:
        return range(max(2, round(most * self.scale)))


class Fault:
    """One row of the table."""

    name: str
    text: str
    backend: str | None = None  # a channel layer of its own
    goes_by_proxy = False  # clients reach the servers by lines that can be frozen
    needs_postgres = False
    layers: Sequence[str] = ("core", "pubsub")  # those of channels-redis that have what it strikes
    keeps_lines = False  # it may close no socket, and make no handshake fail

    async def strike(self, field: Field) -> None:
        raise NotImplementedError


class Nothing(Fault):
    name = "none"
    text = "nothing goes wrong, for comparison"
    keeps_lines = True

    async def strike(self, field: Field) -> None:
        await asyncio.sleep(1)


class WorkerKilled(Fault):
    name = "worker-killed"
    text = "SIGKILL to a worker, again and again"

    async def strike(self, field: Field) -> None:
        for _ in field.times(4):
            web = field.random.choice(field.cluster.webs)
            victim = field.random.choice(web.children())
            os.kill(victim, signal.SIGKILL)
            await asyncio.to_thread(respawned, web, {victim})
            await asyncio.sleep(field.random.random() * 2 * field.scale)


class Rolling(Fault):
    name = "rolling-restart"
    text = "rolling restart: SIGHUP to one server, then SIGTERM to the other and a new one in its place"

    async def strike(self, field: Field) -> None:
        first, second = field.cluster.webs
        old = set(first.children())
        assert first.process
        first.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(respawned, first, old)
        await asyncio.to_thread(_replace, second)


class AllRestarted(Fault):
    name = "all-restarted"
    text = "SIGKILL to all servers at once and new ones after 1 s: all clients come back together"

    async def strike(self, field: Field) -> None:
        for web in field.cluster.webs:
            web.kill()
        await asyncio.sleep(1)
        await asyncio.gather(*(asyncio.to_thread(web.start) for web in field.cluster.webs))


class RedisKilled(Fault):
    name = "redis-killed"
    text = "SIGKILL to Redis, which is back after 2 s and empty; some clients come and go meanwhile"
    keeps_lines = True
    forgets = True

    async def strike(self, field: Field) -> None:
        redis = field.cluster.redis
        redis.kill()
        if self.forgets:
            redis.forget()
        await _coming_and_going(field, 2)
        await asyncio.to_thread(redis.start)


class KeepingRedisKilled(RedisKilled):
    name = "redis-killed-persistent"
    text = "the same with a Redis that keeps everything on disk"
    forgets = False


class RedisPaused(Fault):
    name = "redis-paused"
    text = "Redis stands still for 5 s (SIGSTOP); some clients come and go meanwhile"
    keeps_lines = True

    async def strike(self, field: Field) -> None:
        field.cluster.redis.pause()
        try:
            await _coming_and_going(field, 5)
        finally:
            field.cluster.redis.go_on()


class SubscriptionsKilled(Fault):
    name = "pubsub-killed"
    text = "CLIENT KILL TYPE pubsub, several times a second"
    layers = ("pubsub",)
    keeps_lines = True

    async def strike(self, field: Field) -> None:
        with redis.Redis.from_url(field.cluster.redis.url) as client:
            for _ in field.times(12):
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                await asyncio.sleep(field.random.random() * 0.6)


class DatabaseRestarted(Fault):
    name = "database-restarted"
    text = "PostgreSQL is shut down (SIGINT) and starts again after 1 s"
    needs_postgres = True

    async def strike(self, field: Field) -> None:
        assert field.cluster.postgres
        await asyncio.to_thread(field.cluster.postgres.stop)
        await asyncio.sleep(1)
        await asyncio.to_thread(field.cluster.postgres.start)


class CommitsCut(Fault):
    name = "commit-cut"
    text = "all database connections are cut between a commit and its answer"
    needs_postgres = True

    async def strike(self, field: Field) -> None:
        commits = field.cluster.commits
        assert commits
        before = commits.cuts
        for number in field.times(8):
            commits.is_armed = True
            async with asyncio.timeout(20):
                while commits.cuts <= before + number:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(field.random.random() * 1.5)


class ClientsDropped(Fault):
    name = "clients-dropped"
    text = "every client loses its line every second or two"

    async def strike(self, field: Field) -> None:
        async def suffer(tab: Tab, pauses: list[float]) -> None:
            for pause_s in pauses:
                await asyncio.sleep(pause_s)
                tab.drop()

        pauses = [[1.5 * field.random.random() + 0.2 for _ in field.times(8)] for _ in field.tabs]
        await asyncio.gather(*map(suffer, field.tabs, pauses))


class HalfOpen(Fault):
    name = "half-open"
    text = "all lines carry nothing any more, and no end is told (a beat every second; the time includes noticing it)"
    goes_by_proxy = True

    async def strike(self, field: Field) -> None:
        for line in field.cluster.lines:
            line.freeze()


class BadlyCarried(Fault):
    name = "publishes-mangled"
    text = "publishes are lost (5 %), doubled (15 %), late by up to 0.4 s and so out of order (30 %)"
    backend = "tests.faults.layers.BadLayer"
    keeps_lines = True

    async def strike(self, field: Field) -> None:
        field.cluster.switch.touch()
        await asyncio.sleep(10 * field.scale)
        field.cluster.switch.unlink()


class SlowReaders(Fault):
    name = "slow-readers"
    text = "a third of a room stops reading, until 6.5 MB have been written past them"

    async def strike(self, field: Field) -> None:
        slug = field.random.choice(field.tabs).record.room
        room = [tab for tab in field.tabs if tab.record.room == slug]
        slow, quick = room[: len(room) // 3], room[len(room) // 3 :]
        for tab in slow:
            tab.is_slow = True
            tab.receive_buffer = 4096
            tab.drop()
        async with asyncio.timeout(20):
            while not all(tab.is_online for tab in slow):
                await asyncio.sleep(0.05)
        for tab in slow:
            tab.may_read.clear()
        for tab in quick:
            tab.filler = LONG
        enough = max(quick[0].timeline.messages, default=0) + MORE_THAN_FITS / (2 * len(LONG.encode()))
        async with asyncio.timeout(60):
            while max(quick[0].timeline.messages, default=0) < enough:
                for tab in quick:
                    if len(tab.outbox) < 2:
                        tab.write()
                await asyncio.sleep(0.01)
        for tab in quick:
            tab.filler = ""
        for tab in slow:
            tab.receive_buffer = None
            tab.may_read.set()


class PutOut(Fault):
    name = "members-put-out"
    text = "memberships end: who is put out is told nothing more, the others notice nothing"
    keeps_lines = True

    async def strike(self, field: Field) -> None:
        places = sorted({(tab.record.person, tab.record.room) for tab in field.tabs})
        for person, room in field.random.sample(places, len(places) // 6):
            await asyncio.to_thread(field.cluster.world.put_out, room, person)
            for tab in field.tabs:
                if (tab.record.person, tab.record.room) == (person, room):
                    tab.record.put_out_at = asyncio.get_running_loop().time()
                    tab.record.is_owed = False
            await asyncio.sleep(field.random.random() * field.scale)
        await asyncio.sleep(GRACE_S)


class PutOutWithoutRedis(PutOut):
    name = "put-out-without-redis"
    text = "the same while Redis is stopped"

    async def strike(self, field: Field) -> None:
        field.cluster.redis.stop()
        await super().strike(field)
        await asyncio.to_thread(field.cluster.redis.start)


async def _coming_and_going(field: Field, seconds: float) -> None:
    """A client loses its line now and then, and wants to come back at once."""
    for _ in range(int(seconds / 0.25)):
        await asyncio.sleep(0.25)
        field.random.choice(field.tabs).drop()


def _replace(web: Gunicorn) -> None:
    assert web.process
    web.process.send_signal(signal.SIGTERM)
    web.process.wait(timeout=40)
    web.start()


FAULTS: list[type[Fault]] = [
    Nothing,
    WorkerKilled,
    Rolling,
    AllRestarted,
    RedisKilled,
    KeepingRedisKilled,
    RedisPaused,
    SubscriptionsKilled,
    BadlyCarried,
    DatabaseRestarted,
    CommitsCut,
    ClientsDropped,
    HalfOpen,
    SlowReaders,
    PutOut,
    PutOutWithoutRedis,
]

"""
The same faults against the chat of Channels' tutorial, with channels-redis.

It acknowledges nothing and stores nothing. So each client notes what it handed to an open socket, and everybody
in the room is owed it. Its clients come back as ours do, which the tutorial's page does not.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.faults.cluster import WORKERS, Gunicorn, KeepingRedis
from tests.faults.faults import (
    AllRestarted,
    Fault,
    Field,
    Nothing,
    RedisKilled,
    RedisPaused,
    Rolling,
    SubscriptionsKilled,
    WorkerKilled,
)
from tests.faults.lines import DROPPED, reconnect_delay
from tests.faults.running import ONLINE_WITHIN_S, RECOVER_WITHIN_S, TAKE_TURNS_S, Plan

ENVIRONMENT = Path(__file__).parents[2] / ".bench/channels"
LAYERS = {
    "core": "channels_redis.core.RedisChannelLayer",
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
FAULTS: list[type[Fault]] = [
    Nothing,
    WorkerKilled,
    Rolling,
    AllRestarted,
    RedisKilled,
    RedisPaused,
    SubscriptionsKilled,
]
QUIET_S = 3.0  # when nothing has arrived for so long, nothing will
STAYS_S = 1.0  # who is connected so long after something was said was there to hear it


class Tutorial(Gunicorn):
    """gunicorn with uvicorn's workers, serving the tutorial."""

    def __init__(self, **environment: str) -> None:
        super().__init__("tutorial")
        self._environment = environment

    def command(self) -> list[str]:
        options = ["-k", "uvicorn_worker.UvicornWorker", "-w", str(WORKERS), "--log-level", "warning"]
        bind = f"127.0.0.1:{self.port}"
        return [str(ENVIRONMENT / "bin/gunicorn"), *options, "-b", bind, "tutorial.site:application"]

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(Path(__file__).parent), **self._environment}


class TutorialCluster:
    """Two servers and their Redis; named as those of ``Cluster``, for the faults."""

    def __init__(self, layer: str) -> None:
        self.redis = KeepingRedis()
        self.redis.start()
        self.webs = [Tutorial(LAYER=LAYERS[layer], REDIS_URL=self.redis.url) for _ in range(2)]
        for web in self.webs:
            web.start()

    def close(self) -> None:
        for server in [*self.webs, self.redis]:
            server.remove()


@dataclass
class Line:
    """When a client was connected."""

    since: float
    until: float = float("inf")


class TutorialTab:
    """One client in one room."""

    def __init__(self, name: str, room: str, ports: list[int], random: Random) -> None:
        self.name, self.room = name, room
        self.lines: list[Line] = []
        self.sent: dict[str, float] = {}  # text -> when it was handed to an open socket
        self.heard: dict[str, list[float]] = {}
        self.order: list[str] = []
        self.closes: Counter[int] = Counter()
        self.unwelcome = 0
        self._ports, self._random = ports, random
        self._line: ClientConnection | None = None
        self._written = 0
        self._is_dropped = False

    @property
    def is_online(self) -> bool:
        return self._line is not None

    async def live(self) -> None:
        loop, attempt, lost_at = asyncio.get_running_loop(), 0, 0.0
        while True:
            if await self._connection():
                attempt, lost_at = 0, loop.time()
            await asyncio.sleep(reconnect_delay(attempt, loop.time() - lost_at, self._random))
            attempt += 1

    async def _connection(self) -> bool:
        address = f"ws://127.0.0.1:{self._random.choice(self._ports)}/ws/chat/{self.room}/"
        try:
            line = await websockets.connect(address, ping_interval=None, compression=None, proxy=None)
        except (OSError, websockets.WebSocketException, TimeoutError):
            self.unwelcome += 1
            return False
        clock = asyncio.get_running_loop().time
        self._line, self._is_dropped = line, False
        self.lines.append(Line(clock()))
        try:
            while True:
                text = json.loads(await line.recv())["message"]
                self.heard.setdefault(text, []).append(clock())
                self.order.append(text)
        except websockets.ConnectionClosed as error:
            self.closes[DROPPED if self._is_dropped else error.rcvd.code if error.rcvd else 1006] += 1
        finally:
            self._line, self.lines[-1].until = None, clock()
            line.transport.abort()
        return True

    def drop(self) -> None:
        if self._line:
            self._is_dropped = True
            self._line.transport.abort()

    async def write(self, delay_s: float = 0) -> None:
        await asyncio.sleep(delay_s)
        if (line := self._line) is None:
            return
        self._written += 1
        text = f"{self.name} says {self._written}"
        try:
            await line.send(json.dumps({"message": text}))
        except websockets.ConnectionClosed:
            return
        self.sent[text] = asyncio.get_running_loop().time()

    async def talk(self, pause_s: float) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / pause_s))
            await self.write()

    def was_there(self, at: float) -> bool:
        return any(line.since <= at and at + STAYS_S < line.until for line in self.lines)


@dataclass
class Comparison:
    """A row of the table."""

    fault: str
    text: str
    sent: int = 0
    owed: int = 0
    delivered: int = 0
    lost_while_connected: int = 0
    doubled: int = 0
    disordered: int = 0
    closes: Counter[int] = field(default_factory=Counter)
    unwelcome: int = 0
    tabs: int = 0
    recovered_s: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.owed - self.delivered

    def __str__(self) -> str:
        return (
            f"{self.fault}: {self.sent:,} sent, {self.delivered:,} of {self.owed:,} delivered, {self.lost:,} lost, "
            f"{self.lost_while_connected:,} of them while connected, {self.doubled} doubled, "
            f"{self.disordered} disordered, {len(self.recovered_s)} of {self.tabs} are well again, "
            f"lines cut {dict(self.closes)}"
        )


async def compare(fault: Fault, cluster: TutorialCluster, plan: Plan) -> Comparison:
    """What the clients have sent and heard, before, during and after the fault."""
    random = Random(f"{plan.seed} {fault.name}")
    ports = [web.port for web in cluster.webs]
    rooms = [f"{fault.name}-{number}" for number in range(plan.rooms)]
    names = [f"{number}" for number in range(plan.tabs)]
    tabs = [TutorialTab(name, rooms[int(name) % len(rooms)], ports, Random(f"{plan.seed} {name}")) for name in names]
    loop = asyncio.get_running_loop()
    living = [asyncio.create_task(tab.live()) for tab in tabs]
    talking: list[asyncio.Task[None]] = []
    try:
        async with asyncio.timeout(ONLINE_WITHIN_S):
            while not all(tab.is_online for tab in tabs):
                await asyncio.sleep(0.05)
        for tab in tabs:
            tab.unwelcome = 0
        talking = [asyncio.create_task(tab.talk(plan.pause_s)) for tab in tabs]
        await asyncio.sleep(plan.load_s)
        await fault.strike(Field(cluster, tabs, random, plan.scale))
        ended = loop.time()
        talking += [asyncio.create_task(tab.write(random.random() * TAKE_TURNS_S)) for tab in tabs]
        recovered: dict[TutorialTab, float] = {}
        while len(recovered) < len(tabs) and loop.time() < ended + RECOVER_WITHIN_S:
            await asyncio.sleep(0.05)
            for tab in tabs:
                if tab not in recovered and (seconds := _recovered(tab, tabs, ended)) is not None:
                    recovered[tab] = seconds
        await asyncio.sleep(max(0, ended + plan.load_s - loop.time()))
        await _stop(talking)
        heard = -1
        while heard != (heard := sum(len(tab.order) for tab in tabs)):  # something was on its way
            await asyncio.sleep(QUIET_S)
    finally:
        await _stop([*talking, *living])
    return _counted(fault, tabs, list(recovered.values()))


def _recovered(tab: TutorialTab, tabs: list[TutorialTab], ended: float) -> float | None:
    written = {text: other for other in tabs for text, at in other.sent.items() if at >= ended}
    own = [times[0] for text, times in tab.heard.items() if written.get(text) is tab]
    others = [times[0] for text, times in tab.heard.items() if written.get(text, tab) is not tab]
    return max(min(own), min(others)) - ended if own and others else None


def _counted(fault: Fault, tabs: list[TutorialTab], recovered: list[float]) -> Comparison:
    row = Comparison(fault.name, fault.text, tabs=len(tabs), recovered_s=recovered)
    row.sent = sum(len(tab.sent) for tab in tabs)
    for tab in tabs:
        row.closes += tab.closes
        row.unwelcome += tab.unwelcome
        for text, at in ((text, at) for other in tabs if other.room == tab.room for text, at in other.sent.items()):
            row.owed += 1
            row.delivered += text in tab.heard
            row.lost_while_connected += text not in tab.heard and tab.was_there(at)
        row.doubled += sum(len(times) - 1 for times in tab.heard.values())
        last: dict[str, int] = {}
        for text in tab.order:
            name, _, number = text.partition(" says ")
            row.disordered += int(number) < last.get(name, 0)
            last[name] = max(int(number), last.get(name, 0))
    row.closes.pop(DROPPED, 0)
    return row


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

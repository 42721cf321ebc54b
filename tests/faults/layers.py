"""A channel layer that carries badly: for servers whose CHANNEL_LAYER_BACKEND names it."""

import asyncio
import os
import time
from random import Random
from typing import Any

from channels_core.layers.redis import RedisChannelLayer

LOSS, TWICE, LATE = 0.05, 0.15, 0.3  # how often
MOST_LATE_S = 0.4


class BadLayer(RedisChannelLayer):
    """
    Loses, doubles, delays and so reorders what is broadcast; by chance, with the seed in FAULTS_SEED.

    It does so while the file named in FAULTS_SWITCH is there.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._random = Random(f"{os.environ['FAULTS_SEED']} {os.getpid()}")
        self._late: set[asyncio.Task[None]] = set()
        self._looked, self._is_bad = 0.0, False

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if not self._is_on():
            return await super().group_send(group, message)
        chance = self._random.random()
        if chance < LOSS:
            return
        copies = 2 if chance < LOSS + TWICE else 1
        for _ in range(copies):
            if self._random.random() < LATE:
                task = asyncio.create_task(self._send_late(group, message, self._random.random() * MOST_LATE_S))
                self._late.add(task)
                task.add_done_callback(self._late.discard)
            else:
                await super().group_send(group, message)

    async def _send_late(self, group: str, message: dict[str, Any], delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        await super().group_send(group, message)

    def _is_on(self) -> bool:
        if time.monotonic() - self._looked > 0.2:
            self._looked, self._is_bad = time.monotonic(), os.path.exists(os.environ["FAULTS_SWITCH"])
        return self._is_bad

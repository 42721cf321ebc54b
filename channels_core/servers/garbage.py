"""
Garbage collection in small portions, for a process that serves thousands of connections.

CPython looks through everything there is when what survived has grown by a quarter: 0.1 to 0.3 s at 2,000
connections, in which nobody is served. Here whatever has survived one full collection is frozen, so that no
later one looks at it; each has only what is new since the last, and comes before that is much.

What ends is freed by its references as ever; only circles of references that were frozen, and nothing else,
would stay. Our connections leave none. For applications whose do there is a watch: when there is half as much
memory again, and no more connections, all is looked through once.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Sized
from typing import Any

from ..meters import each_second

logger = logging.getLogger(__name__)

OLDEST = 2  # the generation of a full collection

# A full collection after (700 + 1) x (5 + 1) x (2 + 1) objects more: 13,000, which takes 3 to 5 ms.
THRESHOLDS = 700, 5, 2

GROWTH = 1.5  # in blocks of memory, after which everything is looked through, and ...
PATIENCE = 0.75  # ... how much of that is taken for needed in any case, so that it is not looked through each second


class Collector:
    """What collects in this process; ``start`` is called when all is loaded, before there are connections."""

    def __init__(self, connections: Sized) -> None:
        self._connections = connections  # those of the server, now
        self._most = 0  # connections that there have been,
        self._blocks = 0.0  # and how many blocks of memory were in use then

    def start(self) -> None:
        """Collect, freeze what is loaded, and freeze what survives from now on."""
        gc.callbacks.append(freeze_survivors)
        self._look_through_all()
        gc.set_threshold(*THRESHOLDS)
        each_second.append(self.watch)

    def watch(self) -> None:
        """Look through everything if something is kept that is probably garbage."""
        blocks = sys.getallocatedblocks()
        if len(self._connections) > self._most:
            self._most, self._blocks = len(self._connections), max(self._blocks, blocks)
        elif blocks > GROWTH * self._blocks:
            began = time.perf_counter()
            found = self._look_through_all()
            logger.info("Found %d objects of garbage in %.0f ms.", found, (time.perf_counter() - began) * 1000)
            self._most = len(self._connections)
            self._blocks = max(self._blocks, PATIENCE * blocks)

    def _look_through_all(self) -> int:
        gc.unfreeze()
        found = gc.collect()
        gc.collect()  # of nothing: CPython waits for a quarter of what the last one left
        self._blocks = sys.getallocatedblocks()
        return found


def freeze_survivors(phase: str, info: dict[str, Any]) -> None:
    """A callback for ``gc.callbacks``."""
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()

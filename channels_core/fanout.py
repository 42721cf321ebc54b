"""
From a hub to its listeners: what comes in one turn of the event loop, in one write for each of them.

Coalescing costs no time, since the turn that a message came in ends at once; and under load, where a write takes
the most, a burst of messages leaves in one.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from itertools import islice
from typing import Protocol

from .frames import Burst

logger = logging.getLogger(__name__)

SLICE = 500  # listeners that are written to before the event loop has its turn: a few milliseconds


class Listener(Protocol):
    """Who may subscribe: a socket's outbox, or anything else that takes what a socket would be sent."""

    def write(self, burst: Burst) -> None: ...


# Group -> listener -> texts held back for it, or None where they go straight on.
Members = Mapping[str, Mapping[Listener, list[str] | None]]


class Fanout:
    """
    Writes to the listeners of one process.

    The texts of a group reach each listener in the order of ``add``; those of different groups need not.
    """

    def __init__(self, members: Members) -> None:
        self._members = members
        self._gathered: dict[str, list[str]] = {}  # by group, in this turn
        self._writes: dict[Listener, Burst] = {}  # what is left to be written
        self._is_due = False
        self._context = contextvars.Context()  # not that of the connection that happens to be the cause

    def add(self, group: str, text: str) -> None:
        """Write ``text`` to all listeners of the group that are there at the end of this turn."""
        self._gathered.setdefault(group, []).append(text)
        self._soon()

    def catch_up(self, listener: Listener) -> None:
        """What is left to be written to this listener goes out now: something else is about to follow it."""
        if burst := self._writes.pop(listener, None):
            try:
                listener.write(burst)
            except Exception:  # the others are not to miss it
                logger.exception("A listener failed on what it was told.")

    def _soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._go_on, context=self._context)

    def _go_on(self) -> None:
        """Write to the next listeners, and leave the others to another turn."""
        self._is_due = False
        if not self._writes:
            self._share_out()
        for listener in list(islice(self._writes, SLICE)):
            self.catch_up(listener)
        if self._writes or self._gathered:
            self._soon()

    def _share_out(self) -> None:
        """Who gets what: one burst for each listener, made once for all that get the same."""
        gathered, self._gathered = self._gathered, {}
        joined: dict[tuple[Burst, Burst], Burst] = {}
        for group, texts in gathered.items():
            burst = Burst(*texts)
            for listener, held in self._members.get(group, {}).items():
                if held is not None:
                    held += texts
                elif before := self._writes.get(listener):
                    if (before, burst) not in joined:
                        joined[before, burst] = before + burst
                    self._writes[listener] = joined[before, burst]
                else:
                    self._writes[listener] = burst

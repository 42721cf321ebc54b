"""The channel layer of a single process: for development, tests, and sites that run as one process."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from threading import Lock
from typing import Any

from ..exceptions import ChannelFull
from ..meters import drops
from ..types import Message
from .base import BaseChannelLayer

logger = logging.getLogger(__name__)

Waiter = asyncio.Future[Message]

HUB = "hub."  # the channels of hubs begin so
# The hub of a process takes what all of its sockets are told: it may fall behind further than one reader.
HUB_CAPACITY = {f"{HUB}*": 10_000}


class InMemoryChannelLayer(BaseChannelLayer):
    """
    Mailboxes in this process's memory, open to every thread and event loop in it.

    Sending never waits, so synchronous code may run ``send`` and ``group_send`` to their end by one step.

    Args:
        expiry, capacity, channel_capacity: as in ``BaseChannelLayer``.
        group_expiry: seconds after which a membership ends unless it is renewed by ``group_add``.
    """

    def __init__(
        self,
        expiry: float = 60,
        group_expiry: float = 86400,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(expiry=expiry, capacity=capacity, channel_capacity=channel_capacity)
        self.channel_capacity = self.compile_capacities({**self.channel_capacity, **HUB_CAPACITY})
        self.group_expiry = group_expiry
        self.extensions = ["groups", "flush"]
        # Channel -> messages with the time at which they expire; a channel without any is here only
        # while somebody waits for it.
        self.channels: dict[str, deque[tuple[float, Message]]] = {}
        # Group -> channel -> when it joined.
        self.groups: dict[str, dict[str, float]] = {}
        self._waiters: dict[str, deque[Waiter]] = {}
        self._hubs: dict[str, asyncio.AbstractEventLoop] = {}  # channels of hubs -> where they are read
        self._next_expiry = float("inf")  # nothing expires before this time
        self._lock = Lock()
        self._process = os.getpid()

    async def send(self, channel: str, message: Message) -> None:
        """
        Put a copy of ``message`` into ``channel``.

        Raises:
            TypeError: the name is malformed. AssertionError: the message is not a dict of the user's own.
            ChannelFull: the channel holds as many messages as it may.
        """
        _require_dict(message)
        if "__asgi_channel__" in message:
            raise AssertionError("The key __asgi_channel__ is reserved: a message cannot have it.")
        self.require_valid_channel_name(channel)
        self._require_own_process()
        self._put(channel, deepcopy(message), time.time() + self.expiry)

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of ``channel``; several readers take turns."""
        self.require_valid_channel_name(channel)
        self._require_own_process()
        self._purge()
        with self._lock:
            queue = self.channels.setdefault(channel, deque())
            if channel.startswith(HUB):
                self._hubs[channel] = asyncio.get_running_loop()
            if queue:
                _, message = queue.popleft()
                self._drop_if_idle(channel)
                return message
            waiter: Waiter = asyncio.get_running_loop().create_future()
            self._waiters.setdefault(channel, deque()).append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It was handed a message in the same moment: that is for the next.
                self._put(channel, waiter.result(), time.time() + self.expiry, is_back=True)
            raise
        finally:
            with self._lock:
                waiters = self._waiters.get(channel, deque())
                if waiter in waiters:
                    waiters.remove(waiter)
                if not waiters:
                    self._waiters.pop(channel, None)
                self._drop_if_idle(channel)

    async def new_channel(self, prefix: str = "specific.") -> str:
        return f"{prefix}.inmemory!{secrets.token_hex(6)}"

    async def flush(self) -> None:
        """Forget every message, channel and group; who waits for a message goes on waiting."""
        self.channels = {}
        self.groups = {}

    async def close(self) -> None:
        """Nothing to close."""

    async def group_add(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        now = time.time()
        with self._lock:
            self.groups.setdefault(group, {})[channel] = now
            self._next_expiry = min(self._next_expiry, now + self.group_expiry)

    async def group_discard(self, group: str, channel: str) -> None:
        self.require_valid_group_name(group)
        self.require_valid_channel_name(channel)
        with self._lock:
            self._leave(group, channel)

    async def group_send(self, group: str, message: Message) -> None:
        """
        Send a copy of ``message`` to every channel in ``group``.

        A full channel is skipped, so that a slow reader costs only itself; the skip is logged, because
        silence would hide an outage.
        """
        _require_dict(message)
        self.require_valid_group_name(group)
        self._purge()
        skipped = 0
        for channel in list(self.groups.get(group, ())):
            try:
                await self.send(channel, message)
            except ChannelFull:
                skipped += 1
        if skipped:
            drops["channel_full"] += skipped
            logger.warning("A message to the group %s skipped %d full channels.", group, skipped)

    def _require_own_process(self) -> None:
        """A fork copies the mailboxes: what is put into the copies, nobody reads."""
        if os.getpid() != self._process:
            raise RuntimeError(
                f"This in-memory channel layer belongs to the process {self._process}, and is used in {os.getpid()}. "
                "Processes reach each other through Redis: see CHANNEL_LAYERS."
            )

    def _put(self, channel: str, message: Message, expires: float, *, is_back: bool = False) -> None:
        """Hand ``message`` to who waits longest, or keep it; one that ``is_back`` was taken before the others."""
        with self._lock:
            waiters = self._waiters.get(channel, ())
            while waiters:
                waiter = waiters.popleft()
                if self._hand_over(waiter, channel, message, expires):
                    return
            queue = self.channels.setdefault(channel, deque())
            self._next_expiry = min(self._next_expiry, expires)
            if is_back:
                queue.appendleft((expires, message))
                return
            if len(queue) >= self.get_capacity(channel):
                raise ChannelFull(channel)
            queue.append((expires, message))

    def _hand_over(self, waiter: Waiter, channel: str, message: Message, expires: float) -> bool:
        """Give ``message`` to a waiting reader, on its own loop. False if it no longer waits."""
        if waiter.done():
            return False
        loop = waiter.get_loop()
        if loop is _running_loop():
            waiter.set_result(message)
            return True

        def on_its_loop() -> None:
            if waiter.done():
                self._put(channel, message, expires, is_back=True)
            else:
                waiter.set_result(message)

        try:
            loop.call_soon_threadsafe(on_its_loop)
        except RuntimeError:  # its loop is closed: this reader is gone
            return False
        return True

    def _drop_if_idle(self, channel: str) -> None:
        if not self.channels.get(channel) and not self._waiters.get(channel):
            self.channels.pop(channel, None)
            self._hubs.pop(channel, None)

    def _is_gone(self, channel: str) -> bool:
        """Who does not read is taken to be gone, but a hub while its event loop lives: that has stood still."""
        loop = self._hubs.get(channel)
        return loop is None or loop.is_closed()

    def _leave(self, group: str, channel: str) -> None:
        members = self.groups.get(group, {})
        members.pop(channel, None)
        if not members:
            self.groups.pop(group, None)

    def _purge(self) -> None:
        """
        Drop what has expired, everywhere; a channel that let a message expire leaves its groups, unless it is a hub's.

        It looks at all there is, but only when something can have expired since it last looked.
        """
        now = time.time()
        if now < self._next_expiry:
            return
        with self._lock:
            for channel, queue in list(self.channels.items()):
                expired = 0
                while queue and queue[0][0] <= now:
                    queue.popleft()
                    expired += 1
                if expired:
                    drops["expired"] += expired
                    logger.info("%d messages to %s expired unread.", expired, channel)
                    groups = list(self.groups) if self._is_gone(channel) else []
                    self._drop_if_idle(channel)
                    for group in groups:
                        self._leave(group, channel)
            for group, members in list(self.groups.items()):
                for channel, joined in list(members.items()):
                    if joined + self.group_expiry > now:
                        continue
                    if self._is_gone(channel):
                        self._leave(group, channel)
                    else:
                        members[channel] = now
            ends = [queue[0][0] for queue in self.channels.values() if queue]
            ends += [joined + self.group_expiry for members in self.groups.values() for joined in members.values()]
            self._next_expiry = min(ends, default=float("inf"))


def _require_dict(message: Any) -> None:
    if not isinstance(message, dict):
        raise AssertionError(f"Expected a message to be a dict, but got {type(message).__name__}.")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

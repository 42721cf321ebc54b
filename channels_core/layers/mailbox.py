"""Mailboxes for what a process has received: bounded, in order, with several readers that take turns."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from ..meters import drops
from ..types import Message

logger = logging.getLogger(__name__)


class Packet:
    """
    A message as it came, decoded when somebody reads it: once, however many mailboxes it is put into.

    Args:
        at: when it came, by the clock of the event loop.
    """

    __slots__ = ("_deserialize", "_message", "_payload", "at")

    def __init__(self, payload: bytes, deserialize: Callable[[bytes], Any], at: float) -> None:
        self.at = at
        self._payload: bytes | None = payload
        self._deserialize = deserialize
        self._message: Message | None = None

    @property
    def message(self) -> Message | None:
        """What was sent; None where it cannot be read, which is counted and logged."""
        if self._payload is not None:
            payload, self._payload = self._payload, None
            try:
                message = self._deserialize(payload)
                if not isinstance(message, dict):
                    raise TypeError(f"Expected a dict, but got {type(message).__name__}.")
            except Exception as error:
                # Somebody else's key or serializer: no reason to end those who listen, nor to fill the log.
                drops["unreadable"] += 1
                if drops["unreadable"] % 1000 == 1:
                    logger.warning("A message that cannot be read was dropped (%r).", error)
            else:
                self._message = message
        return self._message


class Membership:
    """Of a mailbox in a group, from the first who asks for it: ``joins`` of them have it, or wait for it."""

    __slots__ = ("joins",)

    def __init__(self) -> None:
        self.joins = 0


class Mailbox:
    """
    What waits for the readers of one channel.

    Args:
        capacity: messages that it holds; what comes beyond is dropped, for this mailbox only.
        shares: whether its reader may be handed a dict that others are handed, too.
        missed: called when messages begin to be dropped, when the reader has caught up after that, and when messages
            have expired.
    """

    __slots__ = (
        *("capacity", "channel", "groups", "is_listening", "readers", "shares"),
        *("_missed", "_overflow", "_packets", "_waiters"),
    )

    def __init__(self, channel: str, capacity: int, shares: bool, missed: Callable[[], None]) -> None:
        self.channel = channel
        self.capacity = capacity
        self.shares = shares
        self.groups: dict[str, Membership] = {}
        self.is_listening = False  # what is sent to it arrives
        self.readers = 0
        self._packets: deque[Packet] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._overflow = 0  # messages that were dropped since the mailbox was empty
        self._missed = missed

    def put(self, packet: Packet) -> None:
        """Keep ``packet`` for the next reader, if there is room."""
        if len(self._packets) >= self.capacity:
            self._drop()
            return
        self._packets.append(packet)
        self._wake()

    def expire(self, before: float) -> int:
        """Drop what came before that time; returns how much it was."""
        packets, expired = self._packets, 0
        while packets and packets[0].at < before:
            packets.popleft()
            expired += 1
        if expired:
            drops["expired"] += expired
            logger.info("%d messages to %s expired unread.", expired, self.channel)
            self._missed()
        return expired

    def take(self, before: float) -> Message | None:
        """The next message that came after that time and can be read; None if there is none now."""
        self.expire(before)
        packets = self._packets
        while packets:
            packet = packets.popleft()
            if self._overflow and not packets:
                self._recover()
            message = packet.message
            if message is not None:
                return message if self.shares else _copied(message)
        return None

    async def wait(self) -> None:
        """Return when it is this reader's turn to ``take``; they take turns."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif self._packets:  # it was woken in the same moment: that is somebody else's turn now
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.pop(0)
            if not waiter.done():
                waiter.set_result(None)
                return

    def _drop(self) -> None:
        drops["channel_full"] += 1
        self._overflow += 1
        if self._overflow == 1:
            logger.warning("The channel %s is full (%d messages): what comes is dropped.", self.channel, self.capacity)
            self._missed()

    def _recover(self) -> None:
        logger.warning("The channel %s has room again; %d messages were dropped.", self.channel, self._overflow)
        self._overflow = 0
        self._missed()


def _copied(value: Any) -> Any:
    """A copy of what a serializer has made: dicts and lists of values that cannot be changed."""
    if type(value) is dict:
        return {key: _copied(item) if type(item) in (dict, list) else item for key, item in value.items()}
    if type(value) is list:
        return [_copied(item) for item in value]
    return value

"""What a Redis layer is for one event loop: its channels, its groups, and how they are told of what arrives."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from channels_redis.pubsub import RedisPubSubLoopLayer
from channels_redis.utils import decode_hosts

from ...types import Message
from ..mailbox import Mailbox, Membership, Packet
from ..memory import HUB
from .shard import Shard

if TYPE_CHECKING:
    from . import RedisChannelLayer

logger = logging.getLogger(__name__)

ADDRESSEE = "__asgi_channel__"  # in a message to one of the channels of a process: which
LINGER_S = 5.0  # a channel whose last reader was cancelled is kept for so long: it may have been a timeout

_numbers = itertools.count()


class RedisLoopLayer(RedisPubSubLoopLayer):  # type: ignore[misc]
    """What a ``RedisChannelLayer`` is for one event loop."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels: dict[str, Mailbox] = {}
        self.groups: dict[str, dict[str, Mailbox]] = {}  # by their names in Redis
        self.hooks: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        self._layer: RedisChannelLayer = self.channel_layer
        self._token = secrets.token_hex(8)
        self._homes: dict[str, str] = {}  # name in Redis -> channels or channel
        self._lingering: dict[str, float] = {}  # channels without a reader, the first to end first
        self._sweeping: asyncio.TimerHandle | None = None
        hosts = decode_hosts(kwargs.get("hosts"))
        self._shards: list[Shard] = [Shard(host, self._deliver, self._missed) for host in hosts]

    def send(self, channel: str, message: Message) -> asyncio.Future[None]:
        _require_dict(message)
        if ADDRESSEE in message:
            raise AssertionError(f"The key {ADDRESSEE} is reserved: a message cannot have it.")
        self._layer.require_valid_channel_name(channel)
        if "!" in channel:
            message = {**message, ADDRESSEE: channel}
        return self._publish(self._get_home(channel), message)

    def group_send(self, group: str, message: Message) -> asyncio.Future[None]:
        _require_dict(message)
        self._layer.require_valid_group_name(group)
        return self._publish(self._get_group_channel_name(group), message)

    async def new_channel(self, prefix: str = "specific.") -> str:
        channel = f"{prefix}{self._token}!{next(_numbers):x}"
        self._layer.require_valid_channel_name(channel)
        mailbox = self._open(channel)
        try:
            await self._listen(mailbox)
        except BaseException:
            self.forget_channel(channel)
            raise
        return channel

    async def receive(self, channel: str) -> Message:
        expiry = self._layer.expiry
        mailbox = self.channels.get(channel)
        if self._lingering:
            self._lingering.pop(channel, None)
        if mailbox is not None and (message := mailbox.take(self._loop.time() - expiry)) is not None:
            return message
        self._layer.require_valid_channel_name(channel)
        mailbox = mailbox or self._open(channel)
        mailbox.readers += 1
        try:
            if not mailbox.is_listening:
                await self._listen(mailbox)
            while (message := mailbox.take(self._loop.time() - expiry)) is None:
                await mailbox.wait()
            return message
        except BaseException:
            if mailbox.readers == 1 and self.channels.get(channel) is mailbox:
                self._linger(channel)
            raise
        finally:
            mailbox.readers -= 1

    def forget_channel(self, channel: str) -> None:
        self._lingering.pop(channel, None)
        mailbox = self.channels.pop(channel, None)
        if mailbox is None:
            return
        for name in list(mailbox.groups):
            self._leave(name, mailbox)
        if "!" not in channel:  # the others share a subscription, which the next ones will need
            name = self._get_home(channel)
            self._homes.pop(name, None)
            self._get_shard(name).unsubscribe(name)

    async def group_add(self, group: str, channel: str) -> None:
        self._layer.require_valid_group_name(group)
        self._layer.require_valid_channel_name(channel)
        mailbox = self.channels.get(channel)
        if mailbox is None:
            raise RuntimeError(f"Expected a channel of this process to join {group!r}, but got {channel!r}.")
        name = self._get_group_channel_name(group)
        self.groups.setdefault(name, {})[channel] = mailbox
        membership = mailbox.groups.setdefault(name, Membership())
        membership.joins += 1
        try:
            if (confirmed := self._get_shard(name).subscribe(name)) is not None:
                await confirmed
        except BaseException:
            membership.joins -= 1
            if not membership.joins and mailbox.groups.get(name) is membership:  # it has not left and come back
                self._leave(name, mailbox)
            raise

    async def group_discard(self, group: str, channel: str) -> None:
        self._layer.require_valid_group_name(group)
        self._layer.require_valid_channel_name(channel)
        mailbox = self.channels.get(channel)
        if mailbox is not None:
            self._leave(self._get_group_channel_name(group), mailbox)

    async def flush(self) -> None:
        self.channels.clear()
        self.groups.clear()
        self._homes.clear()
        self._lingering.clear()
        if self._sweeping:
            self._sweeping.cancel()
            self._sweeping = None
        for shard in self._shards:
            await shard.flush()

    def _publish(self, name: str, message: Message) -> asyncio.Future[None]:
        shard: Shard = self._get_shard(name)
        return shard.publish(name, self._layer.serialize(message))

    def _get_home(self, channel: str) -> str:
        """The name in Redis under which a channel is sent to: one for all channels of a process."""
        return f"{self.prefix}__channel__{self._layer.non_local_name(channel)}"

    def _open(self, channel: str) -> Mailbox:
        capacity = self._layer.get_capacity(channel)
        is_hub = channel.startswith(HUB)
        mailbox = Mailbox(channel, capacity, shares=is_hub, missed=self._missed if is_hub else _nobody_asks)
        self.channels[channel] = mailbox
        return mailbox

    async def _listen(self, mailbox: Mailbox) -> None:
        name = self._get_home(mailbox.channel)
        self._homes[name] = mailbox.channel
        if (confirmed := self._get_shard(name).subscribe(name)) is not None:
            await confirmed
        mailbox.is_listening = True

    def _leave(self, name: str, mailbox: Mailbox) -> None:
        mailbox.groups.pop(name, None)
        members = self.groups.get(name)
        if members is None or members.pop(mailbox.channel, None) is None or members:
            return
        del self.groups[name]
        self._get_shard(name).unsubscribe(name)

    def _linger(self, channel: str) -> None:
        self._lingering[channel] = self._loop.time() + LINGER_S
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(LINGER_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = None
        now = self._loop.time()
        for channel, end in list(self._lingering.items()):
            if end > now:
                self._sweeping = self._loop.call_at(end, self._sweep)
                return
            self.forget_channel(channel)

    def _deliver(self, redis_name: bytes, payload: bytes) -> None:
        """Put what Redis has brought into mailboxes."""
        name = redis_name.decode()
        now = self._loop.time()
        packet = Packet(payload, self._layer.deserialize, now)
        if name in self.groups:
            for mailbox in list(self.groups[name].values()):
                self._put(mailbox, packet, now)
        elif name in self._homes and (message := packet.message) is not None:
            channel = message.pop(ADDRESSEE, self._homes[name])
            if isinstance(channel, str) and (addressed := self.channels.get(channel)) is not None:
                self._put(addressed, packet, now)

    def _put(self, mailbox: Mailbox, packet: Packet, now: float) -> None:
        # In a plain channel old messages make room; who has a channel of its own and does not read it is gone, but
        # for a hub: its event loop, which is this one, has stood still.
        expired = mailbox.expire(now - self._layer.expiry)
        if expired and "!" in mailbox.channel and not mailbox.channel.startswith(HUB):
            for name in list(mailbox.groups):
                self._leave(name, mailbox)
        mailbox.put(packet)

    def _missed(self) -> None:
        for hook in list(self.hooks):
            try:
                hook()
            except Exception:
                logger.exception("A hook for what was missed failed.")


def _nobody_asks() -> None:
    """A consumer whose mailbox overflows loses what is its own: no hub has missed anything."""


def _require_dict(message: Any) -> None:
    if not isinstance(message, dict):
        raise AssertionError(f"Expected a message to be a dict, but got {type(message).__name__}.")

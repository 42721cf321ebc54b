"""The channel layer of many processes: groups and channels over Redis' publish and subscribe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from channels_redis.utils import _wrap_close, decode_hosts

from ...types import Message
from ..base import BaseChannelLayer
from ..memory import HUB_CAPACITY
from .loop import RedisLoopLayer


class RedisChannelLayer(RedisPubSubChannelLayer, BaseChannelLayer):  # type: ignore[misc]
    """
    Like ``channels_redis.pubsub``, whose group messages it understands and sends, at less cost and with limits.

    A process (each event loop of it) has two connections to each server. A channel of a consumer costs no command;
    a group is subscribed for its first member here, and messages are published together, by one write for a turn
    of the event loop. A connection that is lost comes back by itself; what was sent meanwhile is lost, and told to
    ``add_missed_hook``.

    Args:
        hosts, symmetric_encryption_keys, serializer_format: as in channels_redis.
        prefix: goes before every name in Redis, so that sites can share a server.
        expiry: seconds after which an unread message is dropped. A channel that let one expire leaves its groups.
        capacity, channel_capacity: as in ``BaseChannelLayer``. The receiving process drops what comes beyond; the
            sender, which may be another one, is not told by ``ChannelFull``.

    Raises:
        ValueError: ``hosts`` is no list. TypeError: there is no such option.
    """

    extensions = ["groups", "flush"]

    def __init__(
        self,
        hosts: list[Any] | None = None,
        prefix: str = "asgi",
        expiry: float = 60,
        capacity: int = 100,
        channel_capacity: Mapping[Any, int] | None = None,
        symmetric_encryption_keys: list[Any] | None = None,
        serializer_format: str = "msgpack",
        **unknown: Any,
    ) -> None:
        if unknown:  # channels_redis ignores what it does not know
            raise TypeError(
                f"{type(self).__name__} does not take {', '.join(map(repr, unknown))}. Its options are hosts, prefix,"
                " expiry, capacity, channel_capacity, symmetric_encryption_keys and serializer_format; instead of"
                " on_disconnect and on_reconnect there is add_missed_hook()."
            )
        decode_hosts(hosts)  # now, and not when somebody connects
        RedisPubSubChannelLayer.__init__(
            self,
            hosts=hosts,
            prefix=prefix,
            symmetric_encryption_keys=symmetric_encryption_keys,
            serializer_format=serializer_format,
        )
        BaseChannelLayer.__init__(self, expiry=expiry, capacity=capacity, channel_capacity=channel_capacity)
        self.channel_capacity = self.compile_capacities({**self.channel_capacity, **HUB_CAPACITY})

    async def send(self, channel: str, message: Message) -> None:
        """
        Send ``message`` to ``channel``, wherever it is read.

        Raises:
            TypeError: the name is malformed, or the message cannot be serialised. AssertionError: it is not a dict
                of the user's own. ConnectionError: of redis-py; Redis is away, or went away before it answered.
        """
        await self._get_layer().send(channel, message)

    async def receive(self, channel: str) -> Message:
        """
        Wait for the next message of ``channel``; several readers take turns.

        A channel that is nobody's own (without ``!``) exists from its first ``receive`` on, in each process that
        reads it: what is sent before goes nowhere, and each of the processes gets what is sent then.
        """
        return await self._get_layer().receive(channel)

    async def new_channel(self, prefix: str = "specific.") -> str:
        """
        A name that nobody else has, for a mailbox of this process and event loop.

        It ends by ``forget_channel``, or some seconds after the last ``receive`` was cancelled. The one reader of
        a channel ``hub.`` promises not to change the messages: it is handed the dicts that others are handed.
        """
        return await self._get_layer().new_channel(prefix)

    def forget_channel(self, channel: str) -> None:
        """Nobody will read ``channel``: free its mailbox and end its memberships. To be called on its event loop."""
        self._get_layer().forget_channel(channel)

    async def group_add(self, group: str, channel: str) -> None:
        """
        Make ``channel`` a member of ``group``: from now on, for Redis has confirmed it.

        Raises:
            TypeError: a name is malformed. RuntimeError: it is no channel of this process and event loop.
            ConnectionError: of redis-py; Redis is away, and the channel has not joined.
        """
        await self._get_layer().group_add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """End the membership of ``channel`` in ``group``, if there is one. It waits for nothing."""
        await self._get_layer().group_discard(group, channel)

    async def group_send(self, group: str, message: Message) -> None:
        """
        Send a copy of ``message`` to every channel in ``group``, in every process.

        Raises:
            What ``send`` raises.
        """
        await self._get_layer().group_send(group, message)

    async def flush(self) -> None:
        """
        Forget every channel and group of this event loop, and close its connections.

        The layer can be used again; those who wait in ``receive`` are not told.
        """
        await self._get_layer().flush()

    def add_missed_hook(self, callback: Callable[[], None]) -> None:
        """
        Have ``callback`` called on this event loop whenever something may have been missed.

        That is when the connection was lost, when all is subscribed again, when the mailbox of a hub overflowed and
        when the hub has caught up after that, and when something expired in it because the event loop stood still.
        """
        self._get_layer().hooks.append(callback)

    def remove_missed_hook(self, callback: Callable[[], None]) -> None:
        hooks = self._get_layer().hooks
        if callback in hooks:
            hooks.remove(callback)

    def _get_layer(self) -> RedisLoopLayer:
        loop = asyncio.get_running_loop()
        layer: RedisLoopLayer | None = self._layers.get(loop)
        if layer is None:
            layer = self._layers[loop] = RedisLoopLayer(*self._args, **self._kwargs, channel_layer=self)
            _wrap_close(self, loop)
        return layer

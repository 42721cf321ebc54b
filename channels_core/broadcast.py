"""
Fan-out: one event to every socket of a group, at the cost of one write per socket.

``broadcast`` encodes an event once and hands the channel layer one message for the group. The hub of each
process has one subscription per group, and gives the same frame to each socket that subscribed to it here:
no task, no decoding, no encoding per recipient. Broadcast groups are a name space of their own, apart from
the channel layer's groups.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary

from . import DEFAULT_CHANNEL_LAYER
from .layers import BaseChannelLayer, InMemoryChannelLayer
from .layers.manager import require_channel_layer
from .layers.patience import patiently
from .layers.sync import run_sync
from .outbox import Outbox
from .recovery import Positions
from .types import Message

logger = logging.getLogger(__name__)

Event = dict[str, Any]

LAYER_PREFIX = "broadcast."  # of the groups that hubs use on the channel layer
ECHO = "broadcast.echo"  # the type of what a hub sends itself
RETRY_S = 1.0
WATCH_S = 1.0  # between two echoes
COMPARE_S = 5.0  # between two looks at the heads while nothing seems wrong


async def broadcast(
    group: str,
    event: Event,
    *,
    after: int | None = None,
    head: int | None = None,
    using: str = DEFAULT_CHANNEL_LAYER,
) -> None:
    """
    Send ``event`` as a JSON text frame to every socket that has subscribed to ``group``, in every process.

    Args:
        group: 1 to 89 ASCII letters, digits, hyphens, underscores or periods.
        event: what ``json.dumps`` takes.
        after, head: the event's position, where the group has one: it tells of the changes after the
            number ``after`` up to the number ``head``. It travels beside the event to each hub.
        using: alias of the channel layer.

    Raises:
        TypeError: ``group`` is malformed, or ``event`` is not JSON.
        InvalidChannelLayerError: there is no such layer.
    """
    await require_channel_layer(using).group_send(_layer_group(group), _envelope(group, event, after, head))


def broadcast_sync(
    group: str,
    event: Event,
    *,
    after: int | None = None,
    head: int | None = None,
    using: str = DEFAULT_CHANNEL_LAYER,
) -> None:
    """
    ``broadcast`` for synchronous code: a view, a management command, a thread.

    It returns when the layer has the event. Called on the thread of a running event loop, where waiting
    would stop everything, it leaves the sending to the loop and logs a failure.
    """
    layer = require_channel_layer(using)
    run_sync(layer, broadcast(group, event, after=after, head=head, using=using))


def get_hub(using: str = DEFAULT_CHANNEL_LAYER) -> Hub:
    """The hub of this process for a channel layer: one for each event loop."""
    hubs = _hubs.setdefault(asyncio.get_running_loop(), {})
    layer = require_channel_layer(using)
    hub = hubs.get(using)
    if hub is None or hub.layer is not layer:  # a test may have put another layer in its place
        hub = hubs[using] = Hub(layer)
    return hub


class Hub:
    """From the channel layer to the sockets of this process."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        # Group -> socket -> events held back for it, or None where they go straight on.
        self._members: dict[str, dict[Outbox, list[Message] | None]] = {}
        self._listening: set[str] = set()  # groups that the layer knows us to be in
        self._settling = asyncio.Lock()
        self._channel: str | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._positions = Positions(self._write, self._hold, _encode)
        self._echo = asyncio.Event()

    async def subscribe(self, group: str, outbox: Outbox) -> None:
        """From now on ``outbox`` gets what is broadcast to ``group``."""
        await self._join(group, outbox, None)

    async def unsubscribe(self, group: str, outbox: Outbox) -> None:
        """``outbox`` gets nothing more of ``group``."""
        members = self._members.get(group, {})
        members.pop(outbox, None)
        if not members:
            self._members.pop(group, None)
            self._positions.forget(group)
            await self._settle(group)

    @asynccontextmanager
    async def subscribing(self, group: str, outbox: Outbox) -> AsyncIterator[None]:
        """
        Subscribe, and hold events back while the block runs; they follow when it ends.

        What the block sends is therefore first, and nothing that happens meanwhile is missed. If the
        block raises, the subscription ends.
        """
        await self._join(group, outbox, [])
        try:
            yield
        except BaseException:
            await self.unsubscribe(group, outbox)
            raise
        members = self._members.get(group, {})
        if outbox in members:  # it has not left meanwhile
            held, members[outbox] = members[outbox], None
            for message in held or ():
                outbox.write(message)

    def start_at(self, group: str, head: int) -> None:
        """Tell how far the group had come when somebody read it, so that what is lost from then on is noticed."""
        if group in self._members:
            self._positions.start_at(group, head)

    def tell(self, group: str, event: Event) -> None:
        """Write ``event`` to the sockets of this process only."""
        self._write(group, _encode(event))

    async def _join(self, group: str, outbox: Outbox, held: list[Message] | None) -> None:
        self._members.setdefault(group, {})[outbox] = held
        if group in self._listening:
            return
        try:
            await self._settle(group)
        except BaseException:
            await self.unsubscribe(group, outbox)
            raise

    async def _settle(self, group: str) -> None:
        """Make the layer's subscription fit the members; one at a time, as joining and leaving cross."""
        async with self._settling:
            wanted = group in self._members
            if wanted and group not in self._listening:
                channel = await self._listen()
                await patiently(self.layer.group_add, _layer_group(group), channel)
                self._listening.add(group)
            elif not wanted and group in self._listening:
                self._listening.discard(group)
                await self._discard(group)
            if not self._listening and not self._members:
                await self._rest()

    async def _discard(self, group: str) -> None:
        try:
            await self.layer.group_discard(_layer_group(group), self._channel)
        except Exception:
            # Whoever leaves has left; what still comes for the group finds no member.
            logger.warning("The channel layer did not take our leave of %s.", group, exc_info=True)

    async def _listen(self) -> str:
        """The channel of this hub, with somebody who reads it."""
        if self._channel is not None:
            return self._channel
        # In memory a prefix of its own gives the hub room for a burst. Elsewhere it has the common one:
        # channels_redis reads all channels of a process together, as long as they share it.
        prefix = ["hub."] if isinstance(self.layer, InMemoryChannelLayer) else []
        channel: str = await patiently(self.layer.new_channel, *prefix)
        self._channel = channel
        self._tasks = [_start(self._read(channel)), _start(self._watch(channel))]
        # A layer whose memberships expire hears of us in time.
        if group_expiry := getattr(self.layer, "group_expiry", None):
            self._tasks.append(_start(self._renew(channel, group_expiry / 3)))
        return channel

    async def _rest(self) -> None:
        """Nobody listens: give the channel back. Cancelling its reader is what ends it on every layer."""
        self._channel = None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, channel: str) -> None:
        while True:
            try:
                message = await self.layer.receive(channel)
            except Exception:
                logger.exception("The channel layer cannot be read; trying again in %g s.", RETRY_S)
                await asyncio.sleep(RETRY_S)
            else:
                if message["type"] == ECHO:
                    self._echo.set()
                else:
                    self._positions.take(message["group"], message["text"], message["after"], message["head"])

    async def _watch(self, channel: str) -> None:
        """
        Compare heads with the truth: every few seconds, and every second as long as the layer is away.

        Whether it is there shows by an echo that the hub sends itself.
        """
        was_heard, compared = True, asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(WATCH_S)
            is_heard = await self._hears_itself(channel)
            now = asyncio.get_running_loop().time()
            if is_heard and was_heard and now - compared < COMPARE_S:
                continue
            was_heard, compared = is_heard, now
            try:
                await self._positions.compare(list(self._members))
            except Exception:
                logger.exception("The heads of groups could not be compared; trying again in %g s.", WATCH_S)

    async def _hears_itself(self, channel: str) -> bool:
        if isinstance(self.layer, InMemoryChannelLayer):
            return True
        self._echo.clear()
        try:
            async with asyncio.timeout(WATCH_S):
                await self.layer.send(channel, {"type": ECHO})
                await self._echo.wait()
        except Exception:
            return False
        return True

    async def _renew(self, channel: str, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                for group in list(self._listening):
                    await self.layer.group_add(_layer_group(group), channel)
            except Exception:
                logger.exception("Group memberships were not renewed; trying again in %g s.", every_s)

    def _write(self, group: str, text: str) -> None:
        message: Message = {"type": "websocket.send", "text": text}
        # A copy, because a socket that fails may leave meanwhile.
        for outbox, held in list(self._members.get(group, {}).items()):
            if held is None:
                outbox.write(message)
            else:
                held.append(message)

    def _hold(self, group: str, text: str) -> None:
        for held in self._members.get(group, {}).values():
            if held is not None:
                held.append({"type": "websocket.send", "text": text})


_names = BaseChannelLayer()
_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Hub]] = WeakKeyDictionary()


def _layer_group(group: str) -> str:
    """The layer's name for a broadcast group. Checked here, since not every layer checks names."""
    _names.require_valid_group_name(group)
    _names.require_valid_group_name(LAYER_PREFIX + group)
    return LAYER_PREFIX + group


def _encode(event: Event) -> str:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def _envelope(group: str, event: Event, after: int | None, head: int | None) -> Message:
    return {"type": "broadcast", "group": group, "text": _encode(event), "after": after, "head": head}


def _start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that outlives the connection which happens to need it first, and therefore has none of its context."""
    return asyncio.create_task(work, context=contextvars.Context())

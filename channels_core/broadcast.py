"""
Fan-out: one event to every socket of a group, at the cost of one write per socket.

``broadcast`` encodes an event once and hands the channel layer one message for the group. The hub of each
process has one subscription per group, and gives the same frame to each socket that subscribed to it here:
no task, no decoding, no encoding per recipient. Broadcast groups are a name space of their own, apart from
the channel layer's groups.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from . import DEFAULT_CHANNEL_LAYER
from .fanout import Fanout, Listener
from .frames import Burst
from .layers import InMemoryChannelLayer
from .layers.manager import require_channel_layer
from .layers.sync import run_sync
from .line import Line, layer_group
from .recovery import Positions
from .types import Message

Event = dict[str, Any]

PUBLISH_S = 0.5  # the longest that a broadcast waits for the layer,
HASTE_S = 0.1  # and where the layer is known not to answer


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
            number ``after`` up to the number ``head``. It travels beside the event to each hub. A ``head``
            alone is that of a state: nothing before it is needed, and an older one that comes later is dropped.
        using: alias of the channel layer.

    Raises:
        TypeError: ``group`` is malformed, ``event`` is not JSON, or ``after`` or ``head`` is not an integer.
        UnicodeEncodeError: there is half of a surrogate pair in it.
        InvalidChannelLayerError: there is no such layer.
        TimeoutError: the layer did not take it in time; what it raises itself comes out, too.
    """
    layer = require_channel_layer(using)
    sending = layer.group_send(layer_group(group), _envelope(group, event, after, head))
    if isinstance(layer, InMemoryChannelLayer):  # which never waits, and needs no event loop
        await sending
        return
    hub = _hubs.get(asyncio.get_running_loop(), {}).get(using)
    try:
        async with asyncio.timeout(HASTE_S if hub and not hub.is_heard else PUBLISH_S):
            await sending
    except Exception:
        if hub:
            hub.suspect()
        raise


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
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _forget_ended_loops()
    hubs = _hubs.setdefault(loop, {})
    layer = require_channel_layer(using)
    hub = hubs.get(using)
    if hub is None or hub.layer is not layer:  # a test may have put another layer in its place
        hub = hubs[using] = Hub(layer)
    return hub


class Hub:
    """From the channel layer to the sockets of this process."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        # Group -> listener -> texts held back for it, or None where they go straight on.
        self._members: dict[str, dict[Listener, list[str] | None]] = {}
        self._fanout = Fanout(self._members)
        self._positions = Positions(self._fanout.add, self._hold, _encode)
        self._line = Line(layer, self._members.keys(), self._take, self._compare)

    @property
    def is_heard(self) -> bool:
        """Whether the layer brought the last echo: if not, it is away, and only ``tell`` reaches anybody."""
        return self._line.is_heard

    def suspect(self) -> None:
        """The layer has not taken something: what its groups' sources have is looked at now, not in its time."""
        self._line.suspect()

    async def subscribe(self, listener: Listener, *groups: str) -> None:
        """
        From now on ``listener`` gets what is broadcast to these groups.

        While the layer is away that is what a group's source has, a second later; see ``recovery``.
        """
        await self._join(listener, groups)

    async def unsubscribe(self, listener: Listener, *groups: str) -> None:
        """``listener`` gets nothing more of these groups."""
        self._fanout.catch_up(listener)
        empty = []
        for group in groups:
            members = self._members.get(group, {})
            members.pop(listener, None)
            if not members:
                self._members.pop(group, None)
                self._positions.forget(group)
                empty.append(group)
        if empty:
            await self._line.settle(*empty)

    @asynccontextmanager
    async def subscribing(self, listener: Listener, *groups: str) -> AsyncIterator[None]:
        """
        Subscribe, and hold events back while the block runs; they follow when it ends.

        What the block sends is therefore first, and nothing that happens meanwhile is missed. If the
        block raises, the subscriptions end.
        """
        await self._join(listener, groups, is_held=True)
        try:
            yield
        except BaseException:
            await self.unsubscribe(listener, *groups)
            raise
        held: list[str] = []
        for group in groups:
            members = self._members.get(group, {})
            if listener in members:  # it has not left meanwhile
                held += members[listener] or ()
                members[listener] = None
        if held:
            listener.write(Burst(*held))

    def start_at(self, group: str, head: int) -> None:
        """Tell how far the group had come when somebody read it, so that what is lost from then on is noticed."""
        if group in self._members:
            self._positions.start_at(group, head)

    def tell(self, group: str, event: Event) -> None:
        """Write ``event`` to the sockets of this process only."""
        self._fanout.add(group, _encode(event))

    async def _join(self, listener: Listener, groups: Iterable[str], *, is_held: bool = False) -> None:
        for group in groups:
            layer_group(group)  # a malformed name is refused before anything is done
        self._fanout.catch_up(listener)
        for group in groups:
            members = self._members.setdefault(group, {})
            held = members.get(listener)  # in a block that has not ended: it stays so
            members[listener] = [] if is_held and held is None else held
        try:
            await self._line.settle(*groups)
        except BaseException:
            await self.unsubscribe(listener, *groups)
            raise

    def _take(self, message: Message) -> None:
        group, text, after, head = message["group"], message["text"], message["after"], message["head"]
        _require_numbers(after, head)  # of another process, with another version perhaps
        if not isinstance(text, str):
            raise TypeError(f"Expected the text of a broadcast, but got {type(text).__name__}.")
        if group in self._members:  # not on its way when the last of them left
            self._positions.take(group, text, after, head)

    async def _compare(self) -> None:
        await self._positions.compare(list(self._members))

    def _hold(self, group: str, text: str) -> None:
        for held in self._members.get(group, {}).values():
            if held is not None:
                held.append(text)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_hubs: dict[asyncio.AbstractEventLoop, dict[str, Hub]] = {}


def _forget_ended_loops() -> None:
    """No weak reference would: a hub leads back to its loop."""
    for loop in list(_hubs):
        if loop.is_closed():
            _hubs.pop(loop, None)


def _envelope(group: str, event: Event, after: int | None, head: int | None) -> Message:
    _require_numbers(after, head)
    text = _encode(event)
    text.encode()  # what is no UTF-8 is refused here, not at every socket
    return {"type": "broadcast", "group": group, "text": text, "after": after, "head": head}


def _require_numbers(after: Any, head: Any) -> None:
    """One that is none would spoil the position of its group for those that follow."""
    for number in (after, head):
        if number is not None and not isinstance(number, int):
            raise TypeError(f"Expected after and head to be integers or None, but got {number!r}.")

"""What every channel layer shares: rules for names, and how much a channel holds."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Mapping
from typing import Any

from ..types import Message

_CHANNEL = re.compile(r"[a-zA-Z0-9_.-]+(![a-zA-Z0-9_.-]*)?")
_GROUP = re.compile(r"[a-zA-Z0-9_.-]+")

Capacities = list[tuple[re.Pattern[str], int]]


class BaseChannelLayer:
    """
    The interface of a channel layer, and the helpers that backends build on.

    Args:
        expiry: seconds after which an unread message may be dropped.
        capacity: messages that a channel holds; a full one refuses more.
        channel_capacity: exceptions from ``capacity``, by channel name: globs or compiled patterns.
    """

    MAX_NAME_LENGTH = 100  # names are shorter than this
    # Callers use it as a regular expression too: no sign in it has a meaning there.
    invalid_name_error = (
        "{} name must be a string of 1 to 99 ASCII letters, digits, hyphens, underscores or periods,"
        " in a channel name with at most one exclamation mark"
    )

    def __init__(
        self, expiry: float = 60, capacity: int = 100, channel_capacity: Mapping[Any, int] | None = None
    ) -> None:
        self.expiry = expiry
        self.capacity = capacity
        self.channel_capacity: Any = channel_capacity or {}

    def compile_capacities(self, channel_capacity: Mapping[Any, int]) -> Capacities:
        """``channel_capacity`` as pairs of pattern and capacity, in its order."""
        return [
            (key if hasattr(key, "match") else re.compile(fnmatch.translate(key)), value)
            for key, value in channel_capacity.items()
        ]

    def get_capacity(self, channel: str) -> int:
        """How many messages ``channel`` holds: the first pattern that fits decides."""
        for pattern, capacity in self.channel_capacity:
            if pattern.match(channel):
                return int(capacity)
        return self.capacity

    # Names

    def match_type_and_length(self, name: object) -> bool:
        return isinstance(name, str) and len(name) < self.MAX_NAME_LENGTH

    def require_valid_channel_name(self, name: str, receive: bool = False) -> bool:
        """
        True for a valid channel name.

        Raises:
            TypeError: it is malformed; or, with ``receive``, it has a ``!`` before its end, so that it
                names one mailbox within somebody's channel rather than a channel to read.
        """
        is_readable = not receive or "!" not in name or name.endswith("!")
        if self.match_type_and_length(name) and _CHANNEL.fullmatch(name) and is_readable:
            return True
        raise TypeError(self.invalid_name_error.format("Channel") + f", but got {name!r}.")

    def require_valid_group_name(self, name: str) -> bool:
        """True for a valid group name, ``TypeError`` otherwise."""
        if self.match_type_and_length(name) and _GROUP.fullmatch(name):
            return True
        raise TypeError(self.invalid_name_error.format("Group") + f", but got {name!r}.")

    def valid_channel_names(self, names: list[str], receive: bool = False) -> bool:
        """True for a list of at least one valid channel name."""
        if not isinstance(names, list) or not names:
            raise AssertionError("names must be a non-empty list")
        return all(self.require_valid_channel_name(name, receive=receive) for name in names)

    def non_local_name(self, name: str) -> str:
        """The part of a channel name that says whose mailbox it is: up to and including the ``!``."""
        return name.partition("!")[0] + "!" if "!" in name else name

    def valid_channel_name(self, name: str, receive: bool = False) -> bool:
        """Deprecated: ``require_valid_channel_name``."""
        warnings.warn(
            "valid_channel_name is deprecated, use require_valid_channel_name instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.require_valid_channel_name(name, receive=receive)

    def valid_group_name(self, name: str) -> bool:
        """Deprecated: ``require_valid_group_name``."""
        warnings.warn(
            "valid_group_name is deprecated, use require_valid_group_name instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.require_valid_group_name(name)

    # What a backend provides

    async def send(self, channel: str, message: Message) -> None:
        """Put ``message`` into the mailbox ``channel``, without waiting."""
        raise NotImplementedError("A channel layer must implement send().")

    async def receive(self, channel: str) -> Message:
        """Wait for the next message of ``channel``."""
        raise NotImplementedError("A channel layer must implement receive().")

    async def new_channel(self) -> str:
        """A name that nobody else has, for a mailbox of this process."""
        raise NotImplementedError("A channel layer must implement new_channel().")

    async def flush(self) -> None:
        """Forget every message, channel and group."""
        raise NotImplementedError("This channel layer has no flush extension.")

    async def group_add(self, group: str, channel: str) -> None:
        """Make ``channel`` a member of ``group``."""
        raise NotImplementedError("This channel layer has no groups extension.")

    async def group_discard(self, group: str, channel: str) -> None:
        """End the membership of ``channel`` in ``group``, if there is one."""
        raise NotImplementedError("This channel layer has no groups extension.")

    async def group_send(self, group: str, message: Message) -> None:
        """Send ``message`` to every channel in ``group``."""
        raise NotImplementedError("This channel layer has no groups extension.")

"""Websocket frames made ahead: once for a process, whatever the number of sockets that get them."""

from __future__ import annotations

import struct

from .types import Message

WRITE_FRAMES = "channels_core.frames"  # the ASGI extension of our server: {"write": (frames: bytes) -> bool}

FINAL_TEXT = 0x81
IN_2_BYTES, IN_8_BYTES = 126, 127  # where the length follows
_head = struct.Struct("!BB").pack
_long_head = struct.Struct("!BBH").pack
_longer_head = struct.Struct("!BBQ").pack


def text_frame(text: bytes) -> bytes:
    """The frame in which a server sends this text, which is UTF-8. Source: RFC 6455, section 5.2."""
    length = len(text)
    if length < IN_2_BYTES:
        return _head(FINAL_TEXT, length) + text
    if length < 2**16:
        return _long_head(FINAL_TEXT, IN_2_BYTES, length) + text
    return _longer_head(FINAL_TEXT, IN_8_BYTES, length) + text


class Burst:
    """
    One or more texts that go to sockets together, in order, each as a message of its own.

    Sockets share it, and with it what is made of it, on first use: ``frames`` or ``events``. ``+`` joins
    bursts and makes nothing anew that they have made.
    """

    __slots__ = ("_events", "_frames", "_parts", "texts")

    def __init__(self, *texts: str) -> None:
        self.texts = texts
        self._parts: tuple[Burst, ...] = ()  # what it was joined from: others share that, and what is made of it
        self._frames: bytes | None = None
        self._events: tuple[Message, ...] | None = None

    def __add__(self, other: Burst) -> Burst:
        joined = Burst(*self.texts, *other.texts)
        joined._parts = (self, other)
        return joined

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.texts)}>"  # what people wrote stays out of logs

    @property
    def frames(self) -> bytes:
        """
        All of it as a server writes it to a websocket.

        Raises:
            UnicodeEncodeError: half of a surrogate pair, which UTF-8 does not know.
        """
        if self._frames is None:
            if self._parts:
                self._frames = b"".join([part.frames for part in self._parts])
            else:
                self._frames = b"".join([text_frame(text.encode()) for text in self.texts])
        return self._frames

    @property
    def events(self) -> tuple[Message, ...]:
        """All of it as ASGI has it; these are shared, so nobody changes them."""
        if self._events is None:
            if self._parts:
                self._events = tuple(event for part in self._parts for event in part.events)
            else:
                self._events = tuple({"type": "websocket.send", "text": text} for text in self.texts)
        return self._events

"""What drivers and servers say to each other: raw texts, Socket.IO, and the chat's frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

FILLING = b"the quick brown fox jumps over the lazy dog and goes on to say what it has seen there, " * 12


class Said(NamedTuple):
    """One message: the how manieth it is of its sender, from 1, and when it was meant to be sent (monotonic ns)."""

    sender: int
    number: int
    at_ns: int


def payload(said: Said, size: int) -> bytes:
    """Exactly ``size`` bytes of ASCII that tell who said it, with something to read behind."""
    head = b"%d:%d:%d:" % said
    return head + FILLING[: size - len(head) - 1] + b"."


def read(text: bytes, size: int) -> Said:
    """Who said this; ValueError where it is not whole."""
    sender, number, at_ns, _ = text.split(b":", 3)
    said = Said(int(sender), int(number), int(at_ns))
    if text != payload(said, size):
        raise ValueError(
            f"Expected {size} bytes as {payload(said, size)[:60]!r}, but got {len(text)} as {text[:60]!r}."
        )
    return said


class Raw:
    """Each frame is a message, as it was sent, or a JSON object with it: ``{"text": ...}``."""

    acknowledges = False  # whether a sender is told, beside its copy, that a post was taken

    def ask(self, text: bytes, said: Said) -> bytes:
        """The frame that posts ``text``."""
        return text

    def is_ready(self, frame: bytes | None) -> bool:
        """Whether a socket that gets this frame is in its room now; None: it is connected."""
        return frame is None

    def texts(self, frame: bytes) -> list[bytes] | None:
        """The messages of a frame; None for a frame that is about something else."""
        return [json.loads(frame)["text"].encode() if frame[:1] == b"{" else frame]

    def answer(self, frame: bytes) -> bytes | None:
        """What a client has to send when it gets this frame."""
        return None

    def is_acknowledgement(self, frame: bytes) -> bool:
        """Whether a post was taken; ValueError where one was refused."""
        return False


class SocketIo(Raw):
    """Engine.IO 4 and Socket.IO 5: digits for the kind of a packet, and JSON."""

    def is_ready(self, frame: bytes | None) -> bool:
        return frame is not None and frame.startswith(b"40")

    def ask(self, text: bytes, said: Said) -> bytes:
        return b'42["post","' + text + b'"]'

    def texts(self, frame: bytes) -> list[bytes] | None:
        if not frame.startswith(b'42["message",'):
            return None
        [_, text] = json.loads(frame[2:])
        return [text.encode()]

    def answer(self, frame: bytes) -> bytes | None:
        if frame.startswith(b"0"):  # open: connect to the main name space
            return b"40"
        return b"3" if frame == b"2" else None  # ping, pong


class Chat(Raw):
    """The chat of this project: see docs/protocol.md."""

    acknowledges = True

    def __init__(self, run: int) -> None:
        self._run = run  # makes ids that no run before has used

    def ask(self, text: bytes, said: Said) -> bytes:
        client_id = b"%08x-%04x-4000-8000-%012x" % (self._run, said.sender, said.number)
        return b'{"type":"message.post","ref":%d,"client_id":"%s","text":"%s"}' % (said.number, client_id, text)

    def is_ready(self, frame: bytes | None) -> bool:
        return frame is not None and _type(frame) == b"welcome"

    def texts(self, frame: bytes) -> list[bytes] | None:
        if _type(frame) != b"messages":
            return None
        return [message["text"].encode() for message in json.loads(frame)["messages"]]

    def is_acknowledgement(self, frame: bytes) -> bool:
        if _type(frame) != b"reply":
            return False
        if not json.loads(frame)["ok"]:
            raise ValueError(f"A post was refused: {frame.decode()}")
        return True


def _type(frame: bytes) -> bytes:
    """The type of a JSON event, which comes first in it, with spaces or without."""
    return frame[:30].split(b'"', 4)[3]


PROTOCOLS: dict[str, Callable[[int], Raw]] = {
    "raw": lambda run: Raw(),
    "socketio": lambda run: SocketIo(),
    "chat": Chat,
}

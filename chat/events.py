"""
The wire: every event that a browser is told, and the codes that end a connection.

docs/protocol.md describes them for people, static/js/chat/events.js is the other end; a test holds the
three together.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from channels_core.broadcast import broadcast_sync

from .models import Message, Room, User

Event = dict[str, Any]

MAX_FRAME_BYTES = 64 * 1024
PAGE_SIZE = 50  # messages in a welcome, and in a page of history unless the client asks for another size
MAX_PAGE_SIZE = 100
MAX_CHANGES = 500  # messages that somebody who comes back is told one by one; after more they start afresh
ROOM_GROUPS = "room."  # and the room's key: names of broadcast groups
ASKED = ("message.post", "message.edit", "message.delete", "history.get")


class CloseCode(IntEnum):
    """Why the server ended a connection; a browser does not come back by itself after any of these."""

    TOO_BIG = 1009
    MALFORMED = 4400
    NOT_SIGNED_IN = 4401
    NOT_A_MEMBER = 4403
    NO_SUCH_ROOM = 4404


REASONS = {
    CloseCode.TOO_BIG: f"A frame has at most {MAX_FRAME_BYTES:,} bytes.",
    CloseCode.MALFORMED: "Expected a JSON object with a type and a ref, in a text frame; since= a number.",
    CloseCode.NOT_SIGNED_IN: "Log in to open this connection.",
    CloseCode.NOT_A_MEMBER: "Only members of this room can listen to it.",
    CloseCode.NO_SUCH_ROOM: "There is no such room.",
}


def room_group(room_id: int) -> str:
    """The broadcast group of everybody who has the room open."""
    return f"{ROOM_GROUPS}{room_id}"


def room_of(group: str) -> int:
    """The room that a broadcast group belongs to."""
    return int(group.removeprefix(ROOM_GROUPS))


def person(user: User) -> Event:
    return {"id": user.pk, "name": user.name, "colour": user.colour}


def message(message: Message) -> Event:
    """The current state of a message: applying it twice is harmless, the higher version wins."""
    return {
        "id": message.pk,
        "seq": message.seq,
        "version": message.version,
        "client_id": str(message.client_id),
        "author": person(message.author) if message.author else None,
        "text": message.text,
        "html": message.html,
        "created": _time(message.created),
        "edited": _time(message.edited),
        "deleted": _time(message.deleted),
    }


def welcome(
    room: Room, head: int, messages: Sequence[Message], more: bool, present: Iterable[User], *, recovered: bool
) -> Event:
    """
    The first frame: what has changed since the reader was here (``recovered``), or the newest page; and who is here.

    ``more``: messages older than those of the page exist.
    """
    return {
        "type": "welcome",
        "room": {
            "slug": room.slug,
            "name": room.name,
            "topic": room.topic,
            "kind": room.kind,
            "archived": room.archived,
        },
        "head": head,
        "recovered": recovered,
        "messages": [message(each) for each in messages],
        "more": more,
        "present": [person(user) for user in present],
        "beat_s": settings.CHAT_BEAT_INTERVAL,
    }


def messages(after: int, head: int, changed: Iterable[Message]) -> Event:
    """Everything that changed in a room after the change ``after`` up to ``head``."""
    return {"type": "messages", "after": after, "head": head, "messages": [message(each) for each in changed]}


def presence(joined: Iterable[Event], left: Iterable[int], count: int) -> Event:
    """Who came and who went; ``count`` people are there now."""
    return {"type": "presence", "joined": list(joined), "left": list(left), "count": count}


def beat(head: int) -> Event:
    return {"type": "beat", "head": head}


def reply(ref: str | int, **answer: Any) -> Event:
    return {"type": "reply", "ref": ref, "ok": True, **answer}


def refused(ref: str | int, code: str, detail: str, **more: Any) -> Event:
    """An answer that says what was wrong; the connection lives on. ``more``: ``field``, ``retry_after`` in seconds."""
    error = {"code": code, "detail": detail} | {name: value for name, value in more.items() if value is not None}
    return {"type": "reply", "ref": ref, "ok": False, "error": error}


def refused_by(ref: str | int, error: ValidationError) -> Event:
    """The refusal that a service raised, for the wire."""
    more = {name: getattr(error, name, None) for name in ("field", "retry_after")}
    return refused(ref, error.code or "invalid", error.messages[0], **more)


def publish_messages(room: Room, after: int, changed: Sequence[Message]) -> None:
    """Tell everybody in the room; called after the commit, from synchronous code."""
    head = changed[-1].version
    broadcast_sync(room_group(room.pk), messages(after, head, changed), after=after, head=head)


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

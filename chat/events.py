"""
The wire: every event that a browser is told, and the codes that end a connection.

docs/protocol.md describes them for people, static/js/chat/events.js is the other end; a test holds the
three together.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError

from channels_core.broadcast import broadcast, broadcast_sync
from channels_core.layers.patience import line_errors

from .access import Facts, Place
from .models import Message, Room, User

logger = logging.getLogger(__name__)

Event = dict[str, Any]

MAX_FRAME_BYTES = 64 * 1024
PAGE_SIZE = 50  # messages in a welcome, and in a page of history unless the client asks for another size
MAX_PAGE_SIZE = 100
MAX_CHANGES = 500  # messages that somebody who comes back is told one by one; after more they start afresh
# Names of broadcast groups: these, and a key.
ROOM_GROUPS = "room."  # what is said in a room, for those who have it open
ACTIVITY_GROUPS = "activity."  # that something was said in it, for all its members
USER_GROUPS = "user."  # what concerns one person, in all their tabs
INBOX_GROUP = "inbox"  # every tab that has no room open
ASKED = ("message.post", "message.edit", "message.delete", "typing.start", "read.set", "history.get")


class CloseCode(IntEnum):
    """Why the server ended a connection; a browser comes back by itself only after ``TOO_FAST``."""

    TOO_BIG = 1009
    MALFORMED = 4400
    NOT_SIGNED_IN = 4401
    NOT_A_MEMBER = 4403
    NO_SUCH_ROOM = 4404
    TOO_FAST = 4429


REASONS = {
    CloseCode.TOO_BIG: f"A frame has at most {MAX_FRAME_BYTES:,} bytes.",
    CloseCode.MALFORMED: "Expected a JSON object with a type and a ref, in a text frame; since= a number.",
    CloseCode.NOT_SIGNED_IN: "Log in to open this connection.",
    CloseCode.NOT_A_MEMBER: "Only members of this room can listen to it.",
    CloseCode.NO_SUCH_ROOM: "There is no such room.",
    CloseCode.TOO_FAST: "Too fast. Try again in {seconds} s.",
}


def room_group(room_id: int) -> str:
    """The broadcast group of everybody who has the room open."""
    return f"{ROOM_GROUPS}{room_id}"


def activity_group(room_id: int) -> str:
    """The broadcast group of all members of a room, in whatever room they are."""
    return f"{ACTIVITY_GROUPS}{room_id}"


def user_group(user_id: int) -> str:
    """The broadcast group of one person's tabs."""
    return f"{USER_GROUPS}{user_id}"


def key_of(group: str) -> int:
    """The key of the room or person that a broadcast group belongs to."""
    return int(group.rpartition(".")[2])


class Named(Protocol):
    """Who is told of: a user, or what is known of one."""

    @property
    def pk(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def colour(self) -> int: ...


def person(user: Named) -> Event:
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


def room(place: Place) -> Event:
    """A room as one of its members has it."""
    return {**place.facts._asdict(), "last_seq": place.last_seq, "last_read": place.last_read}


def welcome(
    place: Place,
    head: int,
    more: bool,
    rooms: Iterable[Place],
    *,
    reader: int,
    recovered: bool,
    local: bool,
) -> Event:
    """
    The first frame: what has changed since the reader was here (``recovered``), or the newest page; and who is here.

    ``more``: messages older than those of the page exist. ``rooms``: all that the reader is a member of. What many are
    told alike, ``messages`` and ``present``, is empty here: ``arrivals`` has it encoded.
    """
    return {
        "type": "welcome",
        "room": room(place),
        "head": head,
        "recovered": recovered,
        "messages": [],
        "more": more,
        "present": [],
        "local": local,
        **inbox_welcome(rooms, reader=reader),
    }


def inbox_welcome(rooms: Iterable[Place], *, reader: int) -> Event:
    """The first frame where no room is open; ``reader`` is the person's id."""
    return {
        "type": "welcome",
        "reader": reader,
        "rooms": [room(place) for place in rooms],
        "beat_s": settings.CHAT_BEAT_INTERVAL,
    }


def messages(after: int, head: int, changed: Iterable[Message]) -> Event:
    """Everything that changed in a room after the change ``after`` up to ``head``."""
    return {"type": "messages", "after": after, "head": head, "messages": [message(each) for each in changed]}


def presence(joined: Iterable[Event], left: Iterable[int], count: int, *, local: bool = False) -> Event:
    """Who came and who went; ``count`` people are there now, as far as one process can know if it is ``local``."""
    return {"type": "presence", "joined": list(joined), "left": list(left), "count": count, "local": local}


def typing(user: User) -> Event:
    """Somebody is writing; it is forgotten again by itself."""
    return {"type": "typing", "person": person(user)}


def activity(slug: str, last_seq: int) -> Event:
    """Something was said in a room: this is the place of its last message now."""
    return {"type": "activity", "room": slug, "last_seq": last_seq, "mention": False}


def read(slug: str, seq: int) -> Event:
    """The person has read a room up to this place, in one of their tabs."""
    return {"type": "read", "room": slug, "seq": seq}


def room_changed(facts: Facts) -> Event:
    return {"type": "room", "room": facts._asdict()}


def room_gained(place: Place) -> Event:
    """A room that is new to this person."""
    return {"type": "room", "room": room(place)}


def revoked(reason: str, slug: str | None = None) -> Event:
    """What the person may no longer see: the room of that address or, without one, anything."""
    return {"type": "revoked", "reason": reason} | ({"room": slug} if slug else {})


def beat(head: int | None = None) -> Event:
    """The line lives; and the number of the last change, where a room is open."""
    return {"type": "beat"} | ({} if head is None else {"head": head})


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


class Telling(NamedTuple):
    """An event, the broadcast group that is told, and the event's position in it, where it has one."""

    group: str
    event: Event
    after: int | None = None
    head: int | None = None


def changes(room: Room, after: int, changed: Sequence[Message]) -> Telling:
    """What everybody in the room is told of messages: all that changed after the change ``after``."""
    head = changed[-1].version
    return Telling(room_group(room.pk), messages(after, head, changed), after, head)


def news(room: Room) -> Telling:
    """What all members of the room are told, wherever they are."""
    return Telling(activity_group(room.pk), activity(room.slug, room.last_seq), head=room.last_seq)


def has_read(user_id: int, slug: str, seq: int) -> Telling:
    """What a person's tabs are told of how far they have read."""
    return Telling(user_group(user_id), read(slug, seq))


def tell(telling: Telling) -> None:
    """
    Broadcast from synchronous code, after the commit; it returns when the layer has it.

    While the channel layer is away nothing is told: what has a position is found by it, and nobody waits for the bell.
    """
    group, event, after, head = telling
    try:
        broadcast_sync(group, event, after=after, head=head)
    except line_errors() as error:
        _away(group, error)


async def tell_later(telling: Telling) -> None:
    """``tell`` for the event loop; a failure is logged, as nobody waits for it."""
    group, event, after, head = telling
    try:
        await broadcast(group, event, after=after, head=head)
    except line_errors() as error:
        _away(group, error)
    except Exception:
        logger.exception("%s was told nothing.", group)


def publish(group: str, event: Event) -> None:
    """``tell`` for what has no position."""
    tell(Telling(group, event))


def _away(group: str, error: BaseException) -> None:
    logger.warning("%s was told nothing, the channel layer does not answer: %r", group, error)


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None

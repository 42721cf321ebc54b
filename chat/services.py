"""
Rules that write what is said: each checks access itself, is safe to repeat, and tells the world after the commit.

A refusal is a ``ValidationError`` whose code goes to the client as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from . import events, statements
from .activity import get_activity
from .models import Membership, Message, Room, User
from .rendering import render
from .validators import clean_text

Tell = Callable[[events.Telling], None]
Body = tuple[str, str] | ValidationError  # text and HTML of a message, or why it is none


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody wants to say. ``client_id`` makes a repeated post harmless."""

    room_id: int
    author_id: int
    client_id: UUID
    text: str


def post_messages(drafts: Sequence[Draft], tell: Tell = events.tell) -> list[Message | ValidationError]:
    """
    Store drafts in one transaction and have their rooms told after the commit: by ``tell``, which is called there.

    Each draft has its own outcome, in the order of ``drafts``: the stored message, or why it was
    refused; one that is refused does not hold up the others. A ``client_id`` that the author has used
    in the room before returns the message that was stored then.

    Outcomes refused carry the code ``empty``, ``too_long``, ``invalid``, ``not_a_member`` or ``archived``.
    """
    if not drafts:
        return []
    bodies = [_body(draft.text) for draft in drafts]
    try:
        return _post(drafts, bodies, tell)
    except statements.Repeated:
        # What comes again is rare: it is looked for once it is known to be there, and numbers are given anew.
        return _post(drafts, bodies, tell, are_known=True)


def _post(
    drafts: Sequence[Draft], bodies: Sequence[Body], tell: Tell, are_known: bool = False
) -> list[Message | ValidationError]:
    """``post_messages``; some of the drafts may be stored already where they ``are_known``, else ``Repeated``."""
    with transaction.atomic():
        room_ids = {draft.room_id for draft in drafts}
        rooms, authors = statements.lock(room_ids, {draft.author_id for draft in drafts})
        refusals = [
            _refusal(rooms.get(draft.room_id), authors.get((draft.room_id, draft.author_id)), body)
            for draft, body in zip(drafts, bodies, strict=True)
        ]
        # Nobody is refused what is stored: they hear so once more.
        stored = _stored(drafts) if are_known or any(refusals) else {}
        outcomes: list[Message | ValidationError] = []
        posted: dict[int, list[Message]] = {}
        now = timezone.now()  # with the locks held, so that no message is older than one with a lower number
        for draft, body, refusal in zip(drafts, bodies, refusals, strict=True):
            key = (draft.room_id, draft.author_id, draft.client_id)
            if key not in stored:
                if refusal:
                    outcomes.append(refusal)
                    continue
                assert not isinstance(body, ValidationError)
                stored[key] = _next_message(rooms[draft.room_id], authors[key[:2]], draft.client_id, body, now)
                posted.setdefault(draft.room_id, []).append(stored[key])
            outcomes.append(stored[key])
        if posted:
            messages = [message for messages in posted.values() for message in messages]
            statements.store(messages, [rooms[room_id] for room_id in posted])
        for room_id, messages in posted.items():
            _tell_after_commit(rooms[room_id], messages, tell, are_new=True)
    return outcomes


def edit_message(*, actor: User, room: Room, message_id: int, text: str) -> Message:
    """
    Replace the text of one's own message, and tell the room after the commit.

    Editing to the text that it has already changes nothing, so a repeated question is harmless.

    Raises:
        ValidationError: as ``post_messages``, or with the code ``no_such_message``, ``not_yours`` or ``deleted``.
    """
    body = _body(text)
    with transaction.atomic():
        place, message = _locked(actor, room, message_id)
        if message.author_id != actor.pk:
            raise ValidationError("Only its author can edit a message.", code="not_yours")
        if message.deleted:
            raise ValidationError("This message was deleted, so it cannot be edited.", code="deleted")
        if isinstance(body, ValidationError):
            raise body
        if message.text != body[0]:
            message.text, message.html = body
            message.edited = timezone.now()
            _store_change(place.room, message, "edited")
    return message


def delete_message(*, actor: User, room: Room, message_id: int) -> Message:
    """
    Leave only a tombstone of a message: one's own or, for moderators and the owner, anybody's.

    The text is gone for good; the row stays, so that those who are away learn of it. Deleting once more changes
    nothing.

    Raises:
        ValidationError: code ``not_a_member``, ``archived``, ``no_such_message`` or ``not_yours``.
    """
    with transaction.atomic():
        place, message = _locked(actor, room, message_id)
        if message.author_id != actor.pk and not place.may_moderate:
            raise ValidationError("Only its author and moderators can delete a message.", code="not_yours")
        if not message.deleted:
            message.text = message.html = ""
            message.deleted = timezone.now()
            _store_change(place.room, message, "deleted")
    return message


@dataclass(frozen=True, slots=True)
class ReadMark:
    """Somebody has read a room up to the place ``seq``."""

    room_id: int
    user_id: int
    seq: int


def mark_read(marks: Sequence[ReadMark], tell: Tell = events.tell) -> list[int | ValidationError]:
    """
    Remember how far people have read, and tell their other tabs after the commit.

    Each mark has its own outcome: the place that the reader has reached, never less than before and never more
    than there are messages; or a refusal with the code ``not_a_member``.
    """
    wanted: dict[tuple[int, int], int] = {}
    for mark in marks:
        key = (mark.room_id, mark.user_id)
        wanted[key] = max(mark.seq, wanted.get(key, 0))
    room_ids, user_ids = {room_id for room_id, _ in wanted}, {user_id for _, user_id in wanted}
    with transaction.atomic():
        places = Membership.objects.filter(room__in=room_ids, user__in=user_ids, user__is_active=True)
        rows = {
            (row[0], row[1]): row[2:]
            for row in places.values_list("room_id", "user_id", "last_read", "room__last_seq", "room__slug")
        }
        reached: dict[tuple[int, int], int] = {}
        # In one order, so that two processes never wait for each other's rows.
        for key in sorted(wanted.keys() & rows.keys()):
            last_read, last_seq, slug = rows[key]
            reached[key] = max(last_read, min(wanted[key], last_seq))
            if reached[key] > last_read:
                _move_on(*key, slug, reached[key], tell)
    refusal = ValidationError("Only members of a room can read it.", code="not_a_member")
    return [reached.get((mark.room_id, mark.user_id), refusal) for mark in marks]


def _move_on(room_id: int, user_id: int, slug: str, seq: int, tell: Tell) -> None:
    # Another tab, in another process, may have been further by now.
    behind = Membership.objects.filter(room=room_id, user=user_id, last_read__lt=seq)
    if behind.update(last_read=seq):
        transaction.on_commit(lambda: tell(events.has_read(user_id, slug, seq)), robust=True)


def _locked(actor: User, room: Room, message_id: int) -> tuple[Membership, Message]:
    """The actor's place, with the room as it is now, and the message; both rows are locked, the room's first."""
    locked = Room.objects.select_for_update().filter(pk=room.pk).first()
    place = Membership.objects.filter(room=room.pk, user=actor.pk, user__is_active=True).first()
    place = _require_writable(locked, place)
    # Only the message itself: its author may be gone, and PostgreSQL locks no row that may not be there.
    rows = Message.objects.select_for_update(of=("self",)).select_related("author")
    message = rows.filter(room=room.pk, pk=message_id).first()
    if message is None:
        raise ValidationError("There is no such message in this room.", code="no_such_message")
    return place, message


def _require_writable(room: Room | None, place: Membership | None) -> Membership:
    """The place of somebody who may write in the room, which is locked; else why not."""
    if refusal := _closed(room, place is not None):
        raise refusal
    assert place is not None
    assert room is not None
    place.room = room
    return place


def _closed(room: Room | None, is_member: bool) -> ValidationError | None:
    """Why somebody may not write in a room, if so."""
    if room is None or not is_member:
        return ValidationError("Only members of a room can write in it.", code="not_a_member")
    if room.archived:
        return ValidationError("This room is archived: it can be read, but not written in.", code="archived")
    return None


def _store_change(room: Room, message: Message, when: str) -> None:
    """Give a changed message the room's next number, save both and have the room told."""
    message.version = room.advance()
    message.save(update_fields=["text", "html", "version", when])
    room.save(update_fields=["head"])
    _tell_after_commit(room, [message], events.tell)


def _tell_after_commit(room: Room, changed: Sequence[Message], tell: Tell, *, are_new: bool = False) -> None:
    def tell_all() -> None:  # no partial: Django logs the __qualname__ of what fails, and a partial has none
        tell(events.changes(room, changed[0].version - 1, changed))
        if are_new and (news := get_activity().note(room)):
            tell(news)

    # Robust: a telling that fails is logged; the messages are stored, and their senders hear so.
    transaction.on_commit(tell_all, robust=True)


def _body(text: str) -> Body:
    """Text and HTML of a message, made before any lock is taken; or why there is none."""
    try:
        text = clean_text(text)
    except ValidationError as error:
        return error
    return text, render(text)


def _refusal(room: Room | None, author: User | None, body: Body) -> ValidationError | None:
    """Why a draft cannot be stored, if so."""
    return _closed(room, author is not None) or (body if isinstance(body, ValidationError) else None)


def _stored(drafts: Sequence[Draft]) -> dict[tuple[int, int | None, UUID], Message]:
    """Those of the drafts that have been stored before, as they are now."""
    messages = Message.objects.select_related("author").filter(
        room__in={draft.room_id for draft in drafts},
        author__in={draft.author_id for draft in drafts},
        client_id__in={draft.client_id for draft in drafts},
    )
    return {(message.room_id, message.author_id, message.client_id): message for message in messages}


def _next_message(room: Room, author: User, client_id: UUID, body: tuple[str, str], now: datetime) -> Message:
    """A message with the room's next numbers. The caller holds the lock of the room's row and saves both."""
    room.last_seq += 1
    room.last_posted = now
    text, html = body
    return Message(
        room_id=room.pk,
        author=author,
        seq=room.last_seq,
        version=room.advance(),
        client_id=client_id,
        text=text,
        html=html,
        created=now,
    )

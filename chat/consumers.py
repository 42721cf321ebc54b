"""Adapters between sockets and services: frames become service calls, and answers go back."""

import json
import logging
import reprlib
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import parse_qs
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async
from channels_core.generic.websocket import AsyncJsonWebsocketConsumer

from . import events, queries, services
from .events import CloseCode
from .journal import get_journal, unavailable
from .models import Message, Room, User
from .presence import get_presence
from .pulse import get_pulse

logger = logging.getLogger(__name__)

Frame = dict[str, Any]
MAX_REF_LENGTH = 64
MAX_SEQ = 2**63 - 1


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """Accepts first and refuses by a close code afterwards, so that a browser learns the reason."""

    # What a room is told goes from the hub to the socket: no mailbox is needed, in Redis or elsewhere.
    channel_layer_alias = None

    is_refused = False

    async def refuse(self, code: CloseCode) -> None:
        self.is_refused = True
        await self.close(code=code, reason=events.REASONS[code])

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Hand on what is a JSON object; a client that sends something else is broken and is told so."""
        if self.is_refused:  # what was on its way already
            return
        if text_data is None:
            return await self.refuse(CloseCode.MALFORMED)
        if len(text_data) > events.MAX_FRAME_BYTES or len(text_data.encode()) > events.MAX_FRAME_BYTES:
            return await self.refuse(CloseCode.TOO_BIG)
        try:
            frame = json.loads(text_data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return await self.refuse(CloseCode.MALFORMED)
        await self.receive_json(frame, **kwargs)


class RoomConsumer(ChatConsumer):
    """One browser tab in one room."""

    room: Room
    has_entered = False

    async def connect(self) -> None:
        await self.accept()
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            return await self.refuse(CloseCode.NOT_SIGNED_IN)
        try:
            since = self.since()
        except ValueError:
            return await self.refuse(CloseCode.MALFORMED)
        slug = self.scope["url_route"]["kwargs"]["slug"]
        room, place = await database_sync_to_async(queries.place_in)(self.user, slug)
        if room is None:
            return await self.refuse(CloseCode.NO_SUCH_ROOM)
        if place is None:
            return await self.refuse(CloseCode.NOT_A_MEMBER)
        await self.enter(room, since)

    def since(self) -> int | None:
        """The number of the last change that this reader knows of; ``ValueError`` for what is no such number."""
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        if "since" not in query:
            return None
        [text] = query["since"]
        if not (text.isascii() and text.isdigit() and int(text) <= MAX_SEQ):
            raise ValueError(f"Expected a number of a change, but got {text[:40]!r}.")
        return int(text)

    async def enter(self, room: Room, since: int | None) -> None:
        # Subscribe, then read: what happens in between is held back and follows the welcome, and is
        # harmless where the welcome has it already. In the other order it could be lost.
        async with self.subscribing(events.room_group(room.pk)):
            self.room, self.has_entered = room, True
            get_pulse().enter(room.pk)
            present = await get_presence().track(room.pk, events.person(self.user))
            page, recovered, people = await database_sync_to_async(_welcome)(room, present, since)
            get_hub().start_at(events.room_group(room.pk), page.head)
            await self.send_json(events.welcome(room, page.head, page.messages, page.more, people, recovered=recovered))

    async def disconnect(self, code: int) -> None:
        if self.has_entered:
            get_presence().untrack(self.room.pk, self.user.pk)
            get_pulse().leave(self.room.pk)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case {"ref": str() | int() as ref} if not isinstance(ref, bool) and len(str(ref)) <= MAX_REF_LENGTH:
                await self.send_json(await self.answer(ref, content))
            case _:
                await self.refuse(CloseCode.MALFORMED)

    async def answer(self, ref: str | int, frame: Frame) -> events.Event:
        """The reply to a frame. What cannot be done is refused by name; the socket lives on."""
        try:
            match frame:
                case {"type": "message.post"}:
                    return events.reply(ref, message=events.message(await self.post(frame)))
                case {"type": "message.edit"}:
                    message = await self.change(services.edit_message, frame, text=_text(frame, "text"))
                    return events.reply(ref, message=events.message(message))
                case {"type": "message.delete"}:
                    return events.reply(ref, message=events.message(await self.change(services.delete_message, frame)))
                case {"type": "history.get"}:
                    page = await self.history(frame)
                    messages = [events.message(message) for message in page.messages]
                    return events.reply(ref, head=page.head, messages=messages, more=page.more)
                case _:
                    return events.refused(ref, "unknown_type", f"Expected one of: {', '.join(events.ASKED)}.")
        except ValidationError as error:
            return events.refused_by(ref, error)

    async def post(self, frame: Frame) -> Message:
        draft = services.Draft(self.room.pk, self.user.pk, _uuid(frame, "client_id"), _text(frame, "text"))
        return await get_journal().post(draft)

    async def change(self, service: Callable[..., Message], frame: Frame, **fields: Any) -> Message:
        """What the service makes of the message that the frame names."""
        message_id = _number(frame, "id", MAX_SEQ)
        try:
            return await database_sync_to_async(service)(
                actor=self.user, room=self.room, message_id=message_id, **fields
            )
        except (OperationalError, InterfaceError) as error:
            logger.error("A message was not changed, the database does not answer: %s", error)
            raise unavailable() from error

    async def history(self, frame: Frame) -> queries.Page:
        if "since" in frame:
            since = _number(frame, "since", MAX_SEQ, least=0)
            return await database_sync_to_async(queries.changes_for)(self.user, self.room, since=since)
        before = _number(frame, "before", MAX_SEQ) if "before" in frame else None
        limit = _number(frame, "limit", events.MAX_PAGE_SIZE) if "limit" in frame else events.PAGE_SIZE
        return await database_sync_to_async(queries.history_for)(self.user, self.room, before=before, limit=limit)


class NoSuchAddressConsumer(ChatConsumer):
    """Every socket address that leads nowhere."""

    async def connect(self) -> None:
        await self.accept()
        await self.refuse(CloseCode.NO_SUCH_ROOM)


def _welcome(room: Room, present: set[int], since: int | None) -> tuple[queries.Page, bool, list[User]]:
    """What the welcome tells, in one visit to the database: all that was missed, or the newest page; never a part."""
    changes = queries.resumed(room, since) if since is not None else None
    return changes or queries.page_of(room), changes is not None, queries.people(present)


class InvalidField(ValidationError):
    """A field of a frame that is not what the protocol says."""

    def __init__(self, field: str, expected: str, came: Any) -> None:
        # Not repr(): it is as long as the frame, and fails on nesting that JSON could still read.
        super().__init__(f"Expected {field} to be {expected}, but got {reprlib.repr(came)}.", code="invalid")
        self.field = field


def _text(frame: Frame, field: str) -> str:
    if isinstance(value := frame.get(field), str):
        return value
    raise InvalidField(field, "a string", value)


def _number(frame: Frame, field: str, most: int, least: int = 1) -> int:
    value = frame.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise InvalidField(field, f"a whole number from {least} to {most}", value)


def _uuid(frame: Frame, field: str) -> UUID:
    try:
        return UUID(_text(frame, field))
    except ValueError:
        raise InvalidField(field, "a UUID", frame[field]) from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")

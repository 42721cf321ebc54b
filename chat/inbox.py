"""What all sockets of a person share: who they are, which questions they ask, and the inbox of their rooms."""

import logging
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError

from channels_core.broadcast import get_hub
from channels_core.generic.websocket import AsyncJsonWebsocketConsumer
from channels_core.types import Message

from . import events, frames, limits, services
from .access import Place
from .arrivals import Guest, encode, get_arrivals
from .events import CloseCode
from .frames import Frame
from .journal import AWAY_S, NotNow, get_journals, unavailable
from .models import User
from .pulse import get_pulse
from .sessions import FAMILY, SessionStore
from .watch import get_watch

logger = logging.getLogger(__name__)

MAX_REF_LENGTH = 64
LATER: dict[str, Any] = {}  # in place of an answer that comes when what was asked for is done
TRY_AGAIN_LATER = 1013  # RFC 6455's registry of close codes
FULL_S = 30.0  # when somebody with too many sockets may try again


class ChatConsumer(AsyncJsonWebsocketConsumer):
    """Accepts first and refuses by a close code afterwards, so that a browser learns the reason."""

    # What a room is told goes from the hub to the socket: no mailbox is needed, in Redis or elsewhere.
    channel_layer_alias = None

    is_refused = False

    async def websocket_connect(self, message: Message) -> None:
        try:
            await super().websocket_connect(message)
        except (OperationalError, InterfaceError) as error:
            logger.error("A socket was not let in, the database does not answer: %s", error)
            self.is_refused = True
            reason = f"The database does not answer. Try again in {limits.seconds(AWAY_S)} s."
            await self.close(code=TRY_AGAIN_LATER, reason=reason)

    async def refuse(self, code: CloseCode, **words: Any) -> None:
        self.is_refused = True
        await self.close(code=code, reason=events.REASONS[code].format(**words))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Hand on what is a JSON object; a client that sends something else is broken and is told so."""
        if self.is_refused:  # what was on its way already
            return
        if text_data is None:
            return await self.refuse(CloseCode.MALFORMED)
        if len(text_data) > events.MAX_FRAME_BYTES or len(text_data.encode()) > events.MAX_FRAME_BYTES:
            return await self.refuse(CloseCode.TOO_BIG)
        try:
            frame = frames.load(text_data)
        except (ValueError, RecursionError):
            return await self.refuse(CloseCode.MALFORMED)
        await self.receive_json(frame, **kwargs)


class InboxConsumer(ChatConsumer):
    """One browser tab without a room: what happens in the rooms of its person."""

    user: User
    user_id: int
    family: str | None = None
    password: str
    places: dict[int, Place]
    is_watched = False
    has_entered = False
    is_welcomed = False

    async def connect(self) -> None:
        await self.accept()
        self.user = self.scope["user"]
        wait = limits.handshakes.take(self.scope["client"][0]) if self.scope.get("client") else 0
        if not wait and not self.user.is_authenticated:
            return await self.refuse(CloseCode.NOT_SIGNED_IN)
        wait = wait or limits.handshakes.take(self.user.pk)
        if not wait and not limits.sockets.enter(self.user.pk):
            wait = FULL_S
        if wait:
            return await self.refuse(CloseCode.TOO_FAST, seconds=limits.seconds(wait))
        self.user_id, self.password, self.places = self.user.pk, self.user.password, {}
        # Before the look below: what is taken from this person is seen by that, or rings later and is heard.
        self.is_watched = True
        await get_watch().enter(self)
        if session := self.scope.get("session"):
            self.family = await session.aget(FAMILY)
            if isinstance(session, SessionStore):
                session.forget()
        places = await get_arrivals().places.ask(Guest(self.user_id, self.family, self.password))
        if places is None:
            return await self.refuse(CloseCode.NOT_SIGNED_IN)
        self.places = places
        await self.enter()

    async def enter(self) -> None:
        """Subscribe, and say welcome."""
        async with self.subscribing(events.INBOX_GROUP, *self.inbox_groups()):
            get_pulse().enter()
            self.has_entered = True
            self.start_activity()
            await self.send_json(events.inbox_welcome(self.places.values(), reader=self.user_id))
            self.is_welcomed = True

    async def disconnect(self, code: int) -> None:
        if self.has_entered:
            self.leave()  # first, as it awaits nothing: whoever is cancelled below is not present any more
        if self.is_watched:
            limits.sockets.leave(self.user_id)
            await get_watch().leave(self)

    def leave(self) -> None:
        """Undo what ``enter`` has counted."""
        get_pulse().leave()

    def inbox_groups(self) -> list[str]:
        return [events.user_group(self.user_id), *map(events.activity_group, self.places)]

    def start_activity(self) -> None:
        """Have what happens from the welcome on noticed, should its telling be lost."""
        for place in self.places.values():
            get_hub().start_at(events.activity_group(place.room_id), place.last_seq)

    # What the watch finds.

    async def end(self, code: CloseCode, reason: str, room: str | None = None) -> None:
        if not self.is_refused:
            self.is_refused = True
            self.tell(events.revoked(reason, room))
            self.close_soon(code, events.REASONS[code])

    async def gain(self, place: Place) -> None:
        self.tell(events.room_gained(place))
        await self.subscribe(events.activity_group(place.room_id))
        get_hub().start_at(events.activity_group(place.room_id), place.last_seq)

    async def learn(self, place: Place) -> None:
        self.tell(events.room_changed(place.facts))

    async def lose(self, place: Place, code: CloseCode, reason: str) -> None:
        self.tell(events.revoked(reason, place.facts.slug))
        await self.unsubscribe(events.activity_group(place.room_id))

    def tell(self, event: events.Event) -> None:
        """Say it behind what was said before, and in front of all that follows, however slowly they read."""
        self.send_soon(encode(event))

    # What is asked.

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        match content:
            case {"ref": str() | int() as ref} if not isinstance(ref, bool) and len(str(ref)) <= MAX_REF_LENGTH:
                if reply := await self.answer(ref, content):
                    await self.send_json(reply)
            case _:
                await self.refuse(CloseCode.MALFORMED)

    async def answer(self, ref: str | int, frame: Frame) -> events.Event | None:
        """The reply, or None if it comes later. What cannot be done is refused by name; the socket lives on."""
        try:
            fields = await self.do(frame)
        except ValidationError as error:
            return events.refused_by(ref, error)
        except (OperationalError, InterfaceError) as error:
            logger.error("A question was not answered, the database does not answer: %s", error)
            return events.refused_by(ref, unavailable())
        if fields is None:
            return events.refused(ref, "unknown_type", f"Expected one of: {', '.join(self.asked)}.")
        return None if fields is LATER else events.reply(ref, **fields)

    asked: Iterable[str] = ("read.set",)

    async def do(self, frame: Frame) -> dict[str, Any] | None:
        """Do what a frame asks for: what to answer, or None for what nobody knows here."""
        match frame:
            case {"type": "read.set"}:
                slug = frames.string(frame, "room")
                room_id = next((place.room_id for place in self.places.values() if place.facts.slug == slug), 0)
                return {"seq": await self.mark_read(room_id, frame)}
        return None

    def take(self, limit: limits.Limit) -> None:
        """Count one question of this person; ``NotNow`` if it comes too soon."""
        if wait := limit.take(self.user_id):
            raise NotNow(f"Too fast. Try again in {limits.seconds(wait)} s.", code="too_fast", retry_after=wait)

    async def mark_read(self, room_id: int, frame: Frame) -> int:
        self.take(limits.reads)
        mark = services.ReadMark(room_id, self.user_id, frames.number(frame, "seq", least=0))
        return await get_journals().reads.post(mark)

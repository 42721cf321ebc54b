"""Adapters between sockets and services: frames become service calls, and answers go back."""

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from channels_core.broadcast import broadcast, get_hub
from channels_core.db import database_sync_to_async
from channels_core.generic.connection import INTERNAL_ERROR

from . import events, frames, limits, queries, services
from .access import Place
from .arrivals import Arrival, encode, get_arrivals
from .events import CloseCode
from .frames import Frame
from .inbox import LATER, ChatConsumer, InboxConsumer
from .models import Message, Room
from .presence import get_presence
from .pulse import get_pulse
from .receipts import Receipts

logger = logging.getLogger(__name__)


class RoomConsumer(InboxConsumer):
    """One browser tab in one room; what happens in the other rooms of its person is told here, too."""

    asked = events.ASKED
    place: Place
    receipts: Receipts | None = None  # of the first post on

    async def enter(self) -> None:
        try:
            since = self.since()
        except ValueError:
            return await self.refuse(CloseCode.MALFORMED)
        slug = self.scope["url_route"]["kwargs"]["slug"]
        place = next((place for place in self.places.values() if place.facts.slug == slug), None)
        if place is None:
            exists = await database_sync_to_async(Room.objects.filter(slug=slug).exists)()
            return await self.refuse(CloseCode.NOT_A_MEMBER if exists else CloseCode.NO_SUCH_ROOM)
        self.place = place
        # Subscribe, then read: what happens in between is held back and follows the welcome, and is
        # harmless where the welcome has it already. In the other order it could be lost.
        async with self.subscribing(events.room_group(place.room_id), *self.inbox_groups()):
            await self.welcome(place, since)

    def since(self) -> int | None:
        """The number of the last change that this reader knows of; ``ValueError`` for what is no such number."""
        query = parse_qs(self.scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        if "since" not in query:
            return None
        [text] = query["since"]
        if not (text.isascii() and text.isdigit() and int(text) <= frames.MAX_NUMBER):
            raise ValueError(f"Expected a number of a change, but got {text[:40]!r}.")
        return int(text)

    async def welcome(self, place: Place, since: int | None) -> None:
        self.has_entered = True
        get_pulse().enter(place.room_id)
        presence = get_presence()
        present = await presence.track(place.room_id, events.person(self.user))
        told = await get_arrivals().welcomes.ask(Arrival(place, present, since))
        get_hub().start_at(events.room_group(place.room_id), told.head)
        self.start_activity()
        welcome = events.welcome(
            place,
            told.head,
            told.more,
            self.places.values(),
            reader=self.user_id,
            recovered=told.recovered,
            local=presence.is_local,
        )
        await self.send(encode(welcome, messages=told.messages, present=told.present))
        self.is_welcomed = True

    @property
    def room(self) -> Room:
        """The room, as far as it is known here; services look at the stored one."""
        return Room(pk=self.place.room_id, **self.place.facts._asdict())

    def leave(self) -> None:
        get_presence().untrack(self.place.room_id, self.user_id)
        get_pulse().leave(self.place.room_id)

    async def learn(self, place: Place) -> None:
        if place.room_id == self.place.room_id:
            self.place = place
        await super().learn(place)

    async def lose(self, place: Place, code: CloseCode, reason: str) -> None:
        if place.room_id == self.place.room_id:
            await self.end(code, reason, place.facts.slug)
        else:
            await super().lose(place, code, reason)

    async def do(self, frame: Frame) -> dict[str, Any] | None:
        match frame:
            case {"type": "message.post"}:
                await self.post(frame)
                return LATER
            case {"type": "message.edit"}:
                text = frames.string(frame, "text")
                return {"message": events.message(await self.change(services.edit_message, frame, text=text))}
            case {"type": "message.delete"}:
                return {"message": events.message(await self.change(services.delete_message, frame))}
            case {"type": "typing.start"}:
                await self.tell_typing()
                return {}
            case {"type": "read.set"}:
                return {"seq": await self.mark_read(self.place.room_id, frame)}
            case {"type": "history.get"}:
                page = await self.history(frame)
                return {"head": page.head, "messages": [*map(events.message, page.messages)], "more": page.more}
        return None

    async def post(self, frame: Frame) -> None:
        """Have it stored; the reply follows then, and the next frame need not wait for that."""
        self.take(limits.posts)
        draft = services.Draft(
            self.place.room_id, self.user_id, frames.uuid(frame, "client_id"), frames.string(frame, "text")
        )
        if self.receipts is None:
            self.receipts = Receipts(self.send_soon, self.fail)
        await self.receipts.post(frame["ref"], draft)

    def fail(self, error: BaseException) -> None:
        """Close for a bug of ours."""
        logger.error("A post failed: path %s, user %s.", self.scope["path"], self.user_id, exc_info=error)
        self.close_soon(INTERNAL_ERROR)

    async def websocket_disconnect(self, message: Any) -> None:
        if self.receipts:  # a server that stops lets the replies to what is running through
            await self.receipts.settle()
        await super().websocket_disconnect(message)

    async def change(self, service: Callable[..., Message], frame: Frame, **fields: Any) -> Message:
        """What the service makes of the message that the frame names."""
        self.take(limits.posts)
        message_id = frames.number(frame, "id")
        return await database_sync_to_async(service)(actor=self.user, room=self.room, message_id=message_id, **fields)

    async def tell_typing(self) -> None:
        self.take(limits.typing)
        group, event = events.room_group(self.place.room_id), events.typing(self.user)
        try:
            await broadcast(group, event)
        except Exception as error:  # whatever the layer raises: nobody misses a thing that is over in seconds
            logger.info("That somebody is typing was not told: %s", error)
            get_hub().tell(group, event)

    async def history(self, frame: Frame) -> queries.Page:
        self.take(limits.history)
        if "since" in frame:
            since = frames.number(frame, "since", least=0)
            return await database_sync_to_async(queries.changes_for)(self.user, self.room, since=since)
        before = frames.number(frame, "before") if "before" in frame else None
        limit = frames.number(frame, "limit", events.MAX_PAGE_SIZE) if "limit" in frame else events.PAGE_SIZE
        return await database_sync_to_async(queries.history_for)(self.user, self.room, before=before, limit=limit)


class NoSuchAddressConsumer(ChatConsumer):
    """Every socket address that leads nowhere."""

    async def connect(self) -> None:
        await self.accept()
        await self.refuse(CloseCode.NO_SUCH_ROOM)

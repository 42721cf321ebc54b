"""
What somebody who opens a socket reads: their places, and the welcome of a room.

Those who come at the same time read together, and what is the same for all of them is made once. The newest page of
a room is kept as it goes into a frame, with the room's head. It is told again only if a read that began after
somebody came still finds that head: each change of a room takes a new one.
"""

import asyncio
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from . import access, events, queries
from .access import Place
from .gathering import Gathering
from .models import Message, Room

KEPT_BYTES = 2**23  # of pages, in a process; characters, in fact

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))  # as hubs encode what is broadcast


class Guest(NamedTuple):
    """Somebody who opens a socket, as their session and account were a moment ago; see ``watch.Reader``."""

    user_id: int
    family: str | None
    password: str


class Arrival(NamedTuple):
    """Somebody has come into a room, where these people are; ``since`` is the last change that they know of."""

    place: Place
    present: set[int]
    since: int | None


@dataclass(frozen=True, slots=True)
class Welcome:
    """What there is to tell them: all that they have missed, or the newest page; never a part. JSON is encoded."""

    head: int
    more: bool
    recovered: bool
    messages: str
    present: str


@dataclass(frozen=True, slots=True)
class Page:
    """
    Messages as they go into a frame, but for their authors: these may have another name since, or be gone.

    ``parts``: each message's author's key, and the beginning of its JSON.
    """

    head: int
    more: bool
    parts: Sequence[tuple[int | None, str]]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(len(part) for _, part in self.parts))


class Arrivals:
    """Those who open sockets in one process."""

    def __init__(self) -> None:
        pages = Pages()
        self.places = Gathering[Guest, dict[int, Place] | None](_places)
        self.welcomes = Gathering[Arrival, Welcome](lambda arrivals: _welcomes(arrivals, pages))


class Pages:
    """The newest pages of the rooms that were read last. Two visits to the database may keep some at once."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}  # by room, the one that was kept last at the end
        self._size = 0
        self._lock = threading.Lock()

    def get(self, room_id: int, head: int | None) -> Page | None:
        """The page that is the room's newest at this head, if it is here."""
        page = self._pages.get(room_id)
        return page if page and page.head == head else None

    def keep(self, room_id: int, page: Page) -> None:
        with self._lock:
            if former := self._pages.pop(room_id, None):
                self._size -= former.size
            self._pages[room_id] = page
            self._size += page.size
            while self._pages and self._size > KEPT_BYTES:
                self._size -= self._pages.pop(next(iter(self._pages))).size


def _places(guests: Sequence[Guest]) -> list[dict[int, Place] | None]:
    """The rooms of each, by their keys; None for who is not signed in any more."""
    now = access.standing({guest.user_id for guest in guests}, {guest.family for guest in guests if guest.family})
    # Each socket has its own, from which the watch takes what has been taken from its person.
    return [dict(now.places_of(guest.user_id)) if now.is_signed_in(*guest) else None for guest in guests]


def _welcomes(arrivals: Sequence[Arrival], pages: Pages) -> list[Welcome]:
    """
    What each of them is told, in as few queries as it takes: nearly always one for the rooms and one for the people.

    What a room's head was when the places were read only says what is worth trying.
    """
    likely = {
        place.room_id for place, _, since in arrivals if since == place.head or pages.get(place.room_id, place.head)
    }
    heads = queries.heads(likely) if likely else {}
    read: dict[tuple[int, int | None], tuple[Page, bool]] = {}
    for place, _, since in arrivals:
        if (place.room_id, since) not in read:
            read[place.room_id, since] = _read(place.room_id, since, heads.get(place.room_id), pages)
    ids = {user_id for arrival in arrivals for user_id in arrival.present}
    ids |= {author for page, _ in read.values() for author, _ in page.parts if author}
    people = {person.pk: encode(events.person(person)) for person in queries.people(ids)}
    places = {user_id: number for number, user_id in enumerate(people)}  # by name
    messages = {
        key: _array(f"{part}{people.get(author or 0, 'null')}}}" for author, part in page.parts)
        for key, (page, _) in read.items()
    }
    welcomes = []
    for place, present, since in arrivals:
        page, recovered = read[place.room_id, since]
        known = sorted(present & people.keys(), key=places.__getitem__)
        welcomes.append(
            Welcome(
                page.head, page.more, recovered, messages[place.room_id, since], _array(map(people.__getitem__, known))
            )
        )
    return welcomes


def _read(room_id: int, since: int | None, head: int | None, pages: Pages) -> tuple[Page, bool]:
    """What somebody who knows all up to ``since`` is told, and whether that is what they missed. ``head``: if known."""
    if since is not None and since == head:
        return Page(head, False, []), True
    if since is not None and (changes := queries.resumed(Room(pk=room_id), since)):
        return _page(changes), True
    if page := pages.get(room_id, head):
        return page, False
    page = _page(queries.page_of(Room(pk=room_id)))
    pages.keep(room_id, page)
    return page, False


def _page(page: queries.Page) -> Page:
    return Page(page.head, page.more, [(message.author_id, _part(message)) for message in page.messages])


def _part(message: Message) -> str:
    """A message as JSON, up to its author."""
    event: dict[str, Any] = events.message(message)
    del event["author"]
    return encode(event)[:-1] + ',"author":'


def encode(event: events.Event, **fields: str) -> str:
    """The event as JSON, with these fields, which are JSON already, in place of its own."""
    rest = {name: value for name, value in event.items() if name not in fields}
    text = _encoder.encode(rest)
    return text[:-1] + "".join(f',"{name}":{field}' for name, field in fields.items()) + "}"


def _array(items: Iterable[str]) -> str:
    return f"[{','.join(items)}]"


_arrivals: WeakKeyDictionary[asyncio.AbstractEventLoop, Arrivals] = WeakKeyDictionary()


def get_arrivals() -> Arrivals:
    """The arrivals of this process: one object for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _arrivals:
        _arrivals[loop] = Arrivals()
    return _arrivals[loop]

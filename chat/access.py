"""Who may see what, as the database has it: read for sockets, when they open and when something has changed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone

from channels_core.auth import is_made_for

from .models import Membership, Room, Session, User


class Facts(NamedTuple):
    """What is said about a room."""

    slug: str
    name: str
    topic: str
    kind: str
    archived: bool


class Place(NamedTuple):
    """A room as one of its members has it. ``last_read``: how far they have read it; ``head``: when this was read."""

    room_id: int
    facts: Facts
    last_seq: int
    last_read: int
    head: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is so for some people and sessions at one moment."""

    passwords: Mapping[int, str]  # of the people who are active, as stored
    sessions: Mapping[str, Session]  # by family
    places: Mapping[int, Mapping[int, Place]]  # of each person, by room

    def places_of(self, user_id: int) -> Mapping[int, Place]:
        return self.places.get(user_id, {})

    def is_signed_in(self, user_id: int, family: str | None, password: str) -> bool:
        """Whether somebody whose ``password`` was that (as stored) when the session was looked at still is."""
        if family and family not in self.sessions:
            return False
        if password == self.passwords[user_id]:
            return True
        if not family:
            return False
        # The browser that has set the new password keeps its session; all others are logged out.
        session = self.sessions[family].get_decoded()
        return HASH_SESSION_KEY in session and is_made_for(session, User(password=self.passwords[user_id]))


def facts_of(room_ids: Iterable[int]) -> dict[int, Facts]:
    """What is said about those of the rooms that exist."""
    rows = Room.objects.filter(pk__in=room_ids).values_list("pk", *Facts._fields)
    return {room_id: Facts(*facts) for room_id, *facts in rows}


def standing(user_ids: Collection[int], families: Collection[str]) -> Standing:
    """How these people and sessions stand now."""
    sessions = Session.objects.filter(family__in=families, expire_date__gt=timezone.now())
    return Standing(
        passwords=dict(User.objects.filter(pk__in=user_ids, is_active=True).values_list("pk", "password")),
        sessions={session.family: session for session in sessions},
        places=places_of(user_ids),
    )


def places_of(user_ids: Collection[int]) -> dict[int, dict[int, Place]]:
    """The rooms of each of these people, by their keys."""
    # Plain rows: there may be thousands, every second while Redis is away.
    facts = [f"room__{name}" for name in Facts._fields]
    rows = Membership.objects.filter(user__in=user_ids).values_list(
        "user_id", "room_id", "room__last_seq", "last_read", "room__head", *facts
    )
    places: dict[int, dict[int, Place]] = {}
    for user_id, room_id, last_seq, last_read, head, *facts in rows:
        places.setdefault(user_id, {})[room_id] = Place(room_id, Facts(*facts), last_seq, last_read, head)
    return places

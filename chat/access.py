"""Who may see what, as the database has it: read for sockets, when they open and when something has changed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from django.contrib.auth import HASH_SESSION_KEY
from django.db import connection
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


# In SQL of our own: each socket comes by here, and putting the query together takes longer than having it answered.
STANDING = f"""
    SELECT person.id, person.password, NULL, place.room_id, room.last_seq, place.last_read, room.head,
           {", ".join(f"room.{name}" for name in Facts._fields)}
      FROM {User._meta.db_table} person
      LEFT JOIN {Membership._meta.db_table} place ON place.user_id = person.id
      LEFT JOIN {Room._meta.db_table} room ON room.id = place.room_id
     WHERE person.is_active AND person.id IN ({{people}})
    UNION ALL
    SELECT NULL, family, session_data, NULL, NULL, NULL, NULL, {", ".join("NULL" for _ in Facts._fields)}
      FROM {Session._meta.db_table} WHERE family IN ({{families}}) AND expire_date > %s
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is so for some people and sessions at one moment."""

    passwords: dict[int, str]  # of the people who are active, as stored
    sessions: dict[str, Session]  # by family
    places: dict[int, dict[int, Place]]  # of each person who is active, by room

    def places_of(self, user_id: int) -> Mapping[int, Place]:
        return self.places.get(user_id, {})

    def is_signed_in(self, user_id: int, family: str | None, password: str) -> bool:
        """Whether somebody whose ``password`` was that (as stored) when the session was looked at still is."""
        if user_id not in self.passwords or (family and family not in self.sessions):
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
    """How these people and sessions stand now: read in one statement, so that all of it is of one moment."""
    sql = STANDING.format(people=_marks(user_ids), families=_marks(families))
    moment = connection.ops.adapt_datetimefield_value(timezone.now())
    now = Standing({}, {}, {})
    with connection.cursor() as cursor:
        cursor.execute(sql, [*user_ids, *families, moment])
        for user_id, key, data, room_id, last_seq, last_read, head, *facts in cursor.fetchall():
            if user_id is None:
                now.sessions[key] = Session(session_data=data)
                continue
            now.passwords[user_id] = key
            if room_id is not None:
                slug, name, topic, kind, archived = facts
                place = Place(room_id, Facts(slug, name, topic, kind, bool(archived)), last_seq, last_read, head)
                now.places.setdefault(user_id, {})[room_id] = place
    return now


def _marks(values: Collection[object]) -> str:
    return ", ".join(["%s"] * len(values)) or "NULL"  # which nothing is in

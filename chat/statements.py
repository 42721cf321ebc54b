"""
What posting asks of the database, in SQL that PostgreSQL and SQLite both understand.

Every message takes this path. Django's querysets say the same in fewer words, but putting one together takes ten
times as long as running it, and of a transaction that stores a few messages that would be most of the time. Each
statement stands for itself, whatever the size of a batch. The caller has a transaction open.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.core.checks import Error
from django.db import connection

from .models import Membership, Message, Room, User

ROOM_FIELDS = ("id", "slug", "archived", "head", "last_seq")
AUTHOR_FIELDS = ("id", "username", "display_name", "colour")
MESSAGE_FIELDS = ("room_id", "author_id", "seq", "version", "client_id", "text", "html", "created")
MAX_ROWS = 500  # of one INSERT: SQLite takes 32,766 values


class Repeated(Exception):
    """Something among what was to be stored has been stored before; nothing of it may stay."""


def check(**kwargs: Any) -> list[Error]:
    """Django's system check: whether the database understands this."""
    if connection.vendor in ("postgresql", "sqlite") and connection.features.can_return_rows_from_bulk_insert:
        return []
    return [
        Error(
            f"Messages cannot be stored in this {connection.display_name}.",
            hint="Take PostgreSQL, or SQLite 3.35 or newer, which brings back the keys of what is inserted.",
            id="chat.E001",
        )
    ]


def lock_rooms(room_ids: Collection[int]) -> dict[int, Room]:
    """
    Those of the rooms that exist, locked, with ``ROOM_FIELDS``; Django fetches others if they are asked for.

    In the order of their keys, so that two batches never wait for each other's rooms.
    """
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = _rows(
        f"SELECT {', '.join(ROOM_FIELDS)} FROM {_table(Room)} WHERE id IN ({_marks(room_ids)}) ORDER BY id{lock}",
        room_ids,
    )
    return {row[0]: Room.from_db(connection.alias, ROOM_FIELDS, row) for row in rows}


def authors(room_ids: Collection[int], user_ids: Collection[int]) -> dict[tuple[int, int], User]:
    """Who of the people is a member of which of the rooms, and active, with ``AUTHOR_FIELDS``; by room and person."""
    columns = ", ".join(f"person.{name}" for name in AUTHOR_FIELDS)
    rows = _rows(
        f"SELECT place.room_id, {columns} FROM {_table(Membership)} place "
        f"JOIN {_table(User)} person ON person.id = place.user_id "
        f"WHERE place.room_id IN ({_marks(room_ids)}) AND place.user_id IN ({_marks(user_ids)}) AND person.is_active",
        [*room_ids, *user_ids],
    )
    people = {row[1]: User.from_db(connection.alias, AUTHOR_FIELDS, row[1:]) for row in rows}
    return {(row[0], row[1]): people[row[1]] for row in rows}


def insert(messages: Sequence[Message]) -> None:
    """
    Store new messages of one moment, which get their keys.

    Raises:
        Repeated: one of them has the room, author and ``client_id`` of one that is stored.
    """
    for start in range(0, len(messages), MAX_ROWS):
        _insert(messages[start : start + MAX_ROWS])


def save_numbers(rooms: Sequence[Room]) -> None:
    """Store how far rooms have come, all at the same moment."""
    numbers = [number for room in rooms for number in (room.pk, room.head, room.last_seq)]
    with connection.cursor() as cursor:
        # The names of the columns are those that VALUES has in both databases.
        cursor.execute(
            f"UPDATE {_table(Room)} SET head = column2, last_seq = column3, last_posted = %s "
            f"FROM (VALUES {', '.join(['(%s, %s, %s)'] * len(rooms))}) numbers WHERE id = column1",
            [_adapted(rooms[0].last_posted), *numbers],
        )


def _insert(messages: Sequence[Message]) -> None:
    created, is_uuid_known = _adapted(messages[0].created), connection.features.has_native_uuid_field
    values: list[Any] = []
    for message in messages:
        values += (message.room_id, message.author_id, message.seq, message.version)
        values += (message.client_id if is_uuid_known else message.client_id.hex, message.text, message.html, created)
    row = f"({_marks(MESSAGE_FIELDS)})"
    stored = _rows(
        f"INSERT INTO {_table(Message)} ({', '.join(MESSAGE_FIELDS)}) VALUES {', '.join([row] * len(messages))} "
        "ON CONFLICT (room_id, author_id, client_id) DO NOTHING RETURNING id, room_id, seq",
        values,
    )
    if len(stored) < len(messages):
        raise Repeated
    keys = {(room_id, seq): key for key, room_id, seq in stored}
    for message in messages:
        message.pk = keys[message.room_id, message.seq]
        message._state.adding = False
        message._state.db = connection.alias


def _adapted(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _rows(sql: str, values: Collection[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [*values])
        return cursor.fetchall()


def _marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


@cache
def _table(model: type[Room] | type[Membership] | type[Message] | type[User]) -> str:
    return connection.ops.quote_name(model._meta.db_table)

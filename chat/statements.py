"""
What posting asks of the database, in SQL that PostgreSQL and SQLite both understand.

Every message takes this path. Django's querysets say the same in fewer words, but putting one together takes ten
times as long as running it, and of a transaction that stores a few messages that would be most of the time. However
large a batch is, its statements are the same. The caller has a transaction open.
"""

import json
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from django.core.checks import Error
from django.db import connection

from .models import Membership, Message, Room, User

ROOM_FIELDS = ("id", "slug", "archived", "head", "last_seq")
AUTHOR_FIELDS = ("id", "username", "display_name", "colour")
MESSAGE_FIELDS = {  # with their types in PostgreSQL
    **dict.fromkeys(("room_id", "author_id", "seq", "version"), "bigint"),
    "client_id": "uuid",
    "text": "text",
    "html": "text",
    "created": "timestamptz",
}
Statement = tuple[str, list[Any]]  # SQL that answers with rows, and its values


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


def lock(room_ids: Collection[int], user_ids: Collection[int]) -> tuple[dict[int, Room], dict[tuple[int, int], User]]:
    """
    Those of the rooms that exist, locked; and who of the people is active and a member of which, by room and person.

    They have ``ROOM_FIELDS`` and ``AUTHOR_FIELDS``; Django fetches others if they are asked for. Rooms are locked in
    the order of their keys, so that two batches never wait for each other's, and people looked at afterwards, so that
    nobody counts who was put out while the lock was waited for.
    """
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    columns = ", ".join(f"person.{name}" for name in AUTHOR_FIELDS)
    rooms, members = _ask(
        (
            f"SELECT {', '.join(ROOM_FIELDS)} FROM {_table(Room)} WHERE id IN ({_marks(room_ids)}) ORDER BY id{lock}",
            [*room_ids],
        ),
        (
            f"SELECT place.room_id, {columns} FROM {_table(Membership)} place "
            f"JOIN {_table(User)} person ON person.id = place.user_id WHERE person.is_active "
            f"AND place.room_id IN ({_marks(room_ids)}) AND place.user_id IN ({_marks(user_ids)})",
            [*room_ids, *user_ids],
        ),
    )
    people = {row[1]: User.from_db(connection.alias, AUTHOR_FIELDS, row[1:]) for row in members}
    return (
        {row[0]: Room.from_db(connection.alias, ROOM_FIELDS, row) for row in rooms},
        {(row[0], row[1]): people[row[1]] for row in members},
    )


def store(messages: Sequence[Message], rooms: Sequence[Room]) -> None:
    """
    Store new messages of one moment, which get their keys, and how far their rooms have come.

    Raises:
        Repeated: one of them has the room, author and ``client_id`` of one that is stored.
    """
    moment = connection.ops.adapt_datetimefield_value(messages[0].created)
    rows = [
        (each.room_id, each.author_id, each.seq, each.version, each.client_id.hex, each.text, each.html, moment)
        for each in messages
    ]
    source, values = _as_json(rows) if connection.vendor == "postgresql" else _as_values(rows)
    stored, _ = _ask(
        (
            f"INSERT INTO {_table(Message)} ({', '.join(MESSAGE_FIELDS)}) {source} "
            "ON CONFLICT (room_id, author_id, client_id) DO NOTHING RETURNING id, room_id, seq",
            values,
        ),
        (
            # The names of the columns are those that VALUES has in both databases.
            f"UPDATE {_table(Room)} SET head = column2, last_seq = column3, last_posted = %s "
            f"FROM (VALUES {', '.join(['(%s, %s, %s)'] * len(rooms))}) numbers WHERE id = column1 RETURNING id",
            [moment, *(number for room in rooms for number in (room.pk, room.head, room.last_seq))],
        ),
    )
    if len(stored) < len(messages):
        raise Repeated
    keys = {(room_id, seq): key for key, room_id, seq in stored}
    for message in messages:
        message.pk = keys[message.room_id, message.seq]
        message._state.adding = False
        message._state.db = connection.alias


def _as_values(rows: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    return f"VALUES {', '.join([f'({_marks(MESSAGE_FIELDS)})'] * len(rows))}", [value for row in rows for value in row]


def _as_json(rows: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
    """One value instead of hundreds, each of which psycopg and PostgreSQL would look at by itself."""
    columns = ", ".join(f"{name} {kind}" for name, kind in MESSAGE_FIELDS.items())
    records = json.dumps([dict(zip(MESSAGE_FIELDS, row, strict=True)) for row in rows], default=str)
    return f"SELECT * FROM json_to_recordset(%s) AS messages({columns})", [records]


def _ask(*statements: Statement) -> list[list[tuple[Any, ...]]]:
    """
    The rows of each statement: in one go where the database takes several at a time, else one after the other.

    Going there and back costs more than what is asked. PostgreSQL gives each the data of its own moment nevertheless.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql" and not connection.settings_dict["OPTIONS"].get("server_side_binding"):
            cursor.execute(
                "; ".join(sql for sql, _ in statements), [each for _, values in statements for each in values]
            )
            answers = [cursor.fetchall()]
            while cursor.nextset():
                answers.append(cursor.fetchall())
            return answers
        answers = []
        for sql, values in statements:
            cursor.execute(sql, values)
            answers.append(cursor.fetchall())
        return answers


def _marks(values: Collection[Any]) -> str:
    return ", ".join(["%s"] * len(values))


@cache
def _table(model: type[Room] | type[Membership] | type[Message] | type[User]) -> str:
    return connection.ops.quote_name(model._meta.db_table)

"""What the hub of a process asks when it has missed something of a room."""

from collections.abc import Collection

from channels_core.db import database_sync_to_async
from channels_core.recovery import Source, register

from . import events, queries


async def heads(groups: Collection[str]) -> dict[str, int]:
    """The numbers of the rooms' last changes, in one query."""
    found = await database_sync_to_async(queries.heads)([events.room_of(group) for group in groups])
    return {events.room_group(room_id): head for room_id, head in found.items()}


async def fetch(group: str, after: int) -> tuple[events.Event, int]:
    """What has changed in a room, as it would have been told."""
    page = await database_sync_to_async(queries.changes_of)(events.room_of(group), after)
    return events.messages(after, page.head, page.messages), page.head


def connect() -> None:
    """Have the hubs ask here."""
    register(events.ROOM_GROUPS, Source(heads, fetch))

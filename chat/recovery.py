"""What the hub of a process asks when it has missed something."""

from collections.abc import Collection

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async
from channels_core.recovery import Source, register

from . import events, queries
from .watch import get_watch


async def heads(groups: Collection[str]) -> dict[str, int]:
    """The numbers of the rooms' last changes and the places of their last messages, in one query."""
    heads = await database_sync_to_async(queries.positions)({events.key_of(group) for group in groups})
    found: dict[str, int] = {}
    for room_id, (head, last_seq) in heads.items():
        found[events.room_group(room_id)] = head
        found[events.activity_group(room_id)] = last_seq
    return {group: found[group] for group in groups if group in found}


async def fetch(group: str, after: int) -> tuple[events.Event, int]:
    """What has changed in a room, or the place of its last message: as it would have been told."""
    room_id = events.key_of(group)
    if group.startswith(events.ACTIVITY_GROUPS):
        slug, last_seq = await database_sync_to_async(queries.activity_of)(room_id)
        return events.activity(slug, last_seq), last_seq
    page = await database_sync_to_async(queries.changes_of)(room_id, after)
    return events.messages(after, page.head, page.messages), page.head


async def missed() -> None:
    """What is not numbered: who is still who, and may still see what."""
    get_watch().look_around(is_heard=get_hub().is_heard)


def connect() -> None:
    """Have the hubs ask here."""
    source = Source(heads, fetch, missed)
    register(events.ROOM_GROUPS, source)
    register(events.ACTIVITY_GROUPS, source)

"""
People, rooms and log-ins in a database, and what is stored in the end: ``python -m tests.faults.world``.

A process of its own, because its database is not that of the tests; ``World`` is its other end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.elsewhere import Elsewhere, answer
from tests.faults.history import State, Stored
from tests.faults.tabs import Person


class World(Elsewhere):
    """The database as the project sees it, asked from a process that has another one."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        super().__init__("tests.faults.world", environment, log)

    def people(self, prefix: str, count: int) -> list[Person]:
        """People who are logged in."""
        return [Person(*each) for each in self.ask("people", prefix, count)]

    def room(self, slug: str, members: list[int]) -> None:
        self.ask("room", slug, members)

    def put_out(self, slug: str, person: int) -> None:
        """End a membership; returns after the commit."""
        self.ask("put_out", slug, person)

    def stored(self, slugs: list[str]) -> dict[str, Stored]:
        """The rooms as they are now."""
        return {
            slug: Stored(head, last_seq, set(members), [State(*message) for message in messages])
            for slug, (head, last_seq, members, messages) in self.ask("stored", slugs).items()
        }

    def heads(self, slugs: list[str]) -> dict[str, int]:
        heads: dict[str, int] = self.ask("heads", slugs)
        return heads


def people(prefix: str, count: int) -> list[tuple[int, str]]:
    from django.conf import settings

    from tests.people import make_person, session_key

    made = [make_person(f"{prefix}-{number}") for number in range(count)]
    return [(person.pk, f"{settings.SESSION_COOKIE_NAME}={session_key(person)}") for person in made]


def room(slug: str, members: list[int]) -> None:
    from chat.models import User
    from tests.people import make_room

    make_room(slug, User.objects.filter(pk__in=members).order_by("pk"))


def put_out(slug: str, person: int) -> None:
    from chat.models import Membership

    Membership.objects.get(room__slug=slug, user=person).delete()


def heads(slugs: list[str]) -> dict[str, int]:
    from chat.models import Room

    return dict(Room.objects.filter(slug__in=slugs).values_list("slug", "head"))


def stored(slugs: list[str]) -> dict[str, Any]:
    from chat.models import Room

    fields = ("id", "seq", "version", "client_id", "author_id", "text", "deleted")
    rooms = {}
    for room in Room.objects.filter(slug__in=slugs):
        rows = room.messages.order_by("seq").values_list(*fields)
        messages = [(*row[:3], str(row[3]), *row[4:6], bool(row[6])) for row in rows]
        members = list(room.memberships.values_list("user_id", flat=True))
        rooms[room.slug] = (room.head, room.last_seq, members, messages)
    return rooms


if __name__ == "__main__":
    answer(people, room, put_out, heads, stored)

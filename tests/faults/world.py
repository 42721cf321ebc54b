"""
People, rooms and log-ins in a database, and what is stored in the end: ``python -m tests.faults.world``.

A process of its own, because its database is not that of the tests. It reads a question in each line of its
input, ``[name, arguments]`` as JSON, and answers with a line of JSON. ``World`` is the other end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults.history import State, Stored
from tests.faults.tabs import Person


class World:
    """The database as the project sees it, asked from a process that has another one."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.world"],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def ask(self, name: str, **arguments: Any) -> Any:
        """The answer to a question; RuntimeError with what the process said when it ends instead."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        raise RuntimeError(f"{name} failed:\n{self._log.read_text()[-4000:]}")

    def migrate(self) -> None:
        self.ask("migrate")

    def people(self, prefix: str, count: int) -> list[Person]:
        """People who are logged in."""
        return [Person(*each) for each in self.ask("people", prefix=prefix, count=count)]

    def room(self, slug: str, members: list[int]) -> None:
        self.ask("room", slug=slug, members=members)

    def put_out(self, slug: str, person: int) -> None:
        """End a membership; returns after the commit."""
        self.ask("put_out", slug=slug, person=person)

    def stored(self, slugs: list[str]) -> dict[str, Stored]:
        """The rooms as they are now."""
        return {
            slug: Stored(head, last_seq, set(members), [State(*message) for message in messages])
            for slug, (head, last_seq, members, messages) in self.ask("stored", slugs=slugs).items()
        }

    def heads(self, slugs: list[str]) -> dict[str, int]:
        heads: dict[str, int] = self.ask("heads", slugs=slugs)
        return heads

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class _Answers:
    """What the process does for each question."""

    def migrate(self) -> None:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def people(self, prefix: str, count: int) -> list[tuple[int, str]]:
        from django.conf import settings

        from tests.people import make_person, session_key

        people = [make_person(f"{prefix}-{number}") for number in range(count)]
        return [(person.pk, f"{settings.SESSION_COOKIE_NAME}={session_key(person)}") for person in people]

    def room(self, slug: str, members: list[int]) -> None:
        from chat.models import User
        from tests.people import make_room

        make_room(slug, User.objects.filter(pk__in=members).order_by("pk"))

    def put_out(self, slug: str, person: int) -> None:
        from chat.models import Membership

        Membership.objects.get(room__slug=slug, user=person).delete()

    def heads(self, slugs: list[str]) -> dict[str, int]:
        from chat.models import Room

        return dict(Room.objects.filter(slug__in=slugs).values_list("slug", "head"))

    def stored(self, slugs: list[str]) -> dict[str, Any]:
        from chat.models import Room

        fields = ("id", "seq", "version", "client_id", "author_id", "text", "deleted")
        stored = {}
        for room in Room.objects.filter(slug__in=slugs):
            rows = room.messages.order_by("seq").values_list(*fields)
            messages = [(*row[:3], str(row[3]), *row[4:6], bool(row[6])) for row in rows]
            members = list(room.memberships.values_list("user_id", flat=True))
            stored[room.slug] = (room.head, room.last_seq, members, messages)
        return stored


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    import django

    django.setup()
    from django.db import connection

    answers = _Answers()
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = getattr(answers, name)(**arguments)
        finally:
            connection.close()  # the database may be restarted between two questions
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""
People, rooms and log-ins for a site: ``python -m benchmarks.people``, and its other end.

It is a process of its own, as the site's settings are read from the environment once in a process. It reads
``[name, arguments]`` in each line of its input, as JSON, and answers with a line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
FILLING = "the quick brown fox jumps over the lazy dog, message"


class People:
    """A site's database, filled without the forms that a person would fill in."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._rooms: dict[str, list[str]] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.people"],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask("migrate")

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer to a question; RuntimeError where the process ends instead."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        raise RuntimeError(f"{name} failed; what it said is above.")

    def cookies(self, room: str, count: int, backend: str = MODEL_BACKEND) -> list[str]:
        """
        The Cookie header of each of so many people, who are the members of that room; made at the first call.

        ``backend``: what they have been logged in by, and are looked up with.
        """
        if len(self._rooms.get(room, ())) < count:
            self._rooms[room] = self.ask("room", room, count, backend)
        return self._rooms[room][:count]

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def room(slug: str, count: int, backend: str) -> list[str]:
    """So many people who are logged in; in the chat they are the members of a public room."""
    from django.apps import apps
    from django.contrib.auth import get_user_model
    from django.contrib.auth.hashers import make_password
    from django.db import transaction

    users = get_user_model()._default_manager
    password = make_password(None)  # nobody logs in with one
    with transaction.atomic():
        users.bulk_create(users.model(username=f"{slug}-{number}", password=password) for number in range(count))
        people = list(users.filter(username__startswith=f"{slug}-").order_by("pk"))
        if apps.is_installed("chat"):
            from tests.people import make_room

            make_room(slug, people)
        return _log_in(people, backend)


def _log_in(people: Iterable[AbstractBaseUser], backend: str) -> list[str]:
    """What the browsers send in which they have logged in; all sessions are stored at once."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    store = import_module(settings.SESSION_ENGINE).SessionStore
    sessions = [
        store(token_hex(16)).create_model_instance(
            {
                SESSION_KEY: str(person.pk),
                BACKEND_SESSION_KEY: backend,
                HASH_SESSION_KEY: person.get_session_auth_hash(),
            }
        )
        for person in people
    ]
    store.get_model_class().objects.bulk_create(sessions)
    return [f"{settings.SESSION_COOKIE_NAME}={session.session_key}" for session in sessions]


def history(slug: str, count: int) -> int:
    """Have so many messages in a room of the chat from before anybody looked; how many it has then."""
    from chat.models import Room
    from tests.people import fill

    room = Room.objects.get(slug=slug)
    author = room.memberships.select_related("user").earliest("pk").user
    fill(room, author, (f"{FILLING} {number}" for number in range(room.last_seq, count)))
    return room.last_seq


def main() -> None:
    import django

    django.setup()
    answers: dict[str, Callable[..., Any]] = {"migrate": migrate, "room": room, "history": history}
    for line in sys.stdin:
        name, arguments = json.loads(line)
        sys.stdout.write(json.dumps(answers[name](*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    main()

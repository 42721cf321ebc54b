"""People, rooms and log-ins for a site: ``python -m benchmarks.people``, and its other end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from secrets import token_hex
from typing import TYPE_CHECKING

from tests.elsewhere import Elsewhere, answer

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
FILLING = "the quick brown fox jumps over the lazy dog, message"


class People(Elsewhere):
    """A site's database, filled without the forms that a person would fill in."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__("benchmarks.people", environment)
        self._rooms: dict[str, list[str]] = {}
        self.migrate()

    def cookies(self, room: str, count: int, backend: str = MODEL_BACKEND) -> list[str]:
        """
        The Cookie header of each of so many people, who are the members of that room; made at the first call.

        ``backend``: what they have been logged in by, and are looked up with.
        """
        if len(self._rooms.get(room, ())) < count:
            self._rooms[room] = self.ask("room", room, count, backend)
        return self._rooms[room][:count]


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


if __name__ == "__main__":
    answer(room, history)

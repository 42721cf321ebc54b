"""People and places for the tests, made without the forms that a person would fill in."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from chat.models import Membership, Message, Room, User
from chat.rendering import render

PASSWORD = "correct horse battery staple"


def make_person(username: str, **fields: object) -> User:
    """Somebody with an account, who logs in with ``PASSWORD``."""
    return User.objects.create(**{"username": username, "password": hashed_password(), **fields})


@cache
def hashed_password() -> str:
    """``PASSWORD`` as it is stored; hashing well is slow on purpose, so everybody shares one hash."""
    return make_password(PASSWORD)


def make_room(slug: str, members: Iterable[User] = (), **fields: object) -> Room:
    """
    The room of that address, with ``members`` in it; the first of them owns it.

    A room that is there already, as ``lobby`` is after the migrations, is taken over.
    """
    room, _ = Room.objects.update_or_create(slug=slug, defaults={"name": slug.title(), **fields})
    roles = Membership.Role
    Membership.objects.bulk_create(
        Membership(room=room, user=user, role=roles.MEMBER if number else roles.OWNER)
        for number, user in enumerate(members)
    )
    return room


def fill(room: Room, author: User, texts: Iterable[str]) -> list[Message]:
    """Messages from before anybody looked: stored, numbered, told to nobody."""
    messages = [
        Message(room=room, author=author, seq=number, version=number, text=text, html=render(text))
        for number, text in enumerate(texts, start=room.head + 1)
    ]
    Message.objects.bulk_create(messages)
    room.head = room.last_seq = room.head + len(messages)
    room.last_posted = timezone.now()
    room.save()
    return messages


def session_key(user: User) -> str:
    """The value of the session cookie of a browser in which ``user`` has logged in."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key

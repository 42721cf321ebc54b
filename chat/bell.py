"""
The bell: what was changed about people, rooms or sessions is looked at by every process that has sockets of theirs.

It only rings; what is so now stands in the database (``watch`` reads it). It rings whoever makes the change: a page,
the admin, a command or a shell.
"""

import threading
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save

from . import events
from .models import Membership, Room, User

GROUP = "bell"  # the broadcast group that processes listen to
KINDS = ("users", "rooms", "sessions")

# What a message or a log-in changes is of no concern to anybody's access.
ROOM_NUMBERS = {"head", "last_seq", "last_posted"}
USER_ACCESS = {"password", "is_active"}

_rung = threading.local()


def ring(**concerned: Iterable[Any]) -> None:
    """
    Once the transaction is committed, have these looked at: keys of ``users`` and ``rooms``, families of ``sessions``.

    However often it is called in a transaction, it rings once.
    """
    pending = vars(_rung).setdefault("pending", {kind: set() for kind in KINDS})
    for kind, keys in concerned.items():
        pending[kind].update(key for key in keys if key is not None)
    transaction.on_commit(_publish, robust=True)


def connect() -> None:
    """Ring when a model changes that says who may see what."""
    post_save.connect(_user_saved, User)
    post_delete.connect(_user_deleted, User)
    post_save.connect(_membership_changed, Membership)
    post_delete.connect(_membership_changed, Membership)
    post_save.connect(_room_saved, Room)
    post_delete.connect(_room_deleted, Room)


def _publish() -> None:
    pending = vars(_rung).pop("pending", {})
    if any(pending.values()):
        events.publish(GROUP, {kind: sorted(keys) for kind, keys in pending.items()})


def _user_saved(instance: User, created: bool, update_fields: Iterable[str] | None, **kwargs: Any) -> None:
    if not created and (update_fields is None or not USER_ACCESS.isdisjoint(update_fields)):
        ring(users=[instance.pk])


def _user_deleted(instance: User, **kwargs: Any) -> None:
    ring(users=[instance.pk])


def _membership_changed(instance: Membership, **kwargs: Any) -> None:
    ring(users=[instance.user_id])


def _room_saved(instance: Room, created: bool, update_fields: Iterable[str] | None, **kwargs: Any) -> None:
    if not created and (update_fields is None or not ROOM_NUMBERS.issuperset(update_fields)):
        ring(rooms=[instance.pk])


def _room_deleted(instance: Room, **kwargs: Any) -> None:
    ring(rooms=[instance.pk])

"""
Django's sessions, in a table of our own: each knows its ``family``, a name that a change of its key leaves alone.

It tells apart the browser that has changed a password from those that are logged out by it, and processes that have
sockets of a session learn of its end (``bell``). SESSION_ENGINE names this module.
"""

from secrets import token_hex
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.sessions.backends import db
from django.contrib.sessions.base_session import AbstractBaseSession

from . import bell
from .models import Session

FAMILY = "_family"


class SessionStore(db.SessionStore):
    """Keeps ``FAMILY`` in each session and beside it."""

    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        data.setdefault(FAMILY, token_hex(16))
        row = super().create_model_instance(data)
        row.family = data[FAMILY]  # type: ignore[attr-defined] # it is our model's
        return row

    async def acreate_model_instance(self, data: dict[str, Any]) -> AbstractBaseSession:
        data.setdefault(FAMILY, token_hex(16))
        row = await super().acreate_model_instance(data)
        row.family = data[FAMILY]  # type: ignore[attr-defined] # as above
        return row

    def flush(self) -> None:
        family = self.get(FAMILY)
        super().flush()
        bell.ring(sessions=[family])

    async def aflush(self) -> None:
        family = await self.aget(FAMILY)
        await super().aflush()
        await sync_to_async(bell.ring)(sessions=[family])

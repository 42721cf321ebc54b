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
from django.db import connection
from django.utils import timezone

from . import bell
from .models import Session

FAMILY = "_family"
LOAD = f"SELECT session_data FROM {Session._meta.db_table} WHERE session_key = %s AND expire_date > %s"


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

    def load(self) -> dict[str, Any]:
        """
        As Django's, in SQL of our own: each request and each socket comes by here, and putting the query together
        takes three times as long as having it answered.
        """
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        with connection.cursor() as cursor:
            cursor.execute(LOAD, [self.session_key, now])
            row = cursor.fetchone()
        if row is None:
            self._session_key = None
            return {}
        data: dict[str, Any] = self.decode(row[0])
        return data

    def forget(self) -> None:
        """Let go of what has been read, unless it was changed; whoever asks again reads again."""
        if not self.modified:
            vars(self).pop("_session_cache", None)

    def flush(self) -> None:
        family = self.get(FAMILY)
        super().flush()
        bell.ring(sessions=[family])

    async def aflush(self) -> None:
        family = await self.aget(FAMILY)
        await super().aflush()
        await sync_to_async(bell.ring)(sessions=[family])

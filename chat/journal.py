"""
Group commit: what is posted while a batch is being stored goes into the next one.

Storing has a cost for each transaction, and nearly none for each message in it. Nothing waits for a timer: on an
idle system a draft is stored at once, alone.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError

from channels_core.db import database_sync_to_async

from . import services
from .models import Message
from .services import Draft

logger = logging.getLogger(__name__)

MAX_WAITING = 1000  # drafts
MAX_BATCH = 200  # drafts of one transaction, which holds the locks of their rooms
BUSY_S = 1.0  # when to come back
AWAY_S = 2.0

Outcome = Message | ValidationError


class NotNow(ValidationError):
    """What was asked is not stored; asked again it may be after ``retry_after`` seconds."""

    def __init__(self, message: str, code: str, retry_after: float) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


def unavailable() -> NotNow:
    """What is said while the database does not answer."""
    away = "This is not stored yet: the database does not answer. It is tried again in a moment."
    return NotNow(away, code="unavailable", retry_after=AWAY_S)


class Journal:
    """Stores the drafts of one process, a batch at a time."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Draft, asyncio.Future[Message]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def post(self, draft: Draft) -> Message:
        """
        The message, once it is stored for good. A draft that was taken is stored even if nobody waits any more.

        Raises:
            ValidationError: it was refused, see ``services.post_messages``.
            NotNow: with the code ``busy`` if too many wait, ``unavailable`` if the database does not answer.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise NotNow(
                "Too much is being said at once. It is tried again in a moment.", code="busy", retry_after=BUSY_S
            )
        stored: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.append((draft, stored))
        if self._writing is None:
            # Not in the context of the connection that happens to be the first.
            self._writing = asyncio.create_task(self._write(), context=contextvars.Context())
        return await stored

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                for (_, stored), outcome in zip(batch, await self._store([draft for draft, _ in batch]), strict=True):
                    if stored.done():  # whoever sent it has gone
                        continue
                    if isinstance(outcome, Exception):
                        stored.set_exception(outcome)
                    else:
                        stored.set_result(outcome)
        finally:
            self._writing = None

    async def _store(self, drafts: Sequence[Draft]) -> Sequence[Outcome | Exception]:
        """An outcome for each draft, whatever happens."""
        try:
            return await database_sync_to_async(services.post_messages)(drafts)
        except (OperationalError, InterfaceError) as error:
            # Whether it was committed is not known, and need not be: a draft that comes again is found by its id.
            logger.error("%d drafts were not stored, the database does not answer: %s", len(drafts), error)
            return [unavailable() for _ in drafts]
        except Exception as error:
            if len(drafts) == 1:
                return [error]
            # One of them is to blame; the others must not go down with it.
            logger.warning("A batch of %d drafts failed; each is tried by itself.", len(drafts), exc_info=True)
            return [outcome for draft in drafts for outcome in await self._store([draft])]


_journals: WeakKeyDictionary[asyncio.AbstractEventLoop, Journal] = WeakKeyDictionary()


def get_journal() -> Journal:
    """The journal of this process: one object for each event loop."""
    return _journals.setdefault(asyncio.get_running_loop(), Journal())

"""
Group commit: what comes while a batch is being stored goes into the next one.

Storing has a cost for each transaction, and nearly none for each message in it. On an idle system a draft is stored
at once, alone; where others have just been answered it waits up to 3 ms for what they say next. Read marks go the same
way, in batches of their own. What a batch has to tell is told once it is stored; the next one does not wait for that.
"""

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError

from channels_core.db import database_sync_to_async

from . import events, services
from .models import Message
from .services import Draft, ReadMark, Tell

logger = logging.getLogger(__name__)

MAX_WAITING = 1000  # drafts
MAX_BATCH = 200  # drafts of one transaction, which holds the locks of their rooms
# Of the event loop before a batch: what other sockets have received by now gets here. One to read it, one for the
# consumer, and one more for what the last batch has set off.
TURNS = 3
GATHER_S = 0.003  # at most, where others have just been answered
BUSY_S = 1.0  # when to come back
AWAY_S = 2.0

Asked = TypeVar("Asked")
Stored = TypeVar("Stored")


class NotNow(ValidationError):
    """What was asked is not stored; asked again it may be after ``retry_after`` seconds."""

    def __init__(self, message: str, code: str, retry_after: float) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


def unavailable() -> NotNow:
    """What is said while the database does not answer."""
    away = "This is not stored yet: the database does not answer. It is tried again in a moment."
    return NotNow(away, code="unavailable", retry_after=AWAY_S)


class Journal(Generic[Asked, Stored]):
    """Has ``store`` write what is asked for in one process, a batch at a time."""

    def __init__(self, store: Callable[[Sequence[Asked], Tell], Sequence[Stored | ValidationError]]) -> None:
        self._store_batch = store
        self._telling: set[asyncio.Task[None]] = set()  # the loop itself holds tasks by weak references only
        self._waiting: deque[tuple[Asked, asyncio.Future[Stored]]] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._expected = 0  # drafts, of as many who were answered or waited when the last batch ended,
        self._ended = 0.0  # which was then, in the time of the event loop
        self._are_all_here = asyncio.Event()

    async def post(self, draft: Asked) -> Stored:
        """
        What has been stored, once it is for good; what ``take`` raises, or ``ValidationError``: see ``services``.
        """
        return await self.take(draft)

    def take(self, draft: Asked) -> "asyncio.Future[Stored]":
        """
        Have a draft stored, even if nobody waits for it any more; the future says what ``post`` does.

        Raises:
            NotNow: with the code ``busy``: too many wait. In the future it has the code ``unavailable``: the database
                does not answer.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise NotNow(
                "Too much is being said at once. It is tried again in a moment.", code="busy", retry_after=BUSY_S
            )
        stored: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._waiting.append((draft, stored))
        if len(self._waiting) >= self._expected:
            self._are_all_here.set()
        if self._writing is None:
            # Not in the context of the connection that happens to be the first.
            self._writing = asyncio.create_task(self._write(), context=contextvars.Context())
        return stored

    async def _write(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
                for (_, stored), outcome in zip(batch, await self._store([draft for draft, _ in batch]), strict=True):
                    if stored.done():  # whoever sent it has gone
                        continue
                    if isinstance(outcome, Exception):
                        stored.set_exception(outcome)
                    else:
                        stored.set_result(outcome)
                self._expected = min(len(batch) + len(self._waiting), MAX_BATCH)
                self._ended = asyncio.get_running_loop().time()
        finally:
            self._writing = None

    async def _gather(self) -> None:
        """
        Let those come who are about to: what is stored together costs one commit, and each socket one write.

        Whoever has just been answered may have more to say. Where few post, nobody is waited for.
        """
        for _ in range(TURNS):
            await asyncio.sleep(0)
        is_busy = asyncio.get_running_loop().time() - self._ended < GATHER_S
        if is_busy and len(self._waiting) < self._expected:
            self._are_all_here.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(GATHER_S):
                    await self._are_all_here.wait()

    async def _store(self, drafts: Sequence[Asked]) -> Sequence[Stored | Exception]:
        """An outcome for each draft, whatever happens."""
        told: list[events.Telling] = []
        try:
            outcomes = await database_sync_to_async(self._store_batch)(drafts, told.append)
            for telling in told:
                self._tell(telling)
            return outcomes
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

    def _tell(self, telling: events.Telling) -> None:
        task = asyncio.create_task(events.tell_later(telling))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


@dataclass(frozen=True, slots=True)
class Journals:
    """What one process stores in batches."""

    posts: Journal[Draft, Message]
    reads: Journal[ReadMark, int]


_journals: WeakKeyDictionary[asyncio.AbstractEventLoop, Journals] = WeakKeyDictionary()


def get_journals() -> Journals:
    """The journals of this process: for each event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _journals:
        _journals[loop] = Journals(Journal(services.post_messages), Journal(services.mark_read))
    return _journals[loop]

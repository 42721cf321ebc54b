"""Questions to the database that come at the same time, asked together."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from django.db import InterfaceError, OperationalError

from channels_core.db import database_sync_to_async

logger = logging.getLogger(__name__)

SIDE_BY_SIDE = 2  # visits to the database: one that takes its time does not hold up all others
MAX_BATCH = 200  # questions of one visit

Asked = TypeVar("Asked")
Told = TypeVar("Told")


class Gathering(Generic[Asked, Told]):
    """
    Has ``read`` answer what is asked in one process: what comes meanwhile is answered by the next visit.

    Nothing waits for a timer. An answer is never older than its question: it was read after that was asked.
    """

    def __init__(self, read: Callable[[Sequence[Asked]], Sequence[Told]]) -> None:
        self._read = read
        self._waiting: list[tuple[Asked, asyncio.Future[Told]]] = []
        self._visits: set[asyncio.Task[None] | None] = set()

    async def ask(self, question: Asked) -> Told:
        """The answer, or what ``read`` raises: to all who are in the same visit if the database does not answer."""
        told: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, told))
        if len(self._visits) < SIDE_BY_SIDE:
            # Not in the context of the connection that happens to be the first.
            self._visits.add(asyncio.create_task(self._visit(), context=contextvars.Context()))
        return await told

    async def _visit(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._answer(batch)
        finally:
            # Not later, by a callback: whoever asks in between would count on this visit.
            self._visits.discard(asyncio.current_task())

    async def _answer(self, batch: Sequence[tuple[Asked, "asyncio.Future[Told]"]]) -> None:
        answers = await self._read_all([question for question, _ in batch])
        for (_, told), answer in zip(batch, answers, strict=True):
            if told.done():  # whoever asked has gone
                continue
            if isinstance(answer, Exception):
                told.set_exception(answer)
            else:
                told.set_result(answer)

    async def _read_all(self, questions: Sequence[Asked]) -> Sequence[Told | Exception]:
        """An outcome for each question, whatever happens."""
        try:
            return await database_sync_to_async(self._read)(questions)
        except (OperationalError, InterfaceError) as error:
            return [error for _ in questions]
        except Exception as error:
            if len(questions) == 1:
                return [error]
            # One of them is to blame; the others must not go down with it.
            logger.warning("A visit with %d questions failed; each is asked by itself.", len(questions), exc_info=True)
            return [answer for question in questions for answer in await self._read_all([question])]

"""
The posts of one socket that are being stored: a client need not wait for one to be acknowledged to send the next.

So the journal has more to store at once, and what a batch acknowledges to one socket leaves in one write.
"""

import asyncio
import json
from collections.abc import Callable
from functools import partial

from django.core.exceptions import ValidationError

from . import events
from .journal import get_journals
from .models import Message
from .services import Draft

MAX_UNANSWERED = 64  # posts of one socket; then its next frame has to wait

Ref = str | int


class Receipts:
    """
    Acknowledges what has been stored.

    Args:
        send: takes texts for the socket, without waiting.
        fail: called with what went wrong that is nobody's mistake but ours.
    """

    def __init__(self, send: Callable[..., None], fail: Callable[[BaseException], None]) -> None:
        self._send = send
        self._fail = fail
        self._journal = get_journals().posts
        self._unanswered: set[asyncio.Future[Message]] = set()
        self._replies: list[str] = []

    async def post(self, ref: Ref, draft: Draft) -> None:
        """
        Have a draft stored, and its sender told of it.

        It returns before that, unless the socket has a great many under way.

        Raises:
            NotNow: not taken, see the journal.
        """
        if len(self._unanswered) >= MAX_UNANSWERED:
            await asyncio.wait(self._unanswered, return_when=asyncio.FIRST_COMPLETED)
        stored = self._journal.take(draft)
        self._unanswered.add(stored)
        stored.add_done_callback(partial(self._answer, ref))

    async def settle(self) -> None:
        """Return when all that was posted has been answered."""
        while self._unanswered:
            await asyncio.wait(self._unanswered)
        self._flush()

    def _answer(self, ref: Ref, stored: asyncio.Future[Message]) -> None:
        self._unanswered.discard(stored)
        if stored.cancelled():
            return
        error = stored.exception()
        if error is None:
            reply = events.reply(ref, message=events.message(stored.result()))
        elif isinstance(error, ValidationError):
            reply = events.refused_by(ref, error)
        else:
            return self._fail(error)
        if not self._replies:
            # After the others that the batch has stored.
            asyncio.get_running_loop().call_soon(self._flush)
        self._replies.append(json.dumps(reply))

    def _flush(self) -> None:
        replies, self._replies = self._replies, []
        if replies:
            self._send(*replies)

"""A database that takes its time, or fails, when a test says so."""

import asyncio
import threading

from chat import services


class Gate:
    """Holds ``services.post_messages`` up until it is opened, and notes the sizes of the batches."""

    def __init__(self, *failures: Exception | None) -> None:
        self.batches: list[int] = []
        self.failures = list(failures)  # of the next batches, None for one that goes well
        self.is_open = threading.Event()
        self.is_reached = threading.Event()
        self._post = services.post_messages

    def post_messages(self, drafts, tell):
        self.batches.append(len(drafts))
        self.is_reached.set()
        assert self.is_open.wait(5)
        if self.failures and (failure := self.failures.pop(0)):
            raise failure
        return self._post(drafts, tell)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.is_reached.wait, 5)

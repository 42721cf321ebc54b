"""A loop whose clock jumps: hours pass in a moment, and in the same order each time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any

MOMENT_S = 1e-6  # longer than nothing, shorter than anything that somebody waits for


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting until something is due it says that the time has come."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("Everybody waits, and for nothing that will ever happen.")
        self.now += max(timeout, 0)
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """For what is done in one thread, without a network."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.run_until_complete(work)

    def settle(self) -> None:
        """Let everything happen that needs no time."""
        self.run(asyncio.sleep(MOMENT_S))

    def close(self) -> None:
        if not self.is_closed():
            while tasks := asyncio.all_tasks(self):
                for task in tasks:
                    task.cancel()
                self.run(_ended(tasks))
        super().close()


async def _ended(tasks: set[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)

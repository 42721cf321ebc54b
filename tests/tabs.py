"""A browser tab without a browser: what a test says and hears on a socket."""

import asyncio
from typing import Any

from channels_core.testing import WebsocketCommunicator

EVENT_TIMEOUT_S = 5
SILENCE_S = 0.1

Event = dict[str, Any]


class Tab(WebsocketCommunicator):
    """
    One open socket.

    A test asks for events by their type, each of which keeps its order; the others wait until they are
    asked for, so it makes no difference which of a reply and a broadcast comes first.
    """

    welcome: Event

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: list[Event] = []

    async def connect(self, timeout: float = EVENT_TIMEOUT_S) -> tuple[bool, Any]:  # noqa: ASYNC109 (as inherited)
        return await super().connect(timeout)

    async def receive_event(self, type: str) -> Event:
        """The next event of that type."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while (event := self._take(type)) is None:
                self._waiting.append(await self.receive_json_from(timeout=EVENT_TIMEOUT_S))
        return event

    async def receive_no_event(self, type: str) -> bool:
        """True when no event of that type comes; others may."""
        while not await self.receive_nothing(timeout=SILENCE_S):
            self._waiting.append(await self.receive_json_from())
        return self._take(type) is None

    async def receive_close(self) -> int:
        """The code with which the server ends the connection; what it says before is passed over."""
        async with asyncio.timeout(EVENT_TIMEOUT_S):
            while True:
                output = await self.receive_output(timeout=EVENT_TIMEOUT_S)
                if output["type"] == "websocket.close":
                    return output.get("code", 1000)

    async def ask(self, type: str, **fields: Any) -> Event:
        """Send a frame and return the reply to it."""
        ref = fields.setdefault("ref", type)
        await self.send_json_to({"type": type, **fields})
        while (reply := await self.receive_event("reply"))["ref"] != ref:
            pass
        return reply

    async def leave(self) -> None:
        """Close the tab, as a browser does also after the server has closed, and let the application finish."""
        if not self.future.done():
            await self.disconnect(timeout=EVENT_TIMEOUT_S)
        elif not self.future.cancelled():
            self.future.result()  # raises what ended it, if that was an error

    def _take(self, type: str) -> Event | None:
        for index, event in enumerate(self._waiting):
            if event["type"] == type:
                return self._waiting.pop(index)
        return None

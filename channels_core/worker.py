"""The worker: a process without clients, whose consumers handle what is sent to named channels."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .exceptions import StopConsumer
from .types import ASGIApplication, Message

logger = logging.getLogger(__name__)

STOP: Message = {}  # in a mailbox: what came before it is handled, then its application ends


class Worker:
    """
    Runs ``application`` for the messages of ``channels``.

    Each channel has an application of its own, with the scope ``{"type": "channel", "channel": name}``,
    which handles its messages one by one. It starts with the first of them; after an error, which is
    logged, another takes its place.

    Args:
        channels: names to listen on.
        channel_layer: what they are channels of.
        max_applications: how many may be alive; beyond that, the one that is longest without a message ends.

    Raises:
        ValueError: there is no channel layer.
    """

    queue_size = 100  # messages that wait here for each channel; more stay in the channel layer
    drain_timeout_s = 10.0  # for what has been received to be handled, once the worker is told to stop

    def __init__(
        self, application: ASGIApplication, channels: Iterable[str], channel_layer: Any, max_applications: int = 1000
    ) -> None:
        if channel_layer is None:
            raise ValueError("A worker needs a channel layer, but got None: see CHANNEL_LAYERS in the settings.")
        self.application = application
        self.channels = list(channels)
        self.channel_layer = channel_layer
        self.max_applications = max_applications
        self._mailboxes: dict[str, Mailbox] = {}
        self._alive: dict[str, Mailbox] = {}  # those with an application, the longest unused first
        self._is_told_to_stop = False
        self._has_given_up = False

    def run(self) -> None:
        """
        Work in an event loop of its own, as ``arun`` does.

        A thread that is still busy when ``drain_timeout_s`` is over ends with the process, by SIGTERM.
        """
        asyncio.run(self._arun_and_leave())

    async def arun(self) -> None:
        """
        Work until SIGTERM or SIGINT, or until a channel cannot be listened to.

        Either way what has been received is handled before this returns, if it takes no longer than
        ``drain_timeout_s``; a second signal ends the process at once. In a thread other than the main one,
        which gets no signals, cancel it instead.

        Raises:
            Exception: what ended ``handle``.
        """
        handling = asyncio.ensure_future(self.handle())
        try:
            with self._told_by_signals(handling):
                await handling
        except asyncio.CancelledError:
            if not self._is_told_to_stop:
                raise
        except Exception:
            logger.exception("The worker cannot go on.")  # now, and not when all is finished
            raise
        finally:
            await self._drain()

    async def handle(self) -> None:
        """Listen on all channels; the first error of one of them ends it."""
        listeners = [asyncio.ensure_future(self.listener(channel)) for channel in self.channels]
        try:
            await asyncio.gather(*listeners)
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)

    async def listener(self, channel: str) -> None:
        """
        Hand the messages of ``channel`` to its application, without end.

        While ``queue_size`` of them wait for that, nothing more is taken from the channel layer.

        Raises:
            ValueError: a message has no type.
        """
        if channel not in self._mailboxes:
            self._mailboxes[channel] = Mailbox(self, channel)
        mailbox = self._mailboxes[channel]
        while True:
            # Before it is taken from the layer: from then on it must not get lost.
            await mailbox.room.acquire()
            message = await self.channel_layer.receive(channel)
            if not message.get("type"):
                raise ValueError(f"Expected a message with a type on {channel!r}, but got the keys {sorted(message)}.")
            mailbox.queue.put_nowait(message)

    def make_room(self) -> None:
        """Before another application starts: if there are as many as may be, the longest unused has to end."""
        if self._alive and len(self._alive) >= self.max_applications:
            channel = next(iter(self._alive))
            self._alive.pop(channel).queue.put_nowait(STOP)

    def note_use(self, mailbox: Mailbox) -> None:
        """Its application has got a message."""
        self.note_end(mailbox)
        self._alive[mailbox.channel] = mailbox

    def note_end(self, mailbox: Mailbox) -> None:
        """It has no application now."""
        self._alive.pop(mailbox.channel, None)

    @contextmanager
    def _told_by_signals(self, working: asyncio.Future[None]) -> Iterator[None]:
        """While the block runs, a signal to end cancels ``working`` instead of ending the process."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()

        def stop() -> None:
            logger.info("Told to stop: finishing what has been received.")
            self._is_told_to_stop = True
            working.cancel()

        before = {
            number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _drain(self) -> None:
        """Wait until what has been received is handled; cancel what takes too long."""
        mailboxes = self._mailboxes.values()
        for mailbox in mailboxes:
            mailbox.finish()
        waits = [mailbox.task for mailbox in mailboxes]
        if wait_received := getattr(self.channel_layer, "wait_received", None):
            # channels_redis: what it has not ticked off when the loop ends would be received once more.
            waits.append(asyncio.ensure_future(wait_received()))
        if not waits:
            return
        try:
            if (await asyncio.wait(waits, timeout=self.drain_timeout_s))[1]:
                self._has_given_up = True
                late = [mailbox.channel for mailbox in mailboxes if not mailbox.task.done()]
                logger.error("Gave up after %s s on what had come to the channels %s.", self.drain_timeout_s, late)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits, timeout=1)

    async def _arun_and_leave(self) -> None:
        try:
            await self.arun()
        finally:
            if self._has_given_up and threading.current_thread() is threading.main_thread():
                # A thread cannot be cancelled, and Python would wait for it as long as it pleases.
                signal.raise_signal(signal.SIGTERM)


class Mailbox:
    """What has been received from one channel, and the application that handles it."""

    def __init__(self, worker: Worker, channel: str) -> None:
        self.worker = worker
        self.channel = channel
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        self.room = asyncio.Semaphore(worker.queue_size)
        self.task = asyncio.create_task(self._run())
        self._is_finishing = False
        self._first: Message | None = None  # of the application that is starting

    def finish(self) -> None:
        """Let ``task`` end when everything in the queue has been handled; nothing may be put there any more."""
        self._is_finishing = True
        self.queue.put_nowait(STOP)

    async def _run(self) -> None:
        """Run one application after the other, each from the first message that it has."""
        while not (self._is_finishing and self.queue.empty()):
            self._first = await self._next()
            if self._first is STOP:
                continue
            self.worker.make_room()
            try:
                await self.worker.application({"type": "channel", "channel": self.channel}, self._receive, self._send)
            except StopConsumer:
                pass  # an application that is no consumer lets it pass when it is told to stop
            except Exception:
                logger.exception("The application for the channel %s failed; another takes over.", self.channel)
            finally:
                self.worker.note_end(self)

    async def _receive(self) -> Message:
        message, self._first = self._first or await self._next(), None
        if message is STOP:
            raise StopConsumer
        self.worker.note_use(self)
        return message

    async def _next(self) -> Message:
        message = await self.queue.get()
        if message is not STOP:
            self.room.release()
        return message

    async def _send(self, message: Message) -> None:
        raise RuntimeError(
            f"Expected no send() in a worker, where no client is, but got {message.get('type')!r}. "
            "Send to a channel or a group of the channel layer."
        )

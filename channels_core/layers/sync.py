"""Sending from synchronous code: a view, a management command, a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from asgiref.sync import async_to_sync

from .. import DEFAULT_CHANNEL_LAYER
from ..types import Message
from .manager import require_channel_layer
from .memory import InMemoryChannelLayer

logger = logging.getLogger(__name__)

_sending: set[asyncio.Task[None]] = set()  # the loop itself holds tasks by weak references only


def send_sync(channel: str, message: Message, *, using: str = DEFAULT_CHANNEL_LAYER) -> None:
    """``send`` of a channel layer, as one plain call; see ``run_sync``."""
    layer = require_channel_layer(using)
    run_sync(layer, layer.send(channel, message))


def group_send_sync(group: str, message: Message, *, using: str = DEFAULT_CHANNEL_LAYER) -> None:
    """``group_send`` of a channel layer, as one plain call; see ``run_sync``."""
    layer = require_channel_layer(using)
    run_sync(layer, layer.group_send(group, message))


def run_sync(layer: Any, sending: Coroutine[Any, Any, None]) -> None:
    """
    Run a coroutine that sends something through ``layer``, and return when the layer has it.

    It needs no event loop and gets along with one in another thread. Called on the thread of a running
    loop, where waiting would stop everything, it leaves the sending to the loop and logs a failure.
    """
    if isinstance(layer, InMemoryChannelLayer):
        return _run_at_once(sending)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return async_to_sync(_wait_for)(sending)
    task = loop.create_task(sending)
    _sending.add(task)
    task.add_done_callback(_sent)


def _run_at_once(sending: Coroutine[Any, Any, None]) -> None:
    try:
        sending.send(None)
    except StopIteration:
        return
    raise AssertionError("The in-memory layer never waits.")


async def _wait_for(sending: Coroutine[Any, Any, None]) -> None:
    await sending


def _sent(task: asyncio.Task[None]) -> None:
    _sending.discard(task)
    if not task.cancelled() and task.exception():
        logger.error("Something was not sent through the channel layer.", exc_info=task.exception())

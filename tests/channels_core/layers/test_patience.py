"""Calls that wait for a layer to come back, and mistakes that nobody waits for."""

import asyncio
import sys
from types import SimpleNamespace

import pytest

from channels_core.layers import InMemoryChannelLayer, patience
from channels_core.layers.patience import patiently


@pytest.fixture
def redis_is_loaded(monkeypatch):
    """Only where it is, a TypeError may be a broken line."""
    if "redis.exceptions" not in sys.modules:
        errors = SimpleNamespace(ConnectionError=OSError, TimeoutError=TimeoutError)
        monkeypatch.setitem(sys.modules, "redis.exceptions", errors)


@pytest.fixture
def delays(monkeypatch):
    """Waits that never end."""
    monkeypatch.setattr(patience, "DELAYS_S", (3600,))


async def test_a_malformed_name_is_told_at_once(redis_is_loaded, delays):
    async with asyncio.timeout(5):
        with pytest.raises(TypeError, match="bad name"):
            await patiently(InMemoryChannelLayer().group_add, "bad name", "channel")


async def test_a_type_error_of_asyncio_is_a_broken_line(redis_is_loaded, monkeypatch):
    """Some releases of Python write to a transport that has just been closed."""
    monkeypatch.setattr(patience, "DELAYS_S", (0,))
    calls = []

    async def call():
        calls.append(1)
        if len(calls) == 1:
            await asyncio.gather(None)

    await patiently(call)

    assert len(calls) == 2

"""
The layers that one contract is tested on, each with what it declares to have.

They are built by the layer manager from settings, as in a running project.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings

from channels_core.layers import ChannelLayerManager, channel_layers


@dataclass(frozen=True)
class Backend:
    """A kind of layer. What is False is not promised by it, and not tested on it."""

    path: str
    uses_redis: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    has_capacity: bool = True
    has_expiry: bool = True
    checks_names: bool = True
    gives_each_member_a_copy: bool = True


BACKENDS = {
    "memory": Backend("channels_core.layers.InMemoryChannelLayer"),
    "redis": Backend(
        "channels_redis.core.RedisChannelLayer",
        uses_redis=True,
        gives_each_member_a_copy=False,
    ),
    "redis-pubsub": Backend(
        "channels_redis.pubsub.RedisPubSubChannelLayer",
        uses_redis=True,
        has_capacity=False,
        has_expiry=False,
        checks_names=False,
    ),
    "redis-own": Backend(
        "channels_core.layers.redis.RedisChannelLayer",
        uses_redis=True,
        has_capacity=False,  # it has, but the sender is another process: what is too much is dropped
        has_expiry=False,  # messages expire, memberships do not; see test_redis.py
    ),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """The kind of layer under test; one that lacks what the test is marked to need is skipped."""
    backend = BACKENDS[request.param]
    for marker in request.node.iter_markers("needs"):
        for ability in marker.args:
            if not getattr(backend, ability):
                pytest.skip(f"{request.param}: not {ability}")
    return backend


@pytest.fixture
def prefix() -> str:
    """What all names in Redis begin with that layers of this test use."""
    return uuid4().hex


@pytest.fixture
async def make_layer(backend: Backend, prefix: str, request: pytest.FixtureRequest):
    """
    Make a layer of that kind, unless another is named.

    All of one test share a server and a prefix, as the processes of a site do.
    """
    config = dict(backend.config)
    if backend.uses_redis:
        config |= {"hosts": [request.getfixturevalue("redis_server").url], "prefix": prefix}
    layers = []

    def make_layer(kind: str | None = None, **options: Any) -> Any:
        path = BACKENDS[kind].path if kind else backend.path
        settings = {"default": {"BACKEND": path, "CONFIG": config | options}}
        with override_settings(CHANNEL_LAYERS=settings):
            layers.append(ChannelLayerManager().make_backend("default"))
        return layers[-1]

    yield make_layer
    for layer in layers:
        await layer.flush()


@pytest.fixture
async def layer(make_layer) -> Any:
    """One layer of that kind."""
    return make_layer()


@pytest.fixture
async def site(layer: Any) -> AsyncIterator[Any]:
    """That layer, as the default one of this process."""
    previous = channel_layers.set("default", layer)
    yield layer
    channel_layers.set("default", previous)

"""From the setting ``CHANNEL_LAYERS`` to channel layers, one for each alias."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .. import DEFAULT_CHANNEL_LAYER
from ..exceptions import ChannelFull, InvalidChannelLayerError


class ChannelLayerManager:
    """
    Builds the channel layers of the settings when they are first asked for, and keeps them.

    An entry of ``CHANNEL_LAYERS`` has a ``BACKEND`` (dotted path of a class) and may have a ``CONFIG``
    (its keyword arguments) and a ``TEST_CONFIG``.
    """

    def __init__(self) -> None:
        self.backends: dict[str, Any] = {}
        setting_changed.connect(self._reset_backends)

    @property
    def configs(self) -> dict[str, Any]:
        return getattr(settings, "CHANNEL_LAYERS", {})

    def make_backend(self, name: str) -> Any:
        """A new layer of the alias ``name``, from its ``CONFIG``."""
        return self._make_backend(name, self.configs[name].get("CONFIG", {}))

    def make_test_backend(self, name: str) -> Any:
        """A new layer of the alias ``name``, from its ``TEST_CONFIG``."""
        entry = self.configs[name]
        if "TEST_CONFIG" not in entry:
            raise InvalidChannelLayerError(f"CHANNEL_LAYERS[{name!r}] has no TEST_CONFIG.")
        return self._make_backend(name, entry["TEST_CONFIG"])

    def set(self, key: str, layer: Any) -> Any:
        """Put ``layer`` in the place of the alias ``key``; returns the one that was there, or None."""
        previous = self.backends.get(key)
        self.backends[key] = layer
        return previous

    def __getitem__(self, key: str) -> Any:
        if key not in self.backends:
            # Another thread may ask for the first time, too: all get the same one.
            return self.backends.setdefault(key, self.make_backend(key))
        return self.backends[key]

    def __contains__(self, key: object) -> bool:
        return key in self.configs

    def _make_backend(self, name: str, config: dict[str, Any]) -> Any:
        entry = self.configs[name]
        if "ROUTING" in entry:
            raise InvalidChannelLayerError(
                f"CHANNEL_LAYERS[{name!r}] has ROUTING, a key of old; routing is what ASGI_APPLICATION names."
            )
        try:
            backend = import_string(entry["BACKEND"])
        except KeyError:
            raise InvalidChannelLayerError(f"CHANNEL_LAYERS[{name!r}] has no BACKEND.") from None
        except ImportError as error:
            raise InvalidChannelLayerError(
                f"Cannot import the BACKEND {entry['BACKEND']!r} of CHANNEL_LAYERS[{name!r}]: {error}"
            ) from error
        _share_channel_full(backend)
        return backend(**config)

    def _reset_backends(self, *, setting: str, **kwargs: Any) -> None:
        if setting == "CHANNEL_LAYERS":
            self.backends = {}


def get_channel_layer(alias: str | None = DEFAULT_CHANNEL_LAYER) -> Any:
    """The channel layer of ``alias``, or None where the settings have none of that name."""
    if alias in channel_layers.backends or alias in channel_layers:
        return channel_layers[str(alias)]
    return None


def require_channel_layer(alias: str) -> Any:
    """The channel layer of ``alias``; ``InvalidChannelLayerError`` where there is none."""
    layer = get_channel_layer(alias)
    if layer is None:
        raise InvalidChannelLayerError(f"Expected a channel layer CHANNEL_LAYERS[{alias!r}] in the settings.")
    return layer


def _share_channel_full(backend: type) -> None:
    """Make channels_redis raise the ``ChannelFull`` that callers of this package catch."""
    module = sys.modules[backend.__module__]
    if module.__name__.startswith("channels_redis.") and hasattr(module, "ChannelFull"):
        module.ChannelFull = ChannelFull  # type: ignore[attr-defined]


channel_layers = ChannelLayerManager()

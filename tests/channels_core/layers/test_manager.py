"""From CHANNEL_LAYERS to layers: ``ChannelLayerManager`` and ``get_channel_layer``."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import override_settings

from channels_core.exceptions import InvalidChannelLayerError
from channels_core.layers import ChannelLayerManager, InMemoryChannelLayer, channel_layers, get_channel_layer

MEMORY = "channels_core.layers.InMemoryChannelLayer"


class Broken(InMemoryChannelLayer):
    """A layer that cannot be built."""

    def __init__(self, error: Exception) -> None:
        raise error


def configured(**layers):
    """Settings with these layers."""
    return override_settings(CHANNEL_LAYERS=layers)


def test_layers_are_built_once_and_forgotten_when_the_setting_changes():
    with configured(default={"BACKEND": MEMORY, "CONFIG": {"expiry": 123}}):
        assert channel_layers.backends == {}

        layer = get_channel_layer()

        assert layer.expiry == 123
        assert channel_layers.backends == {"default": layer}
        assert get_channel_layer() is layer
    assert channel_layers.backends == {}


def test_a_layer_that_is_not_configured_is_none():
    with configured():
        assert get_channel_layer() is None
        assert get_channel_layer("other") is None
        with pytest.raises(KeyError):
            channel_layers["other"]


def test_an_error_of_a_layers_own_is_not_taken_for_a_missing_layer():
    with configured(default={"BACKEND": f"{__name__}.Broken", "CONFIG": {"error": KeyError("hosts")}}):
        with pytest.raises(KeyError, match="hosts"):
            channel_layers.make_backend("default")
        with pytest.raises(KeyError, match="hosts"):
            get_channel_layer()


def test_asking_whether_a_layer_is_configured_does_not_build_it():
    with configured(default={"BACKEND": f"{__name__}.Broken"}):
        assert "default" in channel_layers
        assert "other" not in channel_layers


def test_setting_a_layer_returns_the_one_before():
    manager = ChannelLayerManager()
    first, second = InMemoryChannelLayer(), InMemoryChannelLayer()

    assert manager.set("default", first) is None
    assert manager.set("default", second) is first
    assert manager["default"] is second


def test_a_layer_for_tests_has_a_configuration_of_its_own():
    with configured(default={"BACKEND": MEMORY, "CONFIG": {"expiry": 60}, "TEST_CONFIG": {"expiry": 7}}):
        assert channel_layers.make_test_backend("default").expiry == 7


def test_a_layer_for_tests_without_a_configuration_is_refused():
    with configured(default={"BACKEND": MEMORY}), pytest.raises(InvalidChannelLayerError):
        channel_layers.make_test_backend("default")


@pytest.mark.parametrize(
    "config",
    [{}, {"BACKEND": MEMORY, "ROUTING": "mysite.routing"}, {"BACKEND": "no.such.Layer"}],
    ids=["no backend", "routing", "not importable"],
)
def test_a_configuration_that_cannot_be_is_refused(config):
    with configured(default=config), pytest.raises(InvalidChannelLayerError):
        channel_layers.make_backend("default")


@pytest.mark.parametrize("make", ["make_backend", "make_test_backend"])
def test_a_layer_of_an_unknown_alias_is_a_key_error(make):
    with override_settings(CHANNEL_LAYERS={}), pytest.raises(KeyError):
        getattr(ChannelLayerManager(), make)("unknown")


class Slow(InMemoryChannelLayer):
    """Two are being built at the same time before one of them is there."""

    together = threading.Barrier(2)

    def __init__(self) -> None:
        self.together.wait(5)
        super().__init__()


def test_threads_that_ask_for_a_layer_for_the_first_time_get_the_same():
    with configured(default={"BACKEND": f"{__name__}.Slow"}), ThreadPoolExecutor() as pool:
        manager = ChannelLayerManager()

        first, second = pool.map(manager.__getitem__, ["default", "default"])

        assert first is second
        assert manager["default"] is first

"""System checks: mistakes in the runtime's settings are told at start, each with its cure."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.utils.module_loading import import_string

Apps = Sequence[AppConfig] | None


@register("channels_core")
def check_asgi_application(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Whether ``ASGI_APPLICATION`` names something in a module that exists."""
    path = getattr(settings, "ASGI_APPLICATION", None)
    if path is None:
        return [
            Warning(
                "ASGI_APPLICATION is not set, so runserver and runworker have nothing to run.",
                hint='Name your routing, for example ASGI_APPLICATION = "mysite.asgi.application".',
                id="channels_core.W001",
            )
        ]
    if not isinstance(path, str) or not _is_in_a_module(path):
        return [
            Error(
                f"ASGI_APPLICATION is {path!r}, and there is no such module.",
                hint='It takes a module and a name in it, such as "mysite.asgi.application".',
                id="channels_core.E001",
            )
        ]
    return []


def _is_in_a_module(path: str) -> bool:
    """
    Whether ``path`` is ``module.name`` with a module that can be found.

    The module is looked up, not run: it builds the application, which may well be what is being
    started, and imports consumers that a check must not load.
    """
    module, _, name = path.rpartition(".")
    try:
        return bool(module and name) and find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@register("channels_core")
def check_channel_layers(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Whether every entry of ``CHANNEL_LAYERS`` can be built."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if not isinstance(layers, dict):
        return [
            Error(
                f"CHANNEL_LAYERS must be a dict of aliases, but is a {type(layers).__name__}.",
                hint='For example {"default": {"BACKEND": "channels_core.layers.InMemoryChannelLayer"}}.',
                id="channels_core.E002",
            )
        ]
    return [error for alias, config in layers.items() for error in _layer_errors(alias, config)]


def _layer_errors(alias: str, config: Any) -> Iterator[Error]:
    name = f"CHANNEL_LAYERS[{alias!r}]"
    backend = config.get("BACKEND") if isinstance(config, dict) else None
    if not isinstance(backend, str):
        yield Error(
            f"{name} has no BACKEND.",
            hint='It takes a dict with the dotted path of a layer under "BACKEND".',
            id="channels_core.E002",
        )
        return
    try:
        import_string(backend)
    except ImportError as error:
        yield Error(
            f"{name}: its BACKEND {backend!r} cannot be imported: {error}",
            hint="Correct the dotted path, or install the package that has it.",
            id="channels_core.E003",
        )
    if "ROUTING" in config:
        yield Error(
            f"{name} has a ROUTING, which has meant nothing since Channels 2.",
            hint="Remove it; ASGI_APPLICATION names the routing.",
            id="channels_core.E004",
        )


@register("channels_core")
def check_database_threads(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Whether ``CHANNELS_DATABASE_THREADS`` is a number of threads."""
    threads = getattr(settings, "CHANNELS_DATABASE_THREADS", 1)
    if type(threads) is int and threads >= 1:
        return []
    return [
        Error(
            f"CHANNELS_DATABASE_THREADS must be a whole number of at least 1, but is {threads!r}.",
            hint="Remove it for one thread, or set how many may use the database at once, such as 4.",
            id="channels_core.E005",
        )
    ]

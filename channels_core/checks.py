"""System checks: mistakes in the runtime's settings are told at start, each with its cure."""

import ast
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeGuard

from django.apps import AppConfig, apps
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


@register("channels_core")
def check_workers(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Whether a layer that ends at the process is used by several: ``WEB_CONCURRENCY`` is gunicorn's and uvicorn's."""
    workers = os.environ.get("WEB_CONCURRENCY", "")
    return worker_errors(int(workers)) if workers.isdecimal() else []


def worker_errors(workers: int) -> list[CheckMessage]:
    """What keeps so many processes from sharing the channel layers."""
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    if workers < 2 or not isinstance(layers, dict):
        return []
    return [
        Error(
            f"There are to be {workers} workers, but CHANNEL_LAYERS[{alias!r}] is in memory: "
            "people on different workers would not hear each other.",
            hint="Use a Redis layer, or set WEB_CONCURRENCY=1.",
            id="channels_core.E006",
        )
        for alias, config in layers.items()
        if isinstance(config, dict) and str(config.get("BACKEND", "")).endswith(".InMemoryChannelLayer")
    ]


@register("channels_core")
def check_websocket_library(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Whether uvicorn, if it is installed, can speak WebSocket: by itself it cannot."""
    if find_spec("uvicorn") is None or find_spec("websockets") or find_spec("wsproto"):
        return []
    return [
        Warning(
            "uvicorn is installed without a websocket library: it would answer every handshake with 404.",
            hint='pip install "uvicorn[standard]"',
            id="channels_core.W002",
        )
    ]


@register("channels_core")
def check_import_order(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """
    Whether ``ASGI_APPLICATION``'s module loads the apps before it imports from them.

    Under ``manage.py`` they are loaded already; under a server a wrong order is an AppRegistryNotReady.
    """
    path = getattr(settings, "ASGI_APPLICATION", None)
    if not isinstance(path, str) or not _is_in_a_module(path):
        return []
    spec = find_spec(path.rpartition(".")[0])
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return []
    tree = ast.parse(Path(spec.origin).read_text())
    loaded_at = min((node.lineno for node in ast.walk(tree) if _loads_the_apps(node)), default=0)
    return [
        Warning(
            f"{spec.name} imports {module} in line {node.lineno}, before the apps are loaded in line {loaded_at}.",
            hint="Call get_asgi_application() above the imports that lead to models.",
            id="channels_core.W003",
        )
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and node.lineno < loaded_at
        for module in _imported(node)
        if _may_need_models(module)
    ]


def _loads_the_apps(node: ast.AST) -> TypeGuard[ast.Call]:
    """Whether it is a call of ``get_asgi_application`` or ``django.setup``."""
    match node:
        case ast.Call(func=ast.Name(id="get_asgi_application") | ast.Attribute(attr="get_asgi_application" | "setup")):
            return True
    return False


def _may_need_models(module: str) -> bool:
    """Whether it is part of an installed app; of Django's and this one only what says so by its name."""
    if module.endswith(".models"):
        return True
    names = [config.name for config in apps.get_app_configs()]
    foreign = [name for name in names if not name.startswith("django.") and name != "channels_core"]
    return any(module == name or module.startswith(f"{name}.") for name in foreign)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []

"""What is compared, and how each of it is started. ``peers/`` has the programs of the others."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.servers import NO_POSTGRES, postgres_binaries

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

LAYER = os.environ.get("CHANNEL_LAYER_BACKEND") or (
    "channels_core.layers.redis.RedisChannelLayer"
    if find_spec("channels_core.layers.redis")
    else "channels_redis.pubsub.RedisPubSubChannelLayer"
)
SECRET = "the benchmarks sign with this one, which is long enough for production"
# Makes a site of "ours" and of Channels one that knows its users; DATABASE_URL then names the database.
SIGNED_IN = {"SESSION_ENGINE": "django.contrib.sessions.backends.db"}
LIMITS = ("POST_RATE", "SIGN_IN_RATE", "HANDSHAKE_RATE", "SOCKETS_PER_USER")


def missing(needs: Iterable[str]) -> str | None:
    """The first of these that is not here, as a sentence: see ``System.needs``."""
    for need in needs:
        if need.startswith(".bench/"):
            if not any((ROOT / need / marker).exists() for marker in ("requirements.txt", "package-lock.json")):
                return f"{need} is not installed; scripts/bench-install does that."
        elif need == "postgres":
            if not postgres_binaries():
                return NO_POSTGRES
        elif not shutil.which(need):
            return f"{need} is not installed."
    return None


@dataclass(frozen=True)
class System:
    """
    A server that can be started.

    ``command`` may contain {port} and {workers}; PORT, WORKERS and REDIS_URL are in its environment, too.
    ``needs``: a directory of .bench/ that scripts/bench-install has filled, "postgres", and programs.
    """

    name: str
    title: str
    protocol: str  # "raw", "socketio" or "chat", see wire
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    uses_redis: bool = True
    database: str | None = None  # "sqlite" or "postgres"
    most_workers: int = 2
    is_aside: bool = False  # not what the comparison is about: measured in the first round only, if there is time

    def lacks(self) -> str | None:
        """What is missing here, as a sentence; None where it can be started."""
        return missing(self.needs)

    def arguments(self, port: int, workers: int) -> list[str]:
        return [part.format(port=port, workers=workers) for part in self.command]


def _ours(name: str, title: str, program: str, *arguments: str, **more: Any) -> System:
    environment = {"CHANNEL_LAYER_BACKEND": LAYER, "DJANGO_SETTINGS_MODULE": "benchmarks.ours.settings"}
    return System(name, title, "raw", (str(BIN / program), *arguments), environment=environment, **more)


def _chat(name: str, title: str, database: str, **more: Any) -> System:
    environment = {
        "DJANGO_SETTINGS_MODULE": "mysite.settings",
        "CHANNEL_LAYER_BACKEND": LAYER,
        "DEBUG": "0",
        "SECRET_KEY": SECRET,
        "LOG_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore:No directory at:UserWarning",  # pages are not asked for
        **{f"CHAT_{limit}": "0" for limit in LIMITS},
    }
    command = (str(BIN / "gunicorn"), "--config", str(ROOT / "gunicorn.conf.py"))
    return System(name, title, "chat", command, environment=environment, database=database, **more)


def _peer(
    name: str, title: str, folder: str, *arguments: str, protocol: str = "raw", needs: Sequence[str] = (), **more: Any
) -> System:
    command = (str(ROOT / "benchmarks/peers" / folder / "start"), "{port}", *arguments)
    return System(name, title, protocol, command, needs=(f".bench/{folder}", *needs), **more)


APPLICATION = "benchmarks.ours.asgi:application"
UVICORN = (
    *("uvicorn", APPLICATION, "--port", "{port}", "--workers", "{workers}", "--log-level", "warning"),
    *("--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
)
DAPHNE = ("daphne", "--bind", "127.0.0.1", "--port", "{port}", "--verbosity", "0", APPLICATION)

ALONE: dict[str, Any] = {"uses_redis": False, "most_workers": 1}  # what knows only of what is in its own process
ASIDE: dict[str, Any] = {"is_aside": True}
ON_DAPHNE: dict[str, Any] = {"most_workers": 1, **ASIDE}
NODE: dict[str, Any] = {"needs": ["node"]}

SYSTEMS = [
    _ours("ours", "ours, frames", "gunicorn", "--config", str(ROOT / "benchmarks/ours/gunicorn.conf.py")),
    _ours("ours-send", "ours, plain `send` on uvicorn", *UVICORN),
    _ours("ours-daphne", "ours, plain `send` on Daphne", *DAPHNE, **ON_DAPHNE),
    _chat("chat", "the whole chat, PostgreSQL", "postgres", needs=["postgres"]),
    _chat("chat-sqlite", "the whole chat, SQLite", "sqlite", **ASIDE),
    _peer("channels-pubsub", "Channels, pub/sub, uvicorn", "channels", "pubsub", "uvicorn"),
    _peer("channels-core", "Channels, core, uvicorn", "channels", "core", "uvicorn"),
    _peer("channels-pubsub-daphne", "Channels, pub/sub, Daphne", "channels", "pubsub", "daphne", **ON_DAPHNE),
    _peer("channels-core-daphne", "Channels, core, Daphne", "channels", "core", "daphne", **ON_DAPHNE),
    _peer("socketio", "python-socketio, Redis, uvicorn", "socketio", protocol="socketio"),
    _peer("node-socketio", "Node socket.io, Redis", "node-socketio", protocol="socketio", **NODE),
    _peer("node-ws", "Node ws, no Redis", "node-ws", **NODE, **ALONE, **ASIDE),
    _peer("asgi", "bare ASGI loop on uvicorn, no Redis", "asgi", **ALONE),
    _peer("socketify", "µWebSockets (socketify), no Redis", "socketify", **ALONE),
]
BY_NAME = {system.name: system for system in SYSTEMS}


def chosen(names: Iterable[str]) -> list[System]:
    """The systems of these names; ValueError names one that is not there."""
    if unknown := set(names) - set(BY_NAME):
        raise ValueError(f"Expected some of {', '.join(BY_NAME)}, but got {', '.join(sorted(unknown))}.")
    return [BY_NAME[name] for name in names]

"""One Redis server: a connection that publishes, and one that is subscribed."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

from channels_redis.utils import create_pool
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .link import CONNECT_S, DEAD_S, Link, Waiter, told
from .publisher import Publisher
from .subscriber import Subscriber

logger = logging.getLogger(__name__)

# For hosts that vanish without a word: seconds, but for the last, which has milliseconds.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": int(DEAD_S * 1000)}
KEEPALIVE = {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}
# Several sentinels are asked in turn: one that has vanished must not take all the time, nor be asked again.
SENTINEL = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5, "retry": Retry(NoBackoff(), 0)}


class Shard:
    """
    A server of the setting ``hosts``, for one event loop; it can be used again after ``flush``.

    Args:
        host: as ``channels_redis.utils.decode_hosts`` gives it.
        deliver, missed: as in ``Subscriber``.
    """

    def __init__(self, host: dict[str, Any], deliver: Callable[[bytes, bytes], None], missed: Callable[[], None]):
        self._host = host
        self._deliver = deliver
        self._missed = missed
        self._open()

    def publish(self, name: str, payload: bytes) -> Waiter:
        return self._publisher.publish(name, payload)

    def subscribe(self, name: str) -> Waiter | None:
        return self._subscriber.subscribe(name)

    def unsubscribe(self, name: str) -> None:
        self._subscriber.unsubscribe(name)

    async def flush(self) -> None:
        """Close the connections and forget what was wanted."""
        pool, links = self._pool, (self._publisher, self._subscriber)
        self._open()
        for link in links:
            await link.close()
        # Sentinels are asked through clients of their own, which nobody else closes.
        for client in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
            await client.aclose()

    def away(self, link: Link, error: BaseException) -> None:
        """Log that the server is away: once, whichever connection notices."""
        if link not in (self._publisher, self._subscriber):
            return  # it is being closed
        if not self._away:
            logger.warning("Redis at %s is away, and asked for again until it is back: %s", self._address, told(error))
        self._away.add(link)

    def back(self, link: Link) -> None:
        if link in self._away:
            self._away.remove(link)
            if not self._away:
                logger.warning("Redis at %s is back.", self._address)

    def _open(self) -> None:
        self._pool = make_pool(self._host)
        self._address = _address(self._pool)
        self._publisher = Publisher(self._pool, self)
        self._subscriber = Subscriber(self._pool, self, self._deliver, self._missed)
        self._away: set[Link] = set()


def make_pool(host: dict[str, Any]) -> Any:
    """redis-py's pool for a host, with our defaults where it has no options of its own."""
    if "master_name" in host:
        host = {**host, "sentinel_kwargs": SENTINEL | (host.get("sentinel_kwargs") or {})}
    pool = create_pool(host)
    options = pool.connection_kwargs
    if options.get("socket_connect_timeout") is None:
        options["socket_connect_timeout"] = options.get("socket_timeout") or CONNECT_S
    if issubclass(pool.connection_class, Connection):
        options.setdefault("socket_keepalive", True)
        options.setdefault("socket_keepalive_options", KEEPALIVE)
    # Ours to decide: a subscribed connection may be silent for hours, and is asked by us whether it lives.
    options.update(socket_timeout=None, health_check_interval=0, protocol=2, decode_responses=False)
    return pool


def _address(pool: Any) -> str:
    """Where a pool leads to, for the log: without user and password."""
    options = pool.connection_kwargs
    if hasattr(pool, "service_name"):
        return f"sentinel's {pool.service_name}"
    return options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"

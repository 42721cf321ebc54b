"""
The runtime's numbers as Prometheus metrics, of all worker processes together.

Hot paths count plain integers (``channels_core.meters``); once a second each process hands them over to
prometheus-client, which shares them through files where PROMETHEUS_MULTIPROC_DIR is set, as gunicorn.conf.py
does.
"""

import os
from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from channels_core.meters import drops, each_second, meters

CONTENT_TYPE = CONTENT_TYPE_LATEST

_connections = Gauge("channels_connections", "Websockets that are open.", multiprocess_mode="livesum")
_opened = Counter("channels_connections_opened", "Websockets that have been opened.")
_received = Counter("channels_frames_received", "Frames from clients.")
_sent = Counter("channels_frames_sent", "Frames to clients.")
_dropped = Counter("channels_dropped", "What was dropped, by reason.", ["reason"])
_lag = Gauge(
    "channels_event_loop_lag_seconds",
    "How late the event loop was, at worst, within the last second; of the latest process.",
    multiprocess_mode="livemax",
)
_draining = Gauge("channels_draining", "Processes that are stopping.", multiprocess_mode="livesum")

REASONS = ("channel_full", "expired", "unreadable", "slow_socket", "after_close", "overdue")
for _reason in REASONS:
    _dropped.labels(_reason)  # told as 0 from the start

_told: Tally[str] = Tally()


def hand_over() -> None:
    """Bring the metrics up to date with the meters of this process."""
    _connections.set(meters.connections)
    _lag.set(meters.loop_lag_s)
    _draining.set(meters.is_draining)
    for name, counter, value in (
        ("opened", _opened, meters.opened),
        ("received", _received, meters.received),
        ("sent", _sent, meters.sent),
        *((reason, _dropped.labels(reason), count) for reason, count in list(drops.items())),
    ):
        counter.inc(value - _told[name])
        _told[name] = value


each_second.append(hand_over)


def exposition(redis: str) -> bytes:
    """The page for Prometheus; ``redis`` is ``"up"``, ``"down"`` or something else, which is not told."""
    hand_over()
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)
    else:
        registry.register(REGISTRY)
    if redis in ("up", "down"):
        registry.register(RedisState(redis == "up"))
    return generate_latest(registry)


class RedisState:
    """A metric that is known at the moment of asking."""

    def __init__(self, is_up: bool) -> None:
        self.is_up = is_up

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("channels_redis_up", "Whether Redis answers.", value=float(self.is_up))

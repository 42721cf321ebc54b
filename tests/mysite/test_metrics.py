"""What Prometheus is told, by one process and by several."""

import asyncio
import os
import signal
from collections import Counter

import pytest
from django.test import override_settings
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from channels_core.meters import drops, each_second, meters
from mysite import metrics
from tests.mysite.conftest import TOKEN
from tests.production import Line
from tests.servers import wait_until

BEARER = {"Authorization": f"Bearer {TOKEN}"}


def read(text: str) -> Counter[str]:
    """Each sample by its name, with the value of its label where it has one; what is not there counts as 0."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return Counter({".".join([sample.name, *sample.labels.values()]): sample.value for sample in samples})


@pytest.fixture
def told(client, settings):
    """The page of this process, as numbers."""
    settings.METRICS_TOKEN = TOKEN

    def told() -> Counter[str]:
        response = client.get("/metrics", headers=BEARER)
        assert response.status_code == 200
        return read(response.text)

    return told


# --- Who may read it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("", {"Authorization": "Bearer "}),
        (TOKEN, {}),
        (TOKEN, {"Authorization": f"Bearer {TOKEN}s"}),
        (TOKEN, {"Authorization": f"Bearer {TOKEN[:-1]}"}),
        (TOKEN, {"Authorization": f"Basic {TOKEN}"}),
        (TOKEN, {"Authorization": TOKEN}),
        (TOKEN, {"Authorization": "Bearer é"}),
    ],
)
def test_without_the_token_there_is_no_such_page(client, token, headers):
    with override_settings(METRICS_TOKEN=token):
        response = client.get("/metrics", headers=headers)

    assert response.status_code == 404
    assert b"channels_" not in response.content


def test_with_the_token_it_is_prometheus_text(client):
    with override_settings(METRICS_TOKEN=TOKEN):
        response = client.get("/metrics", headers=BEARER)

    assert response.status_code == 200
    assert response.headers["Content-Type"] == metrics.CONTENT_TYPE
    families = list(text_string_to_metric_families(response.text))
    assert all(family.documentation for family in families if family.name.startswith("channels_"))


# --- What it tells -----------------------------------------------------------------------------------


def test_the_meters_are_told_as_they_are(told, monkeypatch):
    before = told()
    for name, value in {"connections": 7, "loop_lag_s": 0.25, "is_draining": True}.items():
        monkeypatch.setattr(meters, name, value)
    for name in ("opened", "received", "sent"):
        setattr(meters, name, getattr(meters, name) + 3)

    after = told()

    assert after["channels_connections"] == 7
    assert after["channels_event_loop_lag_seconds"] == 0.25
    assert after["channels_draining"] == 1
    for name in ("connections_opened", "frames_received", "frames_sent"):
        assert after[f"channels_{name}_total"] - before[f"channels_{name}_total"] == 3


def test_drops_are_told_by_reason_also_those_that_have_not_happened(told):
    before = told()
    assert all(f"channels_dropped_total.{reason}" in before for reason in metrics.REASONS)

    drops["slow_socket"] += 2

    rise = told() - before
    assert {name: rise[name] for name in rise if name.startswith("channels_dropped")} == {
        "channels_dropped_total.slow_socket": 2
    }


def test_what_is_asked_twice_is_not_counted_twice(told):
    assert told()["channels_frames_sent_total"] == told()["channels_frames_sent_total"]


def test_redis_is_told_where_there_is_one(told, settings, redis_server):
    assert "channels_redis_up" not in told()

    settings.REDIS_URL = redis_server.url
    assert told()["channels_redis_up"] == 1

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert told()["channels_redis_up"] == 0


def test_it_is_handed_over_once_a_second():
    assert each_second.count(metrics.hand_over) == 1


# --- Of several processes ----------------------------------------------------------------------------


class Worker:
    """One of the workers, always the same: of the others it knows what they hand over."""

    def __init__(self, line: Line) -> None:
        self.line = line

    def page(self) -> Counter[str]:
        response = self.line.get("/metrics", **BEARER)
        assert response.status == 200
        return read(response.text)

    def pid(self) -> int:
        return self.line.get("/state").json()["pid"]

    async def tells(self, **values: float) -> None:
        """Ask until these are its numbers."""
        told = Counter()

        def is_so() -> bool:
            told.clear()
            told.update(self.page())
            return all(told[f"channels_{name}"] == value for name, value in values.items())

        await asyncio.to_thread(wait_until, is_so, what=f"{values}")


@pytest.fixture
def worker(production):
    line = Line(production.port)
    yield Worker(line)
    line.close()


async def test_workers_are_summed_and_of_the_dead_only_what_they_counted_is_left(production, worker):
    tabs = [await connect(f"ws://127.0.0.1:{production.port}/bench/") for _ in range(20)]
    for tab in tabs:
        await tab.send("pid")
    pids = [int(await tab.recv()) for tab in tabs]
    [other] = set(pids) - {worker.pid()}

    counted = {"connections_opened_total": 20, "frames_received_total": 20, "frames_sent_total": 20}
    await worker.tells(connections=20, redis_up=1, **counted)

    for tab in tabs[:5]:
        await tab.close()
    await worker.tells(connections=15, **counted)

    os.kill(other, signal.SIGKILL)
    await worker.tells(connections=sum(pid != other for pid in pids[5:]), **counted)

    for tab in tabs:
        await tab.close()

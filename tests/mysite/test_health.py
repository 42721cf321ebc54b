"""What a load balancer asks: whether the process is alive, and whether requests may come to it."""

import asyncio
import signal
import socket
import threading

import pytest
from django.test import override_settings

from channels_core.meters import meters
from mysite import health
from tests.e2e.site import Line
from tests.production import Production
from tests.servers import NO_POSTGRES, PostgresServer, RedisServer, free_port, postgres_binaries, until, wait_until

READY = {"status": "ready", "database": "up", "redis": "not configured", "draining": False, "reasons": []}


@pytest.fixture
def listener():
    """A server that says nothing, and to which nobody needs to come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


class Database:
    """Stands in for the question to the database: answers when it is let, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.answer = True

    def ask(self) -> bool:
        self.asked += 1
        assert self.may_answer.wait(10)
        return self.answer


@pytest.fixture
def database(monkeypatch):
    """A database that answers at once, unless a test says otherwise."""
    database = Database()
    database.may_answer.set()
    monkeypatch.setattr(health, "_ask_database", database.ask)
    yield database
    database.may_answer.set()


# --- /healthz ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "evil.example", "10.1.2.3:8000"])
async def test_alive_is_answered_for_any_host_and_touches_nothing(async_client, database, listener, host):
    with override_settings(REDIS_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}", DEBUG=False):
        response = await async_client.get("/healthz", headers={"host": host})

    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert database.asked == 0
    with pytest.raises(BlockingIOError):  # nobody has come
        listener.accept()


async def test_alive_is_answered_while_the_database_hangs(async_client, database):
    database.may_answer.clear()
    waiting = asyncio.create_task(async_client.get("/readyz"))
    await until(lambda: database.asked)

    response = await async_client.get("/healthz")

    assert response.status_code == 200
    database.may_answer.set()
    assert (await waiting).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_they_are_not_sent_on_to_https_as_the_rest_is(async_client, database, path):
    """What asks does not come through the proxy."""
    with override_settings(SECURE_SSL_REDIRECT=True, METRICS_TOKEN="secret"):
        response = await async_client.get(path, headers={"authorization": "Bearer secret"})
        other = await async_client.get("/accounts/login/")

    assert response.status_code == 200
    assert (other.status_code, other.headers["Location"]) == (301, "https://testserver/accounts/login/")


def test_they_are_answered_under_wsgi_too(client, database):
    """Django's own test client is synchronous, and so may be a fork's server."""
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == READY


# --- /readyz -----------------------------------------------------------------------------------------


@pytest.mark.django_db
async def test_ready_when_the_database_answers(async_client):
    response = await async_client.get("/readyz")

    assert (response.status_code, response.json()) == (200, READY)


async def test_unavailable_when_the_database_fails(async_client, database):
    database.answer = False

    response = await async_client.get("/readyz")

    assert response.status_code == 503
    assert (response.json()["status"], response.json()["database"]) == ("unavailable", "down")
    assert len(response.json()["reasons"]) == 1


async def test_unavailable_while_the_database_hangs_and_ready_when_it_is_back(async_client, database, monkeypatch):
    monkeypatch.setattr(health, "DATABASE_ANSWERS_WITHIN_S", 0.05)
    database.may_answer.clear()

    assert (await async_client.get("/readyz")).status_code == 503
    assert (await async_client.get("/readyz")).status_code == 503
    await until(lambda: database.asked)
    assert database.asked == 1  # nobody asks again while the question is open

    database.may_answer.set()
    async with asyncio.timeout(15):
        while (await async_client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)


async def test_who_asks_at_the_same_time_shares_one_question(async_client, database):
    database.may_answer.clear()
    asking = [asyncio.create_task(async_client.get("/readyz")) for _ in range(5)]
    await until(lambda: database.asked)
    for _ in range(10):  # all of them have come so far
        await asyncio.sleep(0)

    database.may_answer.set()

    assert [response.status_code for response in await asyncio.gather(*asking)] == [200] * 5
    assert database.asked == 1


async def test_unavailable_while_the_process_drains(async_client, database, monkeypatch, caplog):
    """No error, so it is not in the log with every probe."""
    monkeypatch.setattr(meters, "is_draining", True)

    response = await async_client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == READY | {
        "status": "unavailable",
        "draining": True,
        "reasons": ["The process is stopping."],
    }
    assert caplog.records == []


async def test_degraded_without_redis_and_says_nothing_that_is_secret(async_client, database):
    port = free_port()
    with override_settings(REDIS_URL=f"redis://operator:hunter2@127.0.0.1:{port}/0"):
        response = await async_client.get("/readyz")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["redis"]) == ("degraded", "down")
    assert len(response.json()["reasons"]) == 1
    for secret in ("hunter2", "operator", "127.0.0.1", str(port)):
        assert secret not in response.text


async def test_degraded_when_redis_takes_connections_and_does_not_answer(async_client, database, listener, monkeypatch):
    monkeypatch.setattr(health, "REDIS_ANSWERS_WITHIN_S", 0.1)
    with override_settings(REDIS_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}"):
        response = await async_client.get("/readyz")

    assert (response.status_code, response.json()["redis"]) == (200, "down")


# --- As it is served ---------------------------------------------------------------------------------


class Services:
    """Redis, PostgreSQL behind a line that can freeze, and the project in front of them."""

    def __init__(self) -> None:
        self.redis = RedisServer()
        self.redis.start()
        self.postgres = PostgresServer(postgres_binaries())
        self.postgres.start()
        self.line = Line(self.postgres.port)
        self.site = Production(
            REDIS_URL=self.redis.url, DATABASE_URL=f"postgres://tests:hunter2@127.0.0.1:{self.line.port}/postgres"
        )
        self.site.start()

    def remove(self) -> None:
        self.site.remove()
        self.line.close()
        self.postgres.remove()
        self.redis.remove()

    def becomes(self, code: int, **expected: object) -> None:
        """Ask until it is so, and nothing secret is in it."""

        def is_so() -> bool:
            self.answer = self.site.get("/readyz")
            said = self.answer.json()
            return self.answer.status == code and all(said[name] == expected[name] for name in expected)

        wait_until(is_so, what=f"{code} {expected}")
        assert "hunter2" not in self.answer.text
        assert str(self.line.port) not in self.answer.text


@pytest.fixture
def services():
    if postgres_binaries() is None:
        pytest.skip(NO_POSTGRES)
    services = Services()
    yield services
    services.remove()


def test_readiness_follows_what_happens_to_redis_and_the_database(services):
    services.becomes(200, status="ready", database="up", redis="up", reasons=[])

    services.redis.stop()
    services.becomes(200, status="degraded", database="up", redis="down")
    services.redis.start()
    services.becomes(200, status="ready", redis="up")

    services.postgres.stop()
    services.becomes(503, status="unavailable", database="down", redis="up")
    services.postgres.start()
    services.becomes(200, status="ready", database="up")

    services.line.freeze()
    services.becomes(503, status="unavailable", database="down")
    assert services.site.get("/healthz").status == 200
    services.line.mend()
    services.becomes(200, status="ready", database="up")

    services.site.process.send_signal(signal.SIGTERM)
    services.becomes(503, status="unavailable", draining=True, database="up")


def test_a_database_that_accepts_and_never_answers_is_noticed_within_the_bound(listener):
    """From the start: the first connection is one that hangs."""
    site = Production(DATABASE_URL=f"postgres://tests@127.0.0.1:{listener.getsockname()[1]}/postgres")
    site.start()
    try:
        assert site.get("/healthz").status == 200  # it has started

        within_s = health.DATABASE_ANSWERS_WITHIN_S + 1.5
        with socket.create_connection(("127.0.0.1", site.port), timeout=within_s) as line:
            line.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 503 ")
    finally:
        site.remove()

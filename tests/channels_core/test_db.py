"""Database work from asynchronous code: threads, and the care of connections."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import connections

from channels_core import db
from channels_core.db import DatabaseSyncToAsync, aclose_old_connections, database_sync_to_async, keep_connections


@pytest.fixture
def tidied(monkeypatch):
    """The threads in which old connections were closed, one entry for each time."""
    threads = []
    monkeypatch.setattr(db, "FRESH_S", 0)
    monkeypatch.setattr(db, "close_old_connections", lambda: threads.append(threading.current_thread()))
    return threads


@pytest.mark.parametrize("threads", [1, 4])
async def test_connections_are_tidied_before_and_after_in_the_thread_that_used_them(settings, tidied, threads):
    settings.CHANNELS_DATABASE_THREADS = threads

    worker = await database_sync_to_async(threading.current_thread)()

    assert tidied == [worker, worker]
    assert worker is not threading.current_thread()


async def test_connections_are_tidied_after_an_error_too(tidied):
    with pytest.raises(ZeroDivisionError):
        await database_sync_to_async(lambda: 1 / 0)()

    assert len(tidied) == 2


class Connection:
    """What is tidied: asked whether it lives before its next use, unless it has been found out."""

    health_check_done = False
    checks = 0

    def use(self):
        self.checks += not self.health_check_done
        self.health_check_done = True

    def close_if_unusable_or_obsolete(self):
        self.health_check_done = False


@pytest.fixture
def connection(monkeypatch, settings):
    connection = Connection()
    settings.CHANNELS_DATABASE_THREADS = 1
    for where in (db.connections, connections):
        monkeypatch.setattr(where, "all", lambda initialized_only=False: [connection])
    monkeypatch.setattr(db, "_used", threading.local())
    return connection


async def test_a_connection_that_was_just_used_is_not_asked_whether_it_lives(connection, monkeypatch):
    monkeypatch.setattr(db, "FRESH_S", 60)

    for _ in range(3):
        await database_sync_to_async(connection.use)()

    assert connection.checks == 1


async def test_a_connection_that_was_not_used_for_a_while_is_asked(connection, monkeypatch):
    monkeypatch.setattr(db, "FRESH_S", 0)

    for _ in range(3):
        await database_sync_to_async(connection.use)()

    assert connection.checks == 3


async def test_by_default_every_call_runs_on_the_same_thread(settings, tidied):
    del settings.CHANNELS_DATABASE_THREADS

    calls = [database_sync_to_async(threading.get_ident)() for _ in range(20)]

    assert len(set(await asyncio.gather(*calls))) == 1


async def test_with_a_pool_calls_overlap(settings):
    """Shown by a barrier that only as many calls at the same time can pass."""
    settings.CHANNELS_DATABASE_THREADS = 3
    barrier = threading.Barrier(3)

    await asyncio.gather(*(database_sync_to_async(barrier.wait)(5) for _ in range(3)))


async def test_the_pool_has_no_more_threads_than_the_setting_says(settings):
    settings.CHANNELS_DATABASE_THREADS = 2

    calls = [database_sync_to_async(threading.get_ident)() for _ in range(50)]

    assert len(set(await asyncio.gather(*calls))) <= 2


async def test_it_decorates_functions_and_methods():
    class Greeter:
        greeting = "Hello"

        @database_sync_to_async
        def greet(self, name, *, mark="!"):
            return f"{self.greeting}, {name}{mark}"

    @database_sync_to_async
    def add(a, b):
        return a + b

    assert await Greeter().greet("Ada", mark=".") == "Hello, Ada."
    assert await add(1, b=2) == 3
    assert database_sync_to_async is DatabaseSyncToAsync


def test_a_coroutine_function_is_refused():
    async def wrong():
        """Needs no thread."""

    with pytest.raises(TypeError):
        database_sync_to_async(wrong)


@pytest.mark.parametrize("threads", [1, 4])
async def test_a_test_can_keep_the_connections_of_what_it_drives_and_of_nothing_else(settings, tidied, threads):
    settings.CHANNELS_DATABASE_THREADS = threads

    async def kept():
        keep_connections.set(True)
        await database_sync_to_async(int)()
        await aclose_old_connections()

    await asyncio.create_task(kept())
    assert tidied == []

    await database_sync_to_async(int)()
    assert len(tidied) == 2


async def test_old_connections_are_closed_in_the_thread_of_thread_sensitive_code(settings, tidied):
    settings.CHANNELS_DATABASE_THREADS = 1

    await aclose_old_connections()

    [thread] = tidied
    assert thread is await database_sync_to_async(threading.current_thread)()


async def test_work_for_waiting_synchronous_code_runs_on_its_thread(settings, tidied):
    """Every thread of the pool may be waiting like that: another one would never come free."""
    settings.CHANNELS_DATABASE_THREADS = 2
    all_are_waiting = threading.Barrier(2)
    inner = async_to_sync(database_sync_to_async(threading.current_thread))

    @database_sync_to_async
    def outer():
        all_are_waiting.wait(timeout=5)
        return threading.current_thread(), inner()

    async with asyncio.timeout(5):
        for own, lent in await asyncio.gather(outer(), outer()):
            assert lent is own


def test_work_for_a_thread_without_a_loop_runs_on_that_thread(settings, tidied):
    """There it sees the transaction that the caller has begun, as in a test case of Django's."""
    settings.CHANNELS_DATABASE_THREADS = 2

    async def in_a_task_of_its_own():
        return await asyncio.create_task(database_sync_to_async(threading.current_thread)())

    assert async_to_sync(in_a_task_of_its_own)() is threading.current_thread()


@pytest.mark.django_db(transaction=True)
async def test_the_database_has_no_more_connections_than_the_pool_has_threads(settings):
    settings.CHANNELS_DATABASE_THREADS = 2
    wrappers = set()

    def query():
        get_user_model().objects.exists()
        wrappers.add(connections["default"])

    await asyncio.gather(*(database_sync_to_async(query)() for _ in range(50)))

    assert 1 <= len(wrappers) <= 2

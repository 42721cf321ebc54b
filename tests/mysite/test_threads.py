"""Pages are made on a few threads, and no others wait for one."""

import asyncio
import threading

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.http import HttpResponse
from django.test import override_settings

from mysite import threads
from tests.servers import until


class Kitchen:
    """Makes pages in Django's way, each when it may."""

    def __init__(self) -> None:
        self.began: list[tuple[str, int]] = []  # which page, on which thread
        self.may_end = threading.Event()

    def make(self, request) -> HttpResponse:
        self.began.append((request.path, threading.get_ident()))
        assert self.may_end.wait(10)
        return HttpResponse()

    def paths(self) -> list[str]:
        return sorted(path for path, _ in self.began)


@pytest.fixture
def kitchen():
    kitchen = Kitchen()
    yield kitchen
    kitchen.may_end.set()


@pytest.fixture
def ask(kitchen, rf):
    """Ask for a page, as Django's handler does: in a task that would have a thread of its own."""
    with override_settings(HTTP_CONCURRENCY=2):
        answer = threads.middleware(sync_to_async(kitchen.make))

    async def ask(path: str) -> HttpResponse:
        async with ThreadSensitiveContext():
            return await answer(rf.get(path))

    return ask


async def test_so_many_pages_are_made_at_a_time_and_the_others_wait(ask, kitchen):
    asked = [asyncio.create_task(ask(f"/{number}")) for number in range(6)]
    await until(lambda: len(kitchen.began) == 2)
    assert kitchen.paths() == ["/0", "/1"]

    kitchen.may_end.set()

    assert [response.status_code for response in await asyncio.gather(*asked)] == [200] * 6
    assert len({thread for _, thread in kitchen.began}) == 2


async def test_a_page_goes_to_the_thread_with_the_shortest_queue(ask, kitchen):
    """Where one is free, nobody waits."""
    kitchen.may_end.set()
    await asyncio.gather(ask("/0"), ask("/1"))
    kitchen.may_end.clear()
    slow = asyncio.create_task(ask("/slow"))
    await until(lambda: "/slow" in kitchen.paths())

    quick = asyncio.create_task(ask("/quick"))

    await until(lambda: "/quick" in kitchen.paths())
    kitchen.may_end.set()
    await asyncio.gather(slow, quick)


async def test_a_connection_that_is_broken_or_old_is_closed_before_the_page_is_made(ask, kitchen, monkeypatch):
    """On its thread: after a restart of the database each would fail for ever with the connection from before."""
    tidied: list[int] = []
    monkeypatch.setattr(threads, "close_old_connections", lambda: tidied.append(threading.get_ident()))
    kitchen.may_end.set()

    await ask("/one")
    await ask("/two")

    assert tidied == [thread for _, thread in kitchen.began]

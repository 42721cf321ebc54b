"""Garbage is collected in small portions, and none is kept for good."""

import gc
import sys
import weakref

import pytest
from websockets.asyncio.client import connect

from channels_core.meters import each_second
from channels_core.servers import garbage
from channels_core.servers.garbage import Collector
from tests.channels_core.servers import writing
from tests.channels_core.servers.writing import WritingServer
from tests.servers import wait_until


class Circle:
    """Something that only the collector can free."""

    def __init__(self):
        self.itself = self


@pytest.fixture
def connections():
    """Those of a server."""
    return []


@pytest.fixture
def collector(connections):
    """One that works in the process of the tests, and is gone afterwards."""
    thresholds, acts = gc.get_threshold(), list(each_second)
    collector = Collector(connections)
    collector.start()
    yield collector
    each_second[:] = acts
    gc.callbacks.remove(garbage.freeze_survivors)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


@pytest.fixture
def blocks(monkeypatch):
    """How many blocks of memory are in use, as far as the collector knows."""
    blocks = [1000]
    monkeypatch.setattr(sys, "getallocatedblocks", lambda: blocks[0])
    return blocks


def is_looked_at(thing):
    """Whether the next full collection looks at this."""
    return any(each is thing for each in gc.get_objects())


def test_what_was_loaded_is_never_looked_at_again(collector):
    assert not is_looked_at(sys.modules)
    assert gc.get_freeze_count() > 10_000


def test_what_survives_one_full_collection_is_not_looked_at_by_the_next(collector):
    thing = [[]]
    assert is_looked_at(thing)

    gc.collect()

    assert not is_looked_at(thing)


def test_a_full_collection_comes_before_there_is_much_to_look_at(collector):
    generations = []
    gc.callbacks.append(note := lambda phase, info: generations.append(info["generation"]))
    things = [[] for _ in range(60_000)]
    gc.callbacks.remove(note)

    assert generations.count(garbage.OLDEST) >= 2
    assert len(things) == 60_000
    assert len(gc.get_objects()) < 20_000


def test_a_circle_is_collected_when_it_is_young(collector):
    circle = weakref.ref(Circle())

    gc.collect()

    assert circle() is None


def test_circles_that_were_frozen_are_found_when_there_is_half_as_much_memory_again(blocks, collector):
    circle = Circle()
    gc.collect()
    found = weakref.ref(circle)
    del circle
    gc.collect()
    assert found() is not None

    blocks[0] = 1400
    collector.watch()
    assert found() is not None
    blocks[0] = 1600
    collector.watch()

    assert found() is None


def test_memory_for_more_connections_is_no_reason(blocks, collector, connections, monkeypatch):
    looked = []
    monkeypatch.setattr(collector, "_look_through_all", lambda: looked.append(blocks[0]) or 0)

    connections += [1, 2, 3]
    blocks[0] = 5000
    collector.watch()
    connections.clear()
    blocks[0] = 7000
    collector.watch()
    assert looked == []

    blocks[0] = 8000
    collector.watch()
    assert looked == [8000]


def test_what_is_needed_is_not_looked_through_each_second(blocks, collector):
    """Nothing was found: that much is needed, and the next time is when there is more."""
    collections = []
    gc.callbacks.append(note := lambda phase, info: collections.append(phase))
    blocks[0] = 1600
    for _ in range(10):
        collector.watch()
    gc.callbacks.remove(note)

    assert collections == ["start", "stop"] * 2


async def test_a_worker_does_so(request):
    server = WritingServer("gunicorn")
    request.addfinalizer(server.remove)
    server.start()
    async with connect(server.at(writing.tell_of_the_collector, "told"), proxy=None):
        wait_until(lambda: server.noted("told"), what="the script")

    thresholds, frozen, callbacks = server.noted("told")
    assert tuple(thresholds) == garbage.THRESHOLDS
    assert frozen > 10_000
    assert callbacks == 1

"""Positions: whole and in order, whatever the layer loses, delays or repeats."""

import asyncio
import json
import random

import pytest

from channels_core import line, recovery
from channels_core.broadcast import broadcast, get_hub
from channels_core.outbox import Outbox
from channels_core.recovery import Positions, Source
from tests.servers import RedisServer, until

GROUP = "numbered.1"


class Ledger:
    """An application with one group, whose changes are the numbers 1, 2, 3 ..."""

    MOST = 10  # changes of one event

    def __init__(self) -> None:
        self.head = 0
        self.fetches: list[int] = []
        self.failures: list[Exception] = []

    async def heads(self, groups):
        return dict.fromkeys(groups, self.head)

    async def fetch(self, group, after):
        self.fetches.append(after)
        if self.failures:
            raise self.failures.pop()
        await asyncio.sleep(0)
        head = min(self.head, after + self.MOST)
        return {"changes": list(range(after + 1, head + 1))}, head


@pytest.fixture
def ledger(monkeypatch):
    ledger = Ledger()
    monkeypatch.setattr(recovery, "_sources", {"numbered.": Source(ledger.heads, ledger.fetch)})
    monkeypatch.setattr(recovery, "GAP_S", 0.001)
    return ledger


class Reader:
    """What a socket that listens from the start is told, through positions of its own."""

    def __init__(self) -> None:
        self.told: list[int] = []
        self.held: list[int] = []
        self.positions = Positions(self._write, self._hold, json.dumps)

    def _write(self, group, text):
        """What overlaps is known by its number, as with messages and their versions; a gap would stay one."""
        last = self.told[-1] if self.told else None
        self.told += [number for number in json.loads(text)["changes"] if last is None or number > last]

    def _hold(self, group, text):
        self.held += json.loads(text)["changes"]

    def take(self, after, head):
        self.positions.take(GROUP, json.dumps({"changes": list(range(after + 1, head + 1))}), after, head)

    def take_state(self, head):
        self.positions.take(GROUP, json.dumps({"changes": [head]}), None, head)

    async def until_told(self, head):
        await until(lambda: self.told[-1:] == [head])


async def at_rest():
    """Return when nothing goes on that was begun, so nothing will be fetched any more."""
    async with asyncio.timeout(5):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


async def test_what_comes_in_order_is_delivered_at_once(ledger):
    reader = Reader()
    reader.take(0, 1)
    reader.take(1, 3)

    assert reader.told == [1, 2, 3]
    assert ledger.fetches == []


async def test_a_late_change_fills_its_gap_without_a_question(ledger):
    reader = Reader()
    reader.take(0, 1)
    reader.take(2, 3)
    assert reader.told == [1]

    reader.take(1, 2)

    assert reader.told == [1, 2, 3]
    await at_rest()
    assert ledger.fetches == []


async def test_a_lost_change_is_fetched_once_and_what_waited_follows(ledger):
    reader = Reader()
    ledger.head = 5
    reader.take(0, 1)
    reader.take(2, 3)
    reader.take(3, 5)

    await reader.until_told(5)

    assert reader.told == [1, 2, 3, 4, 5]
    assert ledger.fetches == [1]


async def test_more_than_fits_one_event_is_fetched_in_steps(ledger):
    reader = Reader()
    reader.take(0, 1)
    ledger.head = 25
    reader.take(24, 25)

    await reader.until_told(25)

    assert reader.told == list(range(1, 26))
    assert ledger.fetches == [1, 11, 21]


async def test_what_comes_twice_is_dropped_but_for_who_still_reads(ledger):
    reader = Reader()
    reader.take(0, 2)
    reader.take(0, 2)

    assert reader.told == [1, 2]
    assert reader.held == [1, 2]


async def test_the_loss_of_the_last_change_is_found_by_comparing(ledger):
    reader = Reader()
    reader.take(0, 1)
    ledger.head = 3

    await reader.positions.compare([GROUP, "other.1"])
    await reader.until_told(3)

    assert reader.told == [1, 2, 3]


async def test_a_loss_before_anything_was_told_is_found_too(ledger):
    reader = Reader()
    reader.positions.start_at(GROUP, 4)
    ledger.head = 6

    await reader.positions.compare([GROUP])
    await reader.until_told(6)

    assert reader.told == [5, 6]


async def test_who_has_read_less_than_the_first_gets_what_is_between(ledger):
    """Two have subscribed and read, one before a change and one after it; its telling comes last and is known."""
    reader = Reader()
    ledger.head = 5
    reader.positions.start_at(GROUP, 5)
    reader.positions.start_at(GROUP, 4)

    await reader.until_told(5)

    assert reader.told == [5]


async def test_without_a_source_who_has_read_less_gets_what_comes_late():
    """The first has read the change already; its telling is still new to the second."""
    reader = Reader()
    reader.positions.start_at("plain.1", 1)
    reader.positions.start_at("plain.1", 0)

    reader.positions.take("plain.1", json.dumps({"changes": [1]}), 0, 1)

    assert reader.told == [1]


async def test_what_somebody_has_read_already_is_fetched_for_those_who_were_not_told(ledger):
    """The telling was lost; who joins then knows more than the others, and they need not wait for a comparison."""
    reader = Reader()
    reader.take(0, 1)
    ledger.head = 3
    reader.positions.start_at(GROUP, 3)

    await reader.until_told(3)

    assert reader.told == [1, 2, 3]


async def test_a_source_that_fails_is_asked_again_by_the_next_comparison(ledger, caplog):
    reader = Reader()
    reader.take(0, 1)
    ledger.head = 3
    ledger.failures = [ConnectionError("the database is away")]
    await reader.positions.compare([GROUP])
    await until(lambda: "could not be fetched" in caplog.text)

    await reader.positions.compare([GROUP])
    await reader.until_told(3)

    assert ledger.fetches == [1, 1]


async def test_nobody_is_asked_about_a_group_that_nobody_listens_to_any_more(ledger):
    reader = Reader()
    ledger.head = 5
    reader.take(0, 1)
    reader.take(4, 5)

    reader.positions.forget(GROUP)
    await at_rest()

    assert ledger.fetches == []
    assert reader.told == [1]


async def test_a_state_needs_nothing_before_it_and_an_older_one_is_dropped(ledger):
    reader = Reader()
    ledger.head = 9
    reader.take_state(3)
    reader.take_state(9)
    reader.take_state(8)
    reader.take_state(9)

    assert reader.told == [3, 9]
    await at_rest()
    assert ledger.fetches == []


async def test_a_state_that_was_lost_is_found_by_comparing(ledger):
    reader = Reader()
    reader.take_state(3)
    ledger.head = 5

    await reader.positions.compare([GROUP])
    await reader.until_told(5)

    assert ledger.fetches == [3]


async def test_who_still_reads_is_given_a_state_that_the_others_know(ledger):
    reader = Reader()
    reader.take_state(5)
    reader.take_state(4)

    assert reader.held == [4]


async def test_a_source_that_cannot_be_compared_does_not_keep_others_from_it(ledger, monkeypatch, caplog):
    async def fail(groups):
        raise ConnectionError("the database is away")

    monkeypatch.setattr(recovery, "_sources", {"broken.": Source(fail, ledger.fetch)} | recovery._sources)
    reader = Reader()
    reader.take(0, 1)
    ledger.head = 2

    await reader.positions.compare(["broken.1", GROUP])
    await reader.until_told(2)

    assert "the database is away" in caplog.text


async def test_what_is_told_without_numbers_is_looked_after_when_heads_are_compared(ledger, monkeypatch):
    missed = asyncio.Event()

    async def has_missed():
        missed.set()

    monkeypatch.setattr(recovery, "_sources", {"numbered.": Source(ledger.heads, ledger.fetch, has_missed)})

    await Reader().positions.compare(["other.1"])  # whose events may be just those

    assert missed.is_set()


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_happens_on_the_way_everything_arrives_once_and_in_order(ledger, seed):
    chance = random.Random(seed)
    reader = Reader()
    reader.positions.start_at(GROUP, 0)
    sent: list[tuple[int, int]] = []
    for _ in range(40):
        after, ledger.head = ledger.head, ledger.head + chance.randint(1, 3)
        sent += [(after, ledger.head)] * chance.choice([0, 1, 1, 1, 2])
        if chance.random() < 0.4:
            chance.shuffle(sent)
            while sent:
                reader.take(*sent.pop())
        if chance.random() < 0.2:
            await asyncio.sleep(0.002)
    await reader.positions.compare([GROUP])

    await reader.until_told(ledger.head)

    assert reader.told == list(range(1, ledger.head + 1))


# The hub


class Socket:
    """What arrives at a socket."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[list[int]] = asyncio.Queue()
        self.outbox = Outbox(self._send)
        self.outbox.push({"type": "websocket.accept"})

    async def _send(self, message):
        if message["type"] != "websocket.accept":
            self.heard.put_nowait(json.loads(message["text"])["changes"])

    async def hears(self) -> list[int]:
        async with asyncio.timeout(10):
            return await self.heard.get()


@pytest.fixture
def redis_layer(settings, redis_server):
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [redis_server.url], "prefix": "recovery"},
        }
    }


async def test_without_redis_changes_arrive_by_comparing_and_with_it_again_as_before(
    ledger, redis_layer, redis_server: RedisServer, monkeypatch
):
    monkeypatch.setattr(line, "WATCH_S", 0.2)
    monkeypatch.setattr(line, "COMPARE_S", 3600)
    hub, socket = get_hub(), Socket()
    await hub.subscribe(socket.outbox, GROUP)
    hub.start_at(GROUP, 0)
    try:
        await asyncio.to_thread(redis_server.stop)
        ledger.head = 1
        assert await socket.hears() == [1]
    finally:
        await asyncio.to_thread(redis_server.start)
    ledger.head = 2
    assert await socket.hears() == [2]  # at once after its return, if not before
    ledger.head = 3
    async with asyncio.timeout(10):
        while socket.heard.empty():
            try:
                await broadcast(GROUP, {"changes": [3]}, after=2, head=3)
            except OSError:
                pass
            await asyncio.sleep(0.1)

    assert await socket.hears() == [3]
    await hub.unsubscribe(socket.outbox, GROUP)

"""A tab in a room, from its subscription on: nothing is missed, beats come, and nothing stays behind."""

import asyncio
from collections.abc import Callable
from threading import Event
from uuid import uuid4

import pytest
from django.db import OperationalError

from channels_core.broadcast import get_hub
from channels_core.db import database_sync_to_async
from channels_core.layers import get_channel_layer
from chat import access, arrivals, presence_local, queries
from chat.presence import get_presence
from chat.pulse import get_pulse
from chat.watch import Watch, get_watch
from tests.chat.drafts import post, texts
from tests.people import fill
from tests.servers import until

TIMEOUT_S = 5


class Pause:
    """Holds a thread at a place until the test lets it go on."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._released = Event()

    def here(self) -> None:
        """For the thread: say that it is here, and wait."""
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._released.wait(TIMEOUT_S)

    async def reached(self) -> None:
        """For the test: wait until the thread is there."""
        await asyncio.wait_for(self._reached.wait(), TIMEOUT_S)

    def release(self) -> None:
        self._released.set()


@pytest.fixture
def hold_the_welcome(monkeypatch) -> Callable[..., Pause]:
    """From now on a welcome waits, before or after what it tells has been read."""

    def hold_the_welcome(*, after_the_read: bool = False) -> Pause:
        pause, read = Pause(), arrivals._welcomes

        def read_slowly(*args):
            if not after_the_read:
                pause.here()
            welcome = read(*args)
            if after_the_read:
                pause.here()
            return welcome

        monkeypatch.setattr(arrivals, "_welcomes", read_slowly)
        return pause

    return hold_the_welcome


@pytest.mark.parametrize("after_the_read", [False, True])
async def test_what_is_said_while_the_welcome_is_read_follows_it(
    open_socket, join, lobby, alice, bob, hold_the_welcome, after_the_read
):
    """
    Nothing is missed between subscribing and reading, and the welcome stays the first frame.

    What is said before the read comes twice: in the welcome, and behind it.
    """
    async with join(bob, lobby) as speaker, open_socket(alice, "/ws/rooms/lobby/") as tab:
        pause = hold_the_welcome(after_the_read=after_the_read)
        await tab.connect()
        await pause.reached()
        for text in ["One", "Two"]:
            await speaker.ask("message.post", client_id=str(uuid4()), text=text)
            # The hub has it, and with that the tab that is joining.
            assert texts(await speaker.receive_event("messages")) == [text]
        assert await tab.receive_nothing()
        pause.release()

        first = await tab.receive_json_from(TIMEOUT_S)
        told = [await tab.receive_event("messages") for _ in range(2)]

    assert first["type"] == "welcome"
    assert texts(first) == ([] if after_the_read else ["One", "Two"])
    assert [text for event in told for text in texts(event)] == ["One", "Two"]


async def test_a_beat_comes_with_the_head_of_the_room(join, lobby, study, alice, bob, settings):
    settings.CHAT_BEAT_INTERVAL = 0.02
    await database_sync_to_async(fill)(lobby, alice, ["One", "Two"])

    async with join(alice, lobby) as tab, join(bob, lobby) as other, join(alice, study) as elsewhere:
        assert tab.welcome["beat_s"] == 0.02
        assert [await each.receive_event("beat") for each in (tab, other)] == [{"type": "beat", "head": 2}] * 2
        assert await elsewhere.receive_event("beat") == {"type": "beat", "head": 0}

        await database_sync_to_async(post)(bob, lobby)
        async with asyncio.timeout(TIMEOUT_S):
            while (await tab.receive_event("beat"))["head"] != 3:
                pass


async def test_beats_go_on_after_the_database_was_away(join, lobby, alice, settings, monkeypatch, caplog):
    settings.CHAT_BEAT_INTERVAL = 0.02
    heads = iter([OSError("The database is away."), {lobby.pk: 7}])

    def read(room_ids):
        match next(heads, {lobby.pk: 8}):
            case OSError() as error:
                raise error
            case found:
                return found

    monkeypatch.setattr("chat.queries.heads", read)

    async with join(alice, lobby) as tab:
        assert await tab.receive_event("beat") == {"type": "beat", "head": 7}
    assert "The database is away." in caplog.text


async def ended(tasks: set[asyncio.Task]) -> bool:
    """Whether these tasks end by themselves."""
    return not tasks or not (await asyncio.wait(tasks, timeout=TIMEOUT_S))[1]


async def test_nothing_stays_behind_when_the_last_tab_has_gone(
    join, open_socket, lobby, study, alice, bob, carol, monkeypatch
):
    """No task, no subscription, no group in the layer, nobody present."""
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0)
    monkeypatch.setattr(presence_local, "TELL_EVERY_S", 0)
    before = asyncio.all_tasks()

    async with (
        join(alice, lobby) as first,
        join(alice, lobby) as second,
        join(bob, lobby),
        join(alice, study),
        open_socket(carol, "/ws/rooms/lobby/") as refused,
    ):
        await refused.connect()
        await refused.receive_close()
        await second.send_to(text_data="no JSON")
        await second.receive_close()
        await first.ask("message.post", client_id=str(uuid4()), text="Hello")
        assert len(asyncio.all_tasks() - before) > 0

    async with asyncio.timeout(TIMEOUT_S):
        while asyncio.all_tasks() - before or get_presence()._tabs:
            await ended(asyncio.all_tasks() - before)
            await asyncio.sleep(0)  # what a timer of this moment starts
    assert get_presence()._tabs == {}
    assert get_presence()._changes == {}
    assert get_pulse()._tabs == {}
    assert get_hub()._members == {}
    assert get_hub()._line._joined == {}
    assert get_channel_layer().groups == {}
    assert get_channel_layer().channels == {}


async def test_who_is_cancelled_while_they_leave_is_not_present_any_more(join, lobby, alice, monkeypatch):
    """As by a server that stops, while the channel layer takes its time."""
    monkeypatch.setattr(presence_local, "LEAVE_GRACE_S", 0)
    is_leaving = asyncio.Event()

    async def leave_for_ever(watch, reader):
        is_leaving.set()
        await asyncio.Event().wait()

    async with join(alice, lobby) as tab:
        monkeypatch.setattr(Watch, "leave", leave_for_ever)
        await tab.send_input({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(is_leaving.wait(), TIMEOUT_S)
        tab.future.cancel()
        assert await ended([tab.future])

    await until(lambda: not get_presence()._tabs)
    assert get_pulse()._tabs == {}


async def test_the_first_tab_starts_what_the_last_one_stops(join, lobby, study, alice, bob):
    """One set of timers for the process, however many tabs there are and whoever leaves first."""
    async with join(alice, lobby):
        timers = set(get_pulse()._tasks)
        async with join(bob, lobby), join(alice, study):
            assert set(get_pulse()._tasks) == timers
        assert not any(timer.done() for timer in timers)

    assert await ended(timers)
    async with join(alice, lobby):
        assert not any(timer.done() for timer in get_pulse()._tasks)


def assert_nothing_stayed_of(person, room) -> None:
    assert get_pulse()._tabs == {}
    assert get_hub()._members == {}
    # Closed, and not yet told to have left: it may be a reload.
    assert get_presence()._tabs[room.pk][person.pk] == 0


async def test_a_tab_that_vanishes_while_it_joins_leaves_nothing_behind(open_socket, lobby, alice, hold_the_welcome):
    pause = hold_the_welcome()
    async with open_socket(alice, "/ws/rooms/lobby/") as tab:
        await tab.connect()
        await pause.reached()
        tab.future.cancel()
        pause.release()
        with pytest.raises(asyncio.CancelledError):
            await tab.future

    assert_nothing_stayed_of(alice, lobby)


async def test_a_tab_that_fails_while_it_joins_leaves_nothing_behind(open_socket, lobby, alice, monkeypatch):
    """It is counted before anything can fail, so that it can be counted out whatever fails."""

    def fail(*args):
        raise RuntimeError("A bug.")

    monkeypatch.setattr(get_presence(), "_move", fail)
    with pytest.raises(RuntimeError, match="A bug"):
        async with open_socket(alice, "/ws/rooms/lobby/") as tab:
            await tab.connect()
            await tab.receive_output()

    assert_nothing_stayed_of(alice, lobby)


@pytest.mark.parametrize("what", ["standing", "page_of"])
async def test_who_comes_while_the_database_is_away_is_told_to_come_back(
    open_socket, lobby, alice, monkeypatch, caplog, what
):
    def away(*args, **kwargs):
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(access if what == "standing" else queries, what, away)
    async with open_socket(alice, "/ws/rooms/lobby/") as tab:
        await tab.connect()
        close = await tab.receive_output()
        assert close == {
            "type": "websocket.close",
            "code": 1013,
            "reason": "The database does not answer. Try again in 2 s.",
        }

    assert get_watch()._readers == set()
    assert get_hub()._members == {}
    assert get_pulse()._tabs == {}
    assert not any(record.exc_info for record in caplog.records)


async def test_beats_go_on_while_the_database_is_away(join, lobby, alice, settings, monkeypatch):
    """Without them every browser would give up a line that lives, for one that leads nowhere."""
    await database_sync_to_async(post)(alice, lobby)
    settings.CHAT_BEAT_INTERVAL = 0.05
    async with join(alice, lobby) as tab:
        assert (await tab.receive_event("beat"))["head"] == 1

        def away(room_ids):
            raise OperationalError("the connection is closed")

        monkeypatch.setattr(queries, "heads", away)
        for _ in range(3):
            assert await tab.receive_event("beat") == {"type": "beat", "head": 1}

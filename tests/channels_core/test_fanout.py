"""From a hub to its listeners: one write for a turn of the loop, order, slices, and who comes and goes meanwhile."""

import asyncio

import pytest

from channels_core import fanout
from channels_core.fanout import Fanout
from channels_core.frames import Burst


class Listener:
    """Keeps the bursts that it is given."""

    def __init__(self):
        self.bursts = []

    def write(self, burst):
        self.bursts.append(burst)

    @property
    def texts(self):
        return [text for burst in self.bursts for text in burst.texts]


class Failing(Listener):
    def write(self, burst):
        raise RuntimeError("broken")


def members_of(**groups):
    return {group: dict.fromkeys(listeners) for group, listeners in groups.items()}


async def turns(count=1):
    """Let the loop go round: nothing else is waited for here."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_is_one_write():
    one, other = Listener(), Listener()
    hub = Fanout(members_of(a=[one, other]))

    hub.add("a", "1")
    hub.add("a", "2")
    assert one.bursts == []
    await turns()
    hub.add("a", "3")
    await turns()

    assert [burst.texts for burst in one.bursts] == [("1", "2"), ("3",)]
    assert one.bursts == other.bursts  # the same objects: what is made of them is made once


async def test_a_listener_of_several_groups_gets_one_write_too():
    both, too, one = Listener(), Listener(), Listener()
    hub = Fanout(members_of(a=[both, too, one], b=[both, too]))

    hub.add("a", "1")
    hub.add("b", "2")
    hub.add("a", "3")
    await turns()

    assert [sorted(burst.texts) for burst in both.bursts] == [["1", "2", "3"]]
    assert both.texts.index("1") < both.texts.index("3")
    assert both.bursts == too.bursts
    assert one.texts == ["1", "3"]


async def test_what_is_held_back_is_kept_and_what_nobody_listens_to_is_dropped():
    held, members = [], members_of(a=[Listener()])
    members["a"][Listener()] = held
    hub = Fanout(members)

    hub.add("a", "1")
    hub.add("nobody", "2")
    await turns()

    assert held == ["1"]


async def test_a_listener_that_fails_is_logged_and_costs_the_others_nothing(caplog):
    listeners = [Listener(), Failing(), Listener()]
    hub = Fanout(members_of(a=listeners))

    hub.add("a", "secret")
    await turns()
    hub.add("a", "2")
    await turns()

    assert listeners[0].texts == listeners[2].texts == ["secret", "2"]
    assert "A listener failed" in caplog.text
    assert "secret" not in caplog.text


@pytest.fixture
def small_slices(monkeypatch):
    monkeypatch.setattr(fanout, "SLICE", 2)


@pytest.mark.usefixtures("small_slices")
async def test_a_large_group_is_written_to_in_slices_and_others_have_their_turn():
    listeners = [Listener() for _ in range(6)]
    hub = Fanout(members_of(a=listeners))

    hub.add("a", "1")
    done = []
    for _ in range(4):
        await turns()
        done.append(sum(bool(listener.bursts) for listener in listeners))

    assert done == [2, 4, 6, 6]


@pytest.mark.usefixtures("small_slices")
async def test_order_is_kept_when_more_comes_during_the_slices():
    listeners = [Listener() for _ in range(5)]
    hub = Fanout(members_of(a=listeners, b=listeners[3:]))

    for number in range(10):
        hub.add("a", f"a{number}")
        hub.add("b", f"b{number}")
        await turns()
    await turns(20)

    for listener in listeners:
        assert [text for text in listener.texts if text[0] == "a"] == [f"a{number}" for number in range(10)]
    for listener in listeners[3:]:
        assert [text for text in listener.texts if text[0] == "b"] == [f"b{number}" for number in range(10)]


@pytest.mark.usefixtures("small_slices")
async def test_who_leaves_during_the_slices_has_heard_what_came_before_and_nothing_after():
    listeners = [Listener() for _ in range(5)]
    members = members_of(a=listeners)
    hub = Fanout(members)

    hub.add("a", "1")
    await turns()
    hub.add("a", "2")
    hub.catch_up(listeners[4])
    del members["a"][listeners[4]]
    await turns(10)

    assert listeners[4].texts == ["1"]
    assert all(listener.texts == ["1", "2"] for listener in listeners[:4])


@pytest.mark.usefixtures("small_slices")
async def test_who_joins_during_the_slices_hears_what_comes_from_then_on():
    members = members_of(a=[Listener() for _ in range(5)])
    hub, late = Fanout(members), Listener()

    hub.add("a", "1")
    await turns()
    members["a"][late] = None
    hub.add("a", "2")
    await turns(10)

    assert late.texts == ["2"]


@pytest.mark.usefixtures("small_slices")
async def test_listeners_may_leave_from_within_a_write():
    members = {}

    class Leaving(Listener):
        def write(self, burst):
            super().write(burst)
            members["a"].pop(self, None)

    listeners = [Leaving() for _ in range(5)]
    members.update(members_of(a=listeners))
    hub = Fanout(members)

    hub.add("a", "1")
    await turns(10)
    hub.add("a", "2")
    await turns(10)

    assert all(listener.texts == ["1"] for listener in listeners)


def test_a_burst_does_not_show_what_people_wrote():
    assert "secret" not in repr(Burst("secret"))

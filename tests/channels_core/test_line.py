"""The line of a hub to its layer: who comes and goes meanwhile, a host that is away, and what makes no sense."""

import asyncio
from collections import Counter

import pytest

from channels_core import broadcast as fan_out
from channels_core import line
from channels_core.broadcast import broadcast, get_hub
from channels_core.layers import InMemoryChannelLayer, channel_layers
from channels_core.line import Line, layer_group
from tests.servers import until


class Hosts:
    """A layer of several hosts: one that is away refuses the groups that are its own. All can be made to wait."""

    def __init__(self):
        self.is_quick = asyncio.Event()
        self.is_quick.set()
        self.called = asyncio.Event()  # somebody waits
        self.refused = set()
        self.hooks = []
        self.groups = {}
        self._layer = InMemoryChannelLayer()

    def __getattr__(self, name):
        return getattr(self._layer, name)

    async def group_add(self, group, channel):
        await self._carry_out(group)
        self.groups.setdefault(group, set()).add(channel)
        await self._layer.group_add(group, channel)

    async def group_discard(self, group, channel):
        await self._carry_out(group)
        self.groups.pop(group, None)
        await self._layer.group_discard(group, channel)

    def add_missed_hook(self, hook):
        self.hooks.append(hook)

    def forget_channel(self, channel):
        pass

    async def _carry_out(self, group):
        self.called.set()
        await self.is_quick.wait()
        if group in self.refused:
            raise ConnectionError("This host is away.")

    def has(self, group):
        return layer_group(group) in self.groups


@pytest.fixture
async def hosts():
    return Hosts()


@pytest.fixture
def hurried(monkeypatch):
    """The line looks after its layer all the time, and compares only where it doubts it."""
    monkeypatch.setattr(line, "WATCH_S", 0.02)
    monkeypatch.setattr(line, "HURRY_S", 0.01)
    monkeypatch.setattr(line, "COMPARE_S", 3600)


class Member:
    """The groups that have members, and the line that tells the layer of them."""

    def __init__(self, layer):
        self.groups = {}
        self.taken = []
        self.comparisons = 0
        self.line = Line(layer, self.groups.keys(), self.taken.append, self._compare)

    async def _compare(self):
        self.comparisons += 1

    async def join(self, *groups):
        self.groups.update(dict.fromkeys(groups))
        await self.line.settle(*groups)

    async def leave(self, *groups):
        for group in groups:
            self.groups.pop(group, None)
        await self.line.settle(*groups)


@pytest.fixture
async def member(hosts):
    member = Member(hosts)
    yield member
    hosts.is_quick.set()
    hosts.refused.clear()
    await member.leave(*member.groups)
    await until(lambda: member.line._watching is None)


async def test_who_comes_while_the_layer_is_about_to_be_told_that_the_last_has_left_is_a_member(member, hosts):
    await member.join("stays", "b")
    hosts.is_quick.clear()
    hosts.called.clear()
    del member.groups["b"]
    member.groups["a"] = None
    together = asyncio.create_task(member.line.settle("a", "b"))
    await asyncio.wait_for(hosts.called.wait(), 5)  # with "a": "b" is not told yet

    again = asyncio.create_task(member.join("b"))
    await asyncio.sleep(0)
    hosts.is_quick.set()
    await asyncio.wait_for(asyncio.gather(together, again), 5)

    assert hosts.has("a")
    assert hosts.has("b")


async def test_a_host_that_is_away_keeps_nobody_from_joining_and_leaving_another(member, hosts, hurried):
    await member.join("old")
    hosts.refused = {layer_group("dead")}
    del member.groups["old"]
    member.groups.update(live=None, dead=None)

    await member.line.settle("old", "live", "dead")

    assert hosts.has("live")
    assert not hosts.has("old")
    await member.leave("live")
    await until(lambda: not hosts.has("live"))


async def test_as_long_as_one_of_several_hosts_is_away_the_layer_is_and_that_is_logged_once(
    member, hosts, hurried, caplog
):
    """The echo goes through another one, and is brought all the time."""
    await member.join("live", "dead")
    hosts.refused = {layer_group("dead")}
    for hook in hosts.hooks:  # its connection has broken
        hook()

    await until(lambda: not member.line.is_heard)
    begun = member.comparisons
    await until(lambda: member.comparisons >= begun + 5)
    await member.join("new")
    await until(lambda: hosts.has("new"))
    assert caplog.text.count("does not answer") == 1
    assert "there again" not in caplog.text

    hosts.refused.clear()
    await until(lambda: "there again" in caplog.text)
    assert member.line.is_heard
    assert Counter(record.getMessage() for record in caplog.records).most_common(1)[0][1] == 1


async def test_the_last_to_leave_may_be_cancelled_and_the_line_rests_all_the_same(member, hosts, hurried):
    await member.join("a")
    hosts.is_quick.clear()
    hosts.called.clear()
    leaving = asyncio.create_task(member.leave("a"))
    await asyncio.wait_for(hosts.called.wait(), 5)

    leaving.cancel()
    await asyncio.wait([leaving])
    hosts.is_quick.set()

    await until(lambda: member.line._watching is None)
    assert hosts.groups == {}


class Listener:
    """Who has subscribed, and what it was told."""

    def __init__(self):
        self.texts = []

    def write(self, burst):
        self.texts += burst.texts


@pytest.fixture
async def listener():
    """Subscribed to the group ``a`` of a layer in memory."""
    previous = channel_layers.set("default", InMemoryChannelLayer())
    listener = Listener()
    await get_hub().subscribe(listener, "a")
    yield listener
    await get_hub().unsubscribe(listener, "a")
    channel_layers.set("default", previous)


@pytest.mark.parametrize(
    "senseless",
    [
        {"no": "type"},
        {"type": "broadcast", "group": "a"},
        {"type": "broadcast", "group": [], "text": "1", "after": None, "head": None},
        {"type": "broadcast", "group": "a", "text": 1, "after": None, "head": None},
        {"type": "broadcast", "group": "a", "text": "1", "after": "1", "head": "2"},
    ],
    ids=["no type", "no text", "no name", "no string", "no numbers"],
)
async def test_what_makes_no_sense_is_dropped_and_what_follows_is_heard(listener, senseless, caplog):
    """Another process may have another version."""
    await channel_layers["default"].group_send(layer_group("a"), senseless)
    await broadcast("a", {"n": 1}, after=2, head=3)

    await until(lambda: listener.texts)

    assert listener.texts == ['{"n":1}']
    assert "makes no sense" in caplog.text


@pytest.mark.parametrize("position", [{"after": "1", "head": 2}, {"head": "2"}, {"head": 1.0}])
async def test_a_position_that_is_no_number_is_refused_where_it_is_told(listener, position):
    with pytest.raises(TypeError, match="after and head"):
        await broadcast("a", {}, **position)


async def test_who_subscribes_again_within_the_block_loses_nothing_that_is_held(listener):
    hub, reader = get_hub(), Listener()

    async with hub.subscribing(reader, "a"):
        await broadcast("a", {"n": 1})
        await until(lambda: listener.texts)
        await hub.subscribe(reader, "a")
        await broadcast("a", {"n": 2})
        await until(lambda: len(listener.texts) == 2)
        assert reader.texts == []

    assert reader.texts == ['{"n":1}', '{"n":2}']
    await hub.unsubscribe(reader, "a")


def test_the_hubs_of_event_loops_that_have_ended_are_forgotten():
    async def use():
        previous = channel_layers.set("default", InMemoryChannelLayer())
        get_hub()
        channel_layers.set("default", previous)

    for _ in range(3):
        asyncio.run(use())

    assert sum(loop.is_closed() for loop in fan_out._hubs) == 1

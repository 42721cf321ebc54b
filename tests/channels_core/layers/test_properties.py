"""The in-memory layer against a model of it, and the rules for names against their own words."""

import asyncio
import string
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channels_core.exceptions import ChannelFull
from channels_core.layers import BaseChannelLayer, InMemoryChannelLayer

CAPACITY = 3
NAME_SIGNS = string.ascii_letters + string.digits + "-_."

channels = st.sampled_from(["a", "b", "worker!1", "worker!2"])
groups = st.sampled_from(["g", "h"])
numbers = st.integers(0, 999)


class Model(RuleBasedStateMachine):
    """Mailboxes are lists, waiting readers are counted, and every step is compared."""

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.layer = InMemoryChannelLayer(capacity=CAPACITY)
        self.kept = defaultdict(list)
        self.members = defaultdict(set)
        self.readers = defaultdict(list)  # channel -> tasks that wait, longest first
        self.expected = {}  # task -> the number that it was handed

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def deliver(self, channel, number):
        """What a send to that channel does; False if it is full."""
        if self.readers[channel]:
            self.expected[self.readers[channel].pop(0)] = number
        elif len(self.kept[channel]) < CAPACITY:
            self.kept[channel].append(number)
        else:
            return False
        return True

    @rule(channel=channels, number=numbers)
    def send(self, channel, number):
        message = {"type": "count", "n": number}
        if self.deliver(channel, number):
            self.run(self.layer.send(channel, message))
        else:
            with pytest.raises(ChannelFull):
                self.run(self.layer.send(channel, message))

    @rule(group=groups, channel=channels)
    def join(self, group, channel):
        self.members[group].add(channel)
        self.run(self.layer.group_add(group, channel))

    @rule(group=groups, channel=channels)
    def leave(self, group, channel):
        self.members[group].discard(channel)
        self.run(self.layer.group_discard(group, channel))

    @rule(group=groups, number=numbers)
    def send_to_group(self, group, number):
        for channel in self.members[group]:
            self.deliver(channel, number)
        self.run(self.layer.group_send(group, {"type": "count", "n": number}))

    @rule(channel=channels)
    def receive(self, channel):
        """Take what is there, or begin to wait."""
        task = self.loop.create_task(self.layer.receive(channel))
        if self.kept[channel]:
            self.expected[task] = self.kept[channel].pop(0)
        else:
            self.readers[channel].append(task)

    @rule(channel=channels)
    def give_up(self, channel):
        """The reader that waits longest is cancelled."""
        if self.readers[channel]:
            task = self.readers[channel].pop(0)
            self.settle()
            task.cancel()
            self.run(asyncio.wait([task]))
            assert task.cancelled()

    @rule()
    def flush(self):
        self.settle()
        self.kept.clear()
        self.members.clear()
        self.run(self.layer.flush())

    def settle(self):
        """Let every reader take what it was handed."""
        self.run(asyncio.sleep(0))
        for task, number in self.expected.items():
            assert self.run(asyncio.wait_for(task, 5))["n"] == number
        self.expected.clear()

    @invariant()
    def the_layer_is_as_the_model_says(self):
        self.settle()
        kept = {channel: numbers for channel, numbers in self.kept.items() if numbers}
        assert {
            channel: [message["n"] for _, message in queue] for channel, queue in self.layer.channels.items() if queue
        } == kept
        assert {group: set(members) for group, members in self.layer.groups.items()} == {
            group: members for group, members in self.members.items() if members
        }

    def teardown(self):
        tasks = [task for waiting in self.readers.values() for task in waiting]
        for task in tasks:
            task.cancel()
        if tasks:
            self.run(asyncio.wait(tasks))
        self.loop.close()
        assert self.layer.channels.keys() == {channel for channel, numbers in self.kept.items() if numbers}


TestInMemoryChannelLayer = Model.TestCase
TestInMemoryChannelLayer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.text(st.sampled_from(NAME_SIGNS), min_size=1, max_size=99))
def test_every_name_of_the_signs_that_are_allowed_is_a_group_and_a_channel(name):
    assert BaseChannelLayer().require_valid_group_name(name)
    assert BaseChannelLayer().require_valid_channel_name(name)
    assert BaseChannelLayer().require_valid_channel_name(name, receive=True)


@given(st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.from_regex(r"\A[\w.!-]{98,102}\Z")))
def test_every_other_name_is_refused(name):
    is_text = isinstance(name, str) and 0 < len(name) < 100
    is_group = is_text and set(name) <= set(NAME_SIGNS)
    is_channel = is_text and name[0] != "!" and name.count("!") <= 1 and set(name) <= {*NAME_SIGNS, "!"}

    assert accepts(BaseChannelLayer().require_valid_group_name, name) == is_group
    assert accepts(BaseChannelLayer().require_valid_channel_name, name) == is_channel


@given(st.from_regex(r"\A[a-z]{1,5}![a-z]{0,5}\Z"))
def test_a_channel_is_read_by_the_name_of_its_owner(name):
    owner = BaseChannelLayer().non_local_name(name)

    assert owner == name[: name.index("!") + 1]
    assert accepts(lambda name: BaseChannelLayer().require_valid_channel_name(name, receive=True), owner)
    assert accepts(lambda name: BaseChannelLayer().require_valid_channel_name(name, receive=True), name) == (
        name == owner
    )


def accepts(check, name):
    try:
        return check(name)
    except TypeError:
        return False

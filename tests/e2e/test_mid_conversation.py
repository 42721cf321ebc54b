"""What dies in the middle of a conversation: Redis, the servers, the browser's network. Nothing is lost or doubled."""

import pytest
from playwright.sync_api import expect

from chat.models import Message
from tests.e2e.site import Site

TURNED_AWAY = ("WebSocket connection to .* failed", r"net::ERR_")


@pytest.fixture
def two(database, own_redis):
    """Two processes that share a Redis; what they log while it is dead are errors by right, so nobody watches."""
    two = [Site(REDIS_URL=own_redis.url) for _ in range(2)]
    for site in two:
        site.start()
    yield two
    for site in two:
        site.remove()


@pytest.fixture
def conversation(open_window, two, alice, bob, room):
    """A tab of alice at one process, and one of bob at the other."""
    return [open_window(person, at=site).enter(room) for person, site in zip((alice, bob), two, strict=True)]


def agree(room, conversation, said: list[str]) -> None:
    """Both pages show what was said, each once, as the database has it."""
    for window in conversation:
        for text in said:
            expect(window.message(text)).to_have_count(1, timeout=20_000)
        expect(window.page.locator(".message--pending")).to_have_count(0)
    stored = list(Message.objects.filter(room=room).order_by("seq").values_list("text", flat=True))
    assert sorted(stored) == sorted(said)
    assert [window.texts() for window in conversation] == [stored, stored]


@pytest.mark.timeout(120)
@pytest.mark.provokes(*TURNED_AWAY)
def test_redis_dies_and_comes_back(conversation, room, own_redis):
    alice, bob = conversation
    said = ["Before, alice", "Before, bob", "Without, alice", "Without, bob", "After, alice", "After, bob"]
    alice.say(said[0])
    bob.say(said[1])
    agree(room, conversation, said[:2])

    own_redis.kill()
    alice.say(said[2])
    bob.say(said[3])
    agree(room, conversation, said[:4])  # while it is away: the database is the truth

    own_redis.start()
    alice.say(said[4])
    bob.say(said[5])
    agree(room, conversation, said)


@pytest.mark.timeout(120)
@pytest.mark.provokes(*TURNED_AWAY)
def test_both_servers_are_restarted(conversation, room, two):
    alice, bob = conversation
    alice.say("Before")
    agree(room, conversation, ["Before"])

    for site in two:
        site.kill()
    for window in conversation:
        window.is_now("reconnecting")
    alice.say("Meanwhile, alice")
    bob.say("Meanwhile, bob")
    bob.say("Meanwhile, bob again")
    for site in two:
        site.start()

    agree(room, conversation, ["Before", "Meanwhile, alice", "Meanwhile, bob", "Meanwhile, bob again"])


@pytest.mark.timeout(120)
@pytest.mark.provokes(*TURNED_AWAY)
def test_everything_at_once(conversation, room, two, own_redis):
    """One browser offline, Redis dead, and a server killed while it has something to store."""
    alice, bob = conversation
    said = [f"Line {number}" for number in range(8)]
    alice.say(said[0])
    bob.page.context.set_offline(True)
    bob.is_now("offline")
    bob.say(said[1])
    own_redis.kill()
    for text in said[2:5]:
        alice.say(text)
    two[0].kill()  # whatever it was doing
    alice.say(said[5])
    own_redis.start()
    two[0].start()
    bob.page.context.set_offline(False)
    bob.say(said[6])
    alice.say(said[7])

    agree(room, conversation, said)
    mine = [text for text in alice.texts() if text in (*said[2:6], said[7])]
    assert mine == [*said[2:6], said[7]]  # each person's messages are in the order in which they were written

"""The benchmarks notice a message that is lost, doubled, in the wrong order or not whole, whoever got it."""

from collections import Counter

import pytest

from benchmarks.ledger import Ledger, Member
from benchmarks.wire import Chat, Raw, Said, payload

SIZE = 60


def frame(number: int, sender: int = 1) -> bytes:
    return payload(Said(sender, number, 10**15), SIZE)


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger(Raw())
    ledger.size = SIZE
    return ledger


def give(ledger: Ledger, *numbers: list[int]) -> None:
    """Members, each of whom gets these messages of one sender, in this order."""
    members = [Member(ledger) for _ in numbers]
    for member, got in zip(members, numbers, strict=True):
        for number in got:
            member.take(frame(number))


def test_what_everybody_got_in_order_is_complete(ledger):
    give(ledger, [1, 2, 3], [1, 2, 3])

    assert ledger.is_complete(Counter({1: 3}))
    assert ledger.delivered() == 6
    assert not ledger.faults


@pytest.mark.parametrize("numbers", [[1, 3], [1, 1, 2], [2, 1]], ids=["lost", "doubled", "swapped"])
@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
def test_what_one_member_got_wrong_is_a_fault(ledger, numbers, first):
    """Whether it is the first to get it, who enters it, or the second, who is compared with that."""
    give(ledger, *([numbers, [1, 2, 3]] if first else [[1, 2, 3], numbers]))

    assert ledger.faults


def test_a_last_message_that_is_missing_is_a_fault(ledger):
    give(ledger, [1, 2], [1])

    assert not ledger.is_complete(Counter({1: 2}))
    ledger.complain(Counter({1: 2}))
    assert len(ledger.faults) == 1


def test_a_message_that_nobody_got_is_missing(ledger):
    give(ledger, [1], [1])

    assert not ledger.is_complete(Counter({1: 1, 2: 1}))


def test_senders_may_come_in_another_order_at_another_member(ledger):
    """Servers that tell their own members first do that; each sender's own order counts."""
    one, other = Member(ledger), Member(ledger)
    for sender, number in [(1, 1), (2, 1), (1, 2)]:
        one.take(frame(number, sender))
    for sender, number in [(2, 1), (1, 1), (1, 2)]:
        other.take(frame(number, sender))

    assert ledger.is_complete(Counter({1: 2, 2: 1}))
    assert ledger.delivered() == 6
    assert not ledger.faults


@pytest.mark.parametrize("change", [lambda text: text[:-1], lambda text: text.replace(b"quick", b"slick")])
def test_a_message_that_is_not_whole_is_a_fault(ledger, change):
    Member(ledger).take(change(frame(1)))

    assert ledger.faults


def test_numbers_go_on_after_a_run(ledger):
    give(ledger, [1, 2], [1, 2])
    ledger.clear()
    for member in ledger.members:
        member.take(frame(3))

    assert ledger.is_complete(Counter({1: 3}))
    assert ledger.delivered() == 2
    assert not ledger.faults


def test_messages_that_share_a_frame_are_counted_one_by_one():
    ledger = Ledger(Chat(1))
    ledger.size = SIZE
    texts = ", ".join(f'{{"text": "{frame(number).decode()}"}}' for number in (1, 2))
    members = [Member(ledger), Member(ledger)]
    for member in members:
        member.take(f'{{"type":"messages","messages":[{texts}]}}'.encode())
        member.take(b'{"type": "reply", "ref": 1, "ok": true}')

    assert ledger.is_complete(Counter({1: 2}))
    assert ledger.delivered() == 4
    assert not ledger.faults


def test_a_refused_post_is_no_acknowledgement():
    chat = Chat(1)

    assert chat.is_acknowledgement(b'{"type": "reply", "ref": 1, "ok": true}')
    assert not chat.is_acknowledgement(b'{"type":"beat"}')
    with pytest.raises(ValueError, match="refused"):
        chat.is_acknowledgement(b'{"type": "reply", "ref": 1, "ok": false}')

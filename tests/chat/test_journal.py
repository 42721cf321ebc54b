"""Group commit: what happens to drafts that arrive while others are being stored."""

import asyncio
import logging
from unittest.mock import patch

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError

from channels_core.db import database_sync_to_async
from chat import events, journal, services
from chat.journal import Journal, NotNow
from chat.models import Message
from tests.chat.drafts import draft
from tests.chat.gate import Gate

pytestmark = pytest.mark.django_db(transaction=True)


def started(*posts) -> list[asyncio.Task]:
    """Tasks for posts, in the order in which they reach the journal."""
    return [asyncio.create_task(post) for post in posts]


async def stored_texts() -> list[str]:
    return await database_sync_to_async(lambda: list(Message.objects.order_by("seq").values_list("text", flat=True)))()


async def test_what_arrives_while_a_batch_is_stored_goes_into_the_next_in_order(gate, lobby, alice, bob):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    [first] = started(book.post(draft(alice, lobby, "1")))
    await gate.reached()
    rest = started(*(book.post(draft(author, lobby, str(n))) for n, author in enumerate((bob, alice, bob, alice), 2)))
    await asyncio.sleep(0)  # they reach the journal

    gate.is_open.set()
    messages = await asyncio.gather(first, *rest)

    assert gate.batches == [1, 4]
    assert [message.seq for message in messages] == [1, 2, 3, 4, 5]
    assert await stored_texts() == ["1", "2", "3", "4", "5"]


class Batches(list):
    """The sizes of what was stored together."""

    def store(self, drafts, tell):
        self.append(len(drafts))
        return drafts


async def test_who_has_just_been_answered_is_waited_for(monkeypatch):
    monkeypatch.setattr(journal, "GATHER_S", 60)
    batches = Batches()
    book = Journal(batches.store)
    assert await asyncio.gather(book.post("a"), book.post("b")) == ["a", "b"]

    [again] = started(book.post("c"))
    for _ in range(3 * journal.TURNS):
        await asyncio.sleep(0)
    assert batches == [2]
    assert await asyncio.wait_for(asyncio.gather(again, book.post("d")), 5) == ["c", "d"]

    assert batches == [2, 2]


async def test_nobody_is_waited_for_where_one_alone_posts(monkeypatch):
    monkeypatch.setattr(journal, "GATHER_S", 60)
    batches = Batches()
    book = Journal(batches.store)

    for text in "abc":
        assert await asyncio.wait_for(book.post(text), 5) == text

    assert batches == [1, 1, 1]


async def test_who_has_nothing_more_to_say_is_not_waited_for_long(monkeypatch):
    monkeypatch.setattr(journal, "GATHER_S", 0.05)
    batches = Batches()
    book = Journal(batches.store)
    await asyncio.gather(book.post("a"), book.post("b"))

    for text in "cd":
        assert await asyncio.wait_for(book.post(text), 5) == text

    assert batches == [2, 1, 1]


async def test_when_nothing_is_said_nothing_runs(lobby, alice):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    await book.post(draft(alice, lobby))

    assert len(asyncio.all_tasks()) == 1


async def test_a_refused_draft_does_not_hold_up_its_batch(gate, lobby, alice, carol):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    [first] = started(book.post(draft(alice, lobby, "1")))
    await gate.reached()
    outsider, member = started(book.post(draft(carol, lobby, "no")), book.post(draft(alice, lobby, "2")))
    await asyncio.sleep(0)

    gate.is_open.set()

    with pytest.raises(ValidationError) as refusal:
        await outsider
    assert refusal.value.code == "not_a_member"
    assert (await first).seq == 1
    assert (await member).seq == 2


async def test_a_draft_that_was_taken_is_stored_though_its_sender_has_gone(gate, lobby, alice):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    first, second = started(book.post(draft(alice, lobby, "1")), book.post(draft(alice, lobby, "2")))
    await gate.reached()

    first.cancel()
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    gate.is_open.set()
    await book.post(draft(alice, lobby, "3"))

    assert await stored_texts() == ["1", "2", "3"]


async def test_the_same_draft_twice_at_once_is_one_message(gate, lobby, alice):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    same = draft(alice, lobby)
    posts = started(book.post(same), book.post(same), book.post(same))
    gate.is_open.set()

    messages = await asyncio.gather(*posts)

    assert {message.pk for message in messages} == {messages[0].pk}
    assert len(await stored_texts()) == 1


async def test_when_too_many_wait_the_sender_is_told_to_slow_down(gate, lobby, alice, monkeypatch):
    monkeypatch.setattr(journal, "MAX_WAITING", 2)
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    posts = started(book.post(draft(alice, lobby)))
    await gate.reached()
    posts += started(*(book.post(draft(alice, lobby)) for _ in range(2)))
    await asyncio.sleep(0)

    with pytest.raises(NotNow) as refusal:
        await book.post(draft(alice, lobby))

    assert (refusal.value.code, refusal.value.retry_after) == ("busy", journal.BUSY_S)
    gate.is_open.set()
    assert [message.seq for message in await asyncio.gather(*posts)] == [1, 2, 3]


async def test_without_a_database_nothing_is_acknowledged_and_the_next_batch_is_tried(lobby, alice):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    gate = Gate(OperationalError("the connection is closed"))
    gate.is_open.set()
    with patch.object(services, "post_messages", gate.post_messages):
        with pytest.raises(NotNow) as refusal:
            await book.post(draft(alice, lobby, "1"))
        again = await book.post(draft(alice, lobby, "2"))

    assert (refusal.value.code, refusal.value.retry_after) == ("unavailable", journal.AWAY_S)
    assert again.seq == 1


async def test_a_draft_that_breaks_its_batch_goes_down_alone(gate, lobby, alice):
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))
    gate.failures = [None, IntegrityError("a batch"), None, IntegrityError("the second draft")]
    [first] = started(book.post(draft(alice, lobby, "1")))
    await gate.reached()
    rest = started(*(book.post(draft(alice, lobby, text)) for text in ("2", "3", "4")))
    await asyncio.sleep(0)

    gate.is_open.set()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)

    assert gate.batches == [1, 3, 1, 1, 1]
    assert [type(outcome) for outcome in outcomes] == [Message, Message, IntegrityError, Message]
    assert await stored_texts() == ["1", "2", "4"]


async def test_the_next_batch_does_not_wait_until_the_last_one_is_told(lobby, alice, monkeypatch):
    told, is_taken = [], asyncio.Event()

    async def broadcast(group, event, **position):
        told.append((group, position))
        await is_taken.wait()

    monkeypatch.setattr(events, "broadcast", broadcast)
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))

    for _ in range(3):
        await asyncio.wait_for(book.post(draft(alice, lobby)), 5)

    tellings = [position for group, position in told if group == f"room.{lobby.pk}"]
    assert tellings == [{"after": number, "head": number + 1} for number in range(3)]
    is_taken.set()


@pytest.mark.parametrize("error", [ConnectionError("away"), ValueError("a bug")], ids=["away", "bug"])
async def test_what_cannot_be_told_is_acknowledged_and_the_log_says_so(lobby, alice, monkeypatch, caplog, error):
    async def broadcast(group, event, **position):
        raise error

    monkeypatch.setattr(events, "broadcast", broadcast)
    book = Journal(lambda drafts, tell: services.post_messages(drafts, tell))

    with caplog.at_level(logging.WARNING):
        message = await book.post(draft(alice, lobby, "secret"))

    assert message.seq == 1
    assert f"room.{lobby.pk} was told nothing" in caplog.text
    assert str(error) in caplog.text
    assert "secret" not in caplog.text


async def test_a_tab_is_told_when_to_come_back(join, lobby, alice):
    gate = Gate(OperationalError("the connection is closed"))
    gate.is_open.set()
    async with join(alice, lobby) as tab:
        with patch.object(services, "post_messages", gate.post_messages):
            refused = await tab.ask("message.post", client_id="7d2f0a57-6f2b-4f0e-9a4a-0d4f6d2c8f11", text="Hello")
        again = await tab.ask("message.post", client_id="7d2f0a57-6f2b-4f0e-9a4a-0d4f6d2c8f11", text="Hello")

    assert refused["error"].pop("detail")
    assert refused["error"] == {"code": "unavailable", "retry_after": journal.AWAY_S}
    assert again["message"]["seq"] == 1

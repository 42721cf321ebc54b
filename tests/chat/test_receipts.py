"""Several posts of one socket at once: stored together, and each of them answered."""

import asyncio
import json
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.db import IntegrityError

from channels_core.db import database_sync_to_async
from chat import receipts, services
from chat.journal import Journal
from chat.models import Message
from chat.receipts import Receipts
from tests.chat.drafts import draft
from tests.chat.gate import Gate

pytestmark = pytest.mark.django_db(transaction=True)
TIMEOUT_S = 5


class Socket:
    """What receipts write, in frames of one write each, and what they fail with."""

    def __init__(self) -> None:
        self.bursts: list[list[dict]] = []
        self.failures: list[BaseException] = []
        self.receipts = Receipts(self._write, self.failures.append)
        # Not the journal of the process, so that a gate can be in it.
        self.receipts._journal = Journal(lambda drafts, tell: services.post_messages(drafts, tell))

    def _write(self, *texts: str) -> None:
        self.bursts.append([json.loads(text) for text in texts])

    @property
    def refs(self) -> list:
        return [reply["ref"] for burst in self.bursts for reply in burst]


@pytest.fixture
async def socket() -> Socket:
    return Socket()


async def test_what_is_stored_together_is_acknowledged_in_one_write(socket, gate, lobby, alice):
    for ref in range(4):
        await socket.receipts.post(ref, draft(alice, lobby, str(ref)))
    await gate.reached()
    for ref in range(4, 6):
        await socket.receipts.post(ref, draft(alice, lobby, str(ref)))
    assert socket.bursts == []

    gate.is_open.set()
    await asyncio.wait_for(socket.receipts.settle(), TIMEOUT_S)

    assert gate.batches == [4, 2]
    assert [[reply["ref"] for reply in burst] for burst in socket.bursts] == [[0, 1, 2, 3], [4, 5]]
    assert [reply["message"]["seq"] for burst in socket.bursts for reply in burst] == [1, 2, 3, 4, 5, 6]
    assert all(reply["ok"] for burst in socket.bursts for reply in burst)


async def test_one_that_is_refused_is_told_by_its_ref(socket, lobby, alice, carol):
    await socket.receipts.post("a", draft(alice, lobby))
    await socket.receipts.post("b", draft(carol, lobby))
    await asyncio.wait_for(socket.receipts.settle(), TIMEOUT_S)

    [[stored, refused]] = socket.bursts
    assert (stored["ref"], stored["ok"]) == ("a", True)
    assert (refused["ref"], refused["ok"], refused["error"]["code"]) == ("b", False, "not_a_member")


async def test_a_socket_with_too_many_under_way_has_to_wait(socket, gate, lobby, alice, monkeypatch):
    monkeypatch.setattr(receipts, "MAX_UNANSWERED", 2)
    for ref in range(2):
        await socket.receipts.post(ref, draft(alice, lobby))
    third = asyncio.create_task(socket.receipts.post(2, draft(alice, lobby)))
    await gate.reached()
    assert not third.done()

    gate.is_open.set()
    await asyncio.wait_for(third, TIMEOUT_S)
    await asyncio.wait_for(socket.receipts.settle(), TIMEOUT_S)

    assert socket.refs == [0, 1, 2]


async def test_a_bug_is_no_answer(socket, gate, lobby, alice):
    gate.failures = [IntegrityError("a bug")]
    gate.is_open.set()

    await socket.receipts.post(1, draft(alice, lobby))
    await asyncio.wait_for(socket.receipts.settle(), TIMEOUT_S)

    assert socket.bursts == []
    assert [type(failure) for failure in socket.failures] == [IntegrityError]


async def test_a_tab_need_not_wait_between_its_posts(join, lobby, alice):
    gate = Gate()
    async with join(alice, lobby) as tab:
        with patch.object(services, "post_messages", gate.post_messages):
            for number in range(5):
                frame = {"type": "message.post", "ref": number, "client_id": str(uuid4()), "text": str(number)}
                await tab.send_json_to(frame)
            await gate.reached()
            gate.is_open.set()
            replies = [await tab.receive_event("reply") for _ in range(5)]

    assert sum(gate.batches) == 5
    assert [(reply["ref"], reply["message"]["seq"]) for reply in replies] == [(n, n + 1) for n in range(5)]


async def test_what_a_tab_has_posted_is_stored_though_it_leaves(join, lobby, alice):
    async with join(alice, lobby) as tab:
        for number in range(3):
            await tab.send_json_to(
                {"type": "message.post", "ref": number, "client_id": str(uuid4()), "text": str(number)}
            )

    texts = await database_sync_to_async(lambda: [*Message.objects.order_by("seq").values_list("text", flat=True)])()
    assert texts == ["0", "1", "2"]

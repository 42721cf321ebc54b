"""Tellings that are lost on their way, in a room with open tabs."""

from unittest.mock import patch

import pytest

from channels_core import line
from channels_core.db import database_sync_to_async
from chat import events, queries
from tests.chat.drafts import post, texts

in_thread = database_sync_to_async


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """What a process does every few seconds, it does here without delay."""
    monkeypatch.setattr(line, "WATCH_S", 0.05)
    monkeypatch.setattr(line, "COMPARE_S", 0.05)


async def post_unheard(author, room, text) -> None:
    """Store a message whose telling is lost."""
    with patch.object(events, "broadcast_sync"):
        await in_thread(post)(author, room, text)


async def test_the_loss_of_a_last_message_is_noticed(join, lobby, alice, bob):
    async with join(alice, lobby) as tab, join(bob, lobby) as other:
        await post_unheard(alice, lobby, "Hello")

        for each in (tab, other):
            told = await each.receive_event("messages")
            assert (texts(told), told["after"], told["head"]) == (["Hello"], 0, 1)


async def test_a_gap_is_filled_before_what_follows_it(join, lobby, alice, monkeypatch):
    monkeypatch.setattr(line, "COMPARE_S", 3600)
    async with join(alice, lobby) as tab:
        await post_unheard(alice, lobby, "1")
        await in_thread(post)(alice, lobby, "2")

        assert texts(await tab.receive_event("messages")) == ["1", "2"]
        assert await tab.receive_no_event("messages")


async def test_one_question_serves_all_tabs_of_a_process(join, lobby, alice, bob):
    with patch.object(queries, "changes_of", wraps=queries.changes_of) as asked:
        async with join(alice, lobby) as tab, join(bob, lobby) as other:
            await post_unheard(alice, lobby, "Hello")
            for each in (tab, other):
                await each.receive_event("messages")

    assert asked.call_count == 1

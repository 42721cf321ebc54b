"""Who asks too often on a socket: told when to come back, and nobody else notices."""

from uuid import uuid4

import pytest

from chat import limits
from chat.models import Message


@pytest.fixture(autouse=True)
def still(monkeypatch, settings):
    """Time stands still, so that what is used up stays so."""
    limits.clear()
    for limit in limits.ALL:
        if isinstance(limit, limits.Limit):
            monkeypatch.setattr(limit, "_clock", lambda: 1000.0)
    settings.CHAT_POST_RATE = 1
    yield
    limits.clear()


async def test_posts_beyond_the_limit_are_refused_with_the_time_to_wait(join, lobby, alice, bob):
    async with join(alice, lobby) as tab, join(bob, lobby) as other:
        for number in range(5):
            assert (await tab.ask("message.post", ref=number, client_id=str(uuid4()), text=f"{number}"))["ok"]
        refused = await tab.ask("message.post", ref="more", client_id=str(uuid4()), text="more")

        assert refused["error"]["code"] == "too_fast"
        assert 0 < refused["error"]["retry_after"] <= 1
        assert (await other.ask("message.post", client_id=str(uuid4()), text="mine"))["ok"]
    assert await Message.objects.acount() == 6


@pytest.mark.parametrize(
    ("type", "limit", "fields"),
    [("typing.start", "typing", {}), ("read.set", "reads", {"seq": 0}), ("history.get", "history", {})],
)
async def test_every_question_has_a_limit(join, lobby, alice, type, limit, fields):
    async with join(alice, lobby) as tab:
        while not getattr(limits, limit).take(alice.pk):
            pass
        refused = await tab.ask(type, **fields)

        assert refused["error"]["code"] == "too_fast"
        assert refused["error"]["retry_after"] > 0


async def closed(tab) -> tuple[int, str]:
    await tab.connect()
    output = await tab.receive_output()
    return output["code"], output["reason"]


async def test_sockets_beyond_a_persons_limit_are_closed_with_4429(join, open_socket, lobby, alice, bob, settings):
    settings.CHAT_SOCKETS_PER_USER = 1
    async with join(alice, lobby), join(bob, lobby), open_socket(alice, "/ws/rooms/lobby/") as tab:
        assert await closed(tab) == (4429, "Too fast. Try again in 30 s.")

    async with join(alice, lobby):
        """There is room again."""


async def test_handshakes_beyond_the_limit_are_closed_with_4429(open_socket, join, lobby, alice, carol, settings):
    settings.CHAT_HANDSHAKE_RATE = 2
    for _ in range(2):
        async with join(alice, lobby):
            """Fine."""
    async with open_socket(alice, "/ws/rooms/lobby/") as tab:
        assert await closed(tab) == (4429, "Too fast. Try again in 30 s.")
    async with open_socket(carol, "/ws/inbox/") as tab:
        assert (await tab.connect())[0]
        assert await tab.receive_event("welcome")

"""Questions that come at the same time are answered together, and never from before they were asked."""

import asyncio
from threading import Event

import pytest
from django.db import OperationalError

from chat import gathering
from chat.gathering import Gathering
from tests.servers import until

TIMEOUT_S = 5
pytestmark = pytest.mark.django_db(transaction=True)  # its threads tidy their connections


class Desk:
    """Reads the present ``state`` for each question; waits until it is told to go on, if it is to."""

    def __init__(self) -> None:
        self.visits: list[list[int]] = []
        self.state = 0
        self.may_go_on = Event()
        self.may_go_on.set()
        self.error: Exception | None = None

    def read(self, questions) -> list[tuple[int, int]]:
        self.visits.append(list(questions))
        state = self.state
        assert self.may_go_on.wait(TIMEOUT_S)
        if self.error:
            raise self.error
        return [(question, state) for question in questions]

    async def is_asked(self, times: int) -> None:
        await until(lambda: len(self.visits) >= times)


@pytest.fixture
def desk(monkeypatch) -> Desk:
    monkeypatch.setattr(gathering, "SIDE_BY_SIDE", 1)
    return Desk()


async def test_what_comes_meanwhile_is_answered_by_the_next_visit(desk):
    gathered = Gathering(desk.read)
    desk.may_go_on.clear()
    first = asyncio.create_task(gathered.ask(1))
    await desk.is_asked(1)
    others = [asyncio.create_task(gathered.ask(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    desk.state = 1  # after the first visit has looked
    desk.may_go_on.set()

    assert await first == (1, 0)
    assert await asyncio.gather(*others) == [(2, 1), (3, 1), (4, 1)]
    assert desk.visits == [[1], [2, 3, 4]]


async def test_whoever_was_answered_may_ask_again_in_the_same_moment(desk):
    gathered = Gathering(desk.read)

    async with asyncio.timeout(TIMEOUT_S):
        for number in range(3):
            assert await gathered.ask(number) == (number, 0)


async def test_a_visit_has_so_many_questions_at_most(desk, monkeypatch):
    monkeypatch.setattr(gathering, "MAX_BATCH", 2)
    gathered = Gathering(desk.read)

    answers = await asyncio.gather(*(gathered.ask(number) for number in range(5)))

    assert [number for number, _ in answers] == list(range(5))
    assert max(map(len, desk.visits)) == 2


async def test_two_visits_may_go_side_by_side(desk, monkeypatch):
    monkeypatch.setattr(gathering, "SIDE_BY_SIDE", 2)
    gathered = Gathering(desk.read)
    desk.may_go_on.clear()
    asked = []
    for number in (1, 2):
        asked.append(asyncio.create_task(gathered.ask(number)))
        await desk.is_asked(number)
    asked.append(asyncio.create_task(gathered.ask(3)))
    await asyncio.sleep(0)
    assert len(desk.visits) == 2

    desk.may_go_on.set()
    await asyncio.gather(*asked)
    assert desk.visits == [[1], [2], [3]]


async def test_an_error_comes_out_to_those_who_asked_and_to_nobody_after_them(desk):
    gathered = Gathering(desk.read)
    desk.error = ConnectionError("away")
    outcomes = await asyncio.gather(*(gathered.ask(number) for number in (1, 2)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["away", "away"]

    desk.error = None
    assert await gathered.ask(3) == (3, 0)


async def test_a_question_that_fails_fails_alone(desk):
    read = desk.read

    def read_but_one(questions):
        answers = read(questions)
        if 3 in questions:
            raise KeyError("three")
        return answers

    gathered = Gathering(read_but_one)
    outcomes = await asyncio.gather(*(gathered.ask(number) for number in (1, 2, 3, 4)), return_exceptions=True)

    assert [repr(outcome) for outcome in outcomes] == ["(1, 0)", "(2, 0)", "KeyError('three')", "(4, 0)"]


async def test_a_database_that_does_not_answer_is_not_asked_one_by_one(desk):
    gathered = Gathering(desk.read)
    desk.error = OperationalError("away")
    desk.may_go_on.clear()
    first = asyncio.create_task(gathered.ask(1))
    await desk.is_asked(1)
    others = [asyncio.create_task(gathered.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    desk.may_go_on.set()

    outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["away"] * 3
    assert desk.visits == [[1], [2, 3]]


async def test_who_goes_before_the_answer_takes_nobody_along(desk):
    gathered = Gathering(desk.read)
    desk.may_go_on.clear()
    gone, stays = (asyncio.create_task(gathered.ask(number)) for number in (1, 2))
    await desk.is_asked(1)
    gone.cancel()
    desk.may_go_on.set()

    assert await stays == (2, 0)
    with pytest.raises(asyncio.CancelledError):
        await gone

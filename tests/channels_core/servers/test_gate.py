"""Who waits for a socket that takes no more passes in the order of coming."""

import asyncio

import pytest

from channels_core.servers.gate import Gate


@pytest.fixture
def passed():
    """The names of those who have passed."""
    return []


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
async def come(gate, passed):
    """Let somebody come to the gate, and wait there if need be."""
    tasks = []

    async def come(name, *, then=None):
        async def wait():
            await gate.wait()
            passed.append(name)
            if then:
                then()

        tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(0)  # it has come
        return tasks[-1]

    yield come
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def turns(count=20):
    """Whatever can happen by itself happens."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_an_open_gate_is_passed_at_once(gate, come, passed):
    await come("one")

    assert passed == ["one"]
    assert gate.is_free
    assert gate.is_set()


async def test_a_closed_gate_lets_nobody_in(gate, come, passed):
    gate.clear()

    await come("one")
    await turns()

    assert passed == []
    assert not gate.is_set()


async def test_it_is_not_free_before_all_who_waited_have_passed(gate, come, passed):
    """A ready-made frame in between would overtake them."""
    gate.clear()
    for name in ("one", "two", "three"):
        await come(name)

    gate.set()

    seen = []
    while len(passed) < 3:
        seen.append(gate.is_free)
        await asyncio.sleep(0)
    assert not any(seen)
    assert passed == ["one", "two", "three"]
    assert gate.is_free


async def test_who_comes_when_it_opens_stands_behind_those_who_wait(gate, come, passed):
    gate.clear()
    await come("one")
    await come("two")

    gate.set()
    await come("three")
    await turns()

    assert passed == ["one", "two", "three"]


async def test_when_it_closes_again_at_most_one_passes(gate, come, passed):
    gate.clear()
    await come("one", then=gate.clear)
    for name in ("two", "three"):
        await come(name)

    gate.set()
    await turns()

    assert passed in (["one"], ["one", "two"])
    gate.set()
    await turns()
    assert passed == ["one", "two", "three"]


@pytest.mark.parametrize("is_let_in", [False, True])
async def test_who_gives_up_is_in_nobodys_way(gate, come, passed, is_let_in):
    gate.clear()
    first = await come("one")
    await come("two")

    if is_let_in:
        gate.set()
    first.cancel()
    gate.set()
    await turns()

    assert passed == ["two"]
    assert gate.is_free

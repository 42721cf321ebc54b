"""
What browsers were told in generated runs, and what they knew after each frame: for ``tests/js/resume.test.js``.

    python -m tests.resume.cases

writes it anew, after a change of the rules or of the timeline.
"""

import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .model import PAGE_SIZE
from .world import PACES, WAITS_S, World

CASES = Path(__file__).parent.parent / "js" / "resume-cases.json"
RUNS = 40
STEPS = 180


def walk(world: World, chance: random.Random) -> None:
    """One thing after the other happens."""

    def paces() -> list[tuple[float, float]]:
        return [chance.choice(PACES) for _ in world.clients]

    def kinds() -> list[int | None]:
        return [chance.choice([None, chance.randrange(12)]) for _ in range(chance.choice([1, 1, 1, 2, 3, 6]))]

    def client() -> int:
        return chance.randrange(len(world.clients))

    happenings = {
        lambda: world.change(kinds(), chance.choice(world.fates)): 8,
        lambda: world.post(client(), chance.choice(world.fates)): 3,
        lambda: world.arrive(chance.randrange(20)): 4,
        lambda: world.connect(client(), chance.choice(PACES)): 6,
        lambda: world.lose(client(), is_noticed=chance.random() < 0.5): 3,
        lambda: world.restart(paces(), kinds(), chance.choice(world.fates)): 3,
        world.notice: 1,
        lambda: world.hear(client(), chance.choice([1, 2])): 4,
        world.hear_all: 8,
        lambda: world.go_back(client(), chance.randint(1, PAGE_SIZE), chance.choice(world.fates)): 12,
        world.beat: 2,
        world.lose_database: 1,
        world.find_database: 1,
        lambda: world.wait(chance.choice(WAITS_S)): 6,
        world.check_quiet: 1,
    }
    world.change([None] * chance.randrange(1, 8), "now")
    world.restart(paces(), kinds(), "soon")
    for happening in chance.choices(list(happenings), [*happenings.values()], k=STEPS):
        happening()
        world.check()
    world.check_end()
    world.check()


def runs() -> Iterator[list[Any]]:
    """Of each run the steps of the client that had the most; in every other run they have to help themselves."""
    for seed in range(RUNS):
        world = World(has_source=seed % 2 == 0)
        try:
            walk(world, random.Random(seed))
            yield max((client.steps for client in world.clients), key=len)
        finally:
            world.close()


def text() -> str:
    return "[\n" + ",\n".join(json.dumps(steps, separators=(",", ":")) for steps in runs()) + "\n]\n"


if __name__ == "__main__":
    logging.disable()  # of all that goes wrong on purpose
    CASES.write_text(text())

"""``python -m benchmarks``: measures what is asked for, prints the tables and keeps them in benchmarks/results/."""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from . import machine, table
from .bench import Bench
from .systems import BY_NAME, ROOT, SYSTEMS, System, chosen, missing
from .table import Row

RESULTS = Path(__file__).parent / "results"
PAGE = ROOT / "docs/performance.md"
MARK = "<!-- tables: written by make bench -->"
UNKEPT = ROOT / ".bench"  # for what does not belong into the repository
MEASURES = sorted(path.stem for path in (Path(__file__).parent / "measures").glob("[a-z]*.py"))
SHARED = ["fanout", "saturation", "latency"]  # these first: one server serves them all
QUICK = ["ours", "asgi", "channels-pubsub"]
QUICK_ROUNDS, ROUNDS = 4, 2
QUICK_BUDGET_S, BUDGET_S = 40, 490  # after which only the first round goes on


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What a message costs, here and elsewhere."
    )
    parser.add_argument("measures", nargs="*", metavar="measure", help=f"some of {', '.join(MEASURES)}; else all")
    parser.add_argument("--quick", action="store_true", help=f"a room of 200: {', '.join(QUICK)}")
    parser.add_argument("--list", action="store_true", help="tell which systems can run here, and do no more")
    parser.add_argument("--system", action="append", choices=BY_NAME, metavar="NAME", help="may be given several times")
    parser.add_argument("--room", action="append", type=int, metavar="SIZE", help="may be given several times")
    parser.add_argument("--seconds", type=float, help="of each run of the fan-out")
    parser.add_argument(
        "--rounds", type=int, help=f"how often each system is started: {ROUNDS}, {QUICK_ROUNDS} if quick"
    )
    asked = parser.parse_args()
    if unknown := set(asked.measures) - set(MEASURES):
        parser.error(f"Expected some of {', '.join(MEASURES)}, but got {', '.join(sorted(unknown))}.")
    return asked


def main() -> None:
    asked = arguments()
    if asked.list:
        for system in SYSTEMS:
            say(f"{system.name:24}{system.title:40}{system.lacks() or ''}")
        return
    if lack := missing([".bench/driver", "redis-server"]):
        sys.exit(lack)
    names = asked.system or (QUICK if asked.quick else list(BY_NAME))
    systems = []
    for system in chosen(names):
        if lack := system.lacks():
            say(f"Left out: {system.title}. {lack}")
        else:
            systems.append(system)
    names = asked.measures or (["fanout"] if asked.quick else [*SHARED, *(set(MEASURES) - set(SHARED))])
    measures = {name: import_module(f".measures.{name}", __package__) for name in sorted(names, key=place)}
    # Each socket is an open file, in servers and in drivers.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

    bench = Bench(
        is_quick=asked.quick, names=[system.name for system in systems], rooms=asked.room, seconds=asked.seconds
    )
    here = machine.description()
    began = time.monotonic()
    # Who asks for rounds gets them, however long they take.
    end = math.inf if asked.rounds else began + (QUICK_BUDGET_S if asked.quick else BUDGET_S)
    rows: dict[str, list[Row]] = defaultdict(list)
    try:
        for number in range(asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS)):
            for name, row in one_round(bench, systems, measures, number, end):
                rows[name].append(row)
                say(f"{time.monotonic() - began:4.0f} s  {name:12}{row.system:24}{row.case:20}{short(row)}")
    except KeyboardInterrupt:
        say("Stopped; what follows is what there is so far.")
    finally:
        bench.close()
    is_whole = not (asked.system or asked.measures or asked.room or asked.rounds or asked.seconds)
    here["seconds"] = f"{time.monotonic() - began:.0f}"
    report(measures, rows, here, ("quick" if asked.quick else "bench") if is_whole else "partial")


def place(name: str) -> tuple[int, str]:
    return SHARED.index(name) if name in SHARED else len(SHARED), name


def one_round(
    bench: Bench, systems: list[System], measures: dict[str, ModuleType], number: int, end: float
) -> Iterator[tuple[str, Row]]:
    """
    Each system in turn, then the measures that start what they need by themselves, then what is aside.

    Of what is aside, and of all rounds after the first (0), only what begins before ``end``.
    """
    due = {name: module for name, module in measures.items() if number < getattr(module, "ROUNDS", number + 1)}
    visiting = {name: module for name, module in due.items() if hasattr(module, "visit")}
    doubled = {name: module for name, module in visiting.items() if 2 in getattr(module, "WORKERS", (1,))}
    is_first = number == 0

    def visits(aside: bool, workers: int, measures: dict[str, ModuleType]) -> Iterator[tuple[str, Row]]:
        for system in systems if measures else []:
            is_in_time = (is_first and not aside) or time.monotonic() < end
            if system.is_aside == aside and system.most_workers >= workers and is_in_time:
                yield from visit(bench, system, workers, measures)

    yield from visits(False, 1, visiting)
    if is_first:
        yield from visits(False, 2, doubled)
    for name, module in due.items():
        if hasattr(module, "run") and (is_first or time.monotonic() < end):
            with told(name):
                for row in module.run(bench):
                    yield name, row
    if is_first:
        yield from visits(True, 1, visiting)


def visit(bench: Bench, system: System, workers: int, measures: dict[str, ModuleType]) -> Iterator[tuple[str, Row]]:
    with told(system.title), bench.start(system.name, workers=workers) as server, bench.fleet(server) as fleet:
        for name, module in measures.items():
            for row in module.visit(bench, server, fleet):
                yield name, row


@contextmanager
def told(what: str) -> Iterator[None]:
    """One that fails is told, and the others go on."""
    try:
        yield
    except Exception as error:
        say("\n".join([f"FAILED: {what}: {error!r}", *getattr(error, "__notes__", ())]))


def report(measures: dict[str, ModuleType], rows: dict[str, list[Row]], here: dict[str, str], name: str) -> None:
    """Print the tables, and keep them as ``name``, with what the machine was like; whole ones go into the docs, too."""
    titles = {system.name: system.title for system in SYSTEMS}
    text = f"{', '.join(f'{what}: {value}' for what, value in here.items())}.\n"
    kept = {}
    for measure, module in measures.items():
        results = table.gather(rows[measure])
        kept[measure] = [result.as_json() for result in results]
        if not results:
            continue
        draw = getattr(module, "table", table.lines)
        text += f"\n### {module.TITLE}\n\n{module.NOTE}\n\n{draw(results, titles)}"
        if failed := table.faults(results, titles):
            text += f"\n{failed}"
    folder = RESULTS if name == "bench" else UNKEPT
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"machine": here, **kept}, indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"# Benchmarks\n\n{text}")
    if folder == RESULTS and MARK in (page := PAGE.read_text()):
        PAGE.write_text(page.partition(MARK)[0] + MARK + "\n" + text)
    say(f"\n{text}\nKept in {folder}/{name}.json and .md.")


def short(row: Row) -> str:
    values = ", ".join(f"{table.number(value)} {name}" for name, value in row.values.items())
    return f"{values}{'  FAILED: ' + row.faults[0] if row.faults else ''}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""What came out: rows, the median and the spread of those that belong together, as JSON and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass
class Row:
    """What one run of one system gave; ``values`` by name, with the unit in the name."""

    system: str
    case: str
    values: dict[str, float]
    faults: list[str] = field(default_factory=list)


@dataclass
class Result:
    """All runs of one system and case."""

    system: str
    case: str
    values: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def middle(self, name: str) -> float | None:
        """The median of one value; None where it was not measured."""
        return median(self.values[name]) if self.values.get(name) else None

    def cell(self, name: str) -> str:
        """Median and spread, as they stand in a table."""
        if self.faults:
            return "**failed**"
        values = self.values.get(name)
        if not values:
            return "-"
        middle, lowest, highest = (number(each) for each in (median(values), min(values), max(values)))
        return middle if lowest == highest else f"{middle} ({lowest} to {highest})"

    def as_json(self) -> dict[str, Any]:
        return {"system": self.system, "case": self.case, "values": self.values, "faults": self.faults}


def gather(rows: Iterable[Row]) -> list[Result]:
    """One result for each system and case, in the order of their first row."""
    results: dict[tuple[str, str], Result] = {}
    for row in rows:
        result = results.setdefault((row.system, row.case), Result(row.system, row.case))
        result.faults += row.faults
        for name, value in row.values.items():
            result.values.setdefault(name, []).append(value)
    return list(results.values())


def number(value: float) -> str:
    """Three digits that count, and thousands apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def lines(results: Sequence[Result], titles: dict[str, str]) -> str:
    """A table with a line for each system and case, and a column for each value."""
    names = list(dict.fromkeys(name for result in results for name in result.values))
    head = ["system", "case", *names]
    return markdown(
        head,
        [
            [titles.get(result.system, result.system), result.case, *(result.cell(name) for name in names)]
            for result in results
        ],
    )


def grid(results: Sequence[Result], titles: dict[str, str], name: str) -> str:
    """A table of one value, with a line for each system and a column for each case."""
    cases = list(dict.fromkeys(result.case for result in results))
    found = {(result.system, result.case): result.cell(name) for result in results}
    systems = dict.fromkeys(result.system for result in results)
    rows = [[titles.get(system, system), *(found.get((system, case), "-") for case in cases)] for system in systems]
    return markdown(["", *cases], rows)


def faults(results: Sequence[Result], titles: dict[str, str]) -> str:
    """What went wrong, a line for each result that failed."""
    return "".join(
        f"- {titles.get(each.system, each.system)}, {each.case}: {each.faults[0]} ({len(each.faults)} faults)\n"
        for each in results
        if each.faults
    )


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns stand below each other in the source, too; numbers to the right."""
    widths = [max(3, *(len(line[column]) for line in [head, *rows])) for column in range(len(head))]
    is_text = [all(not row[column][:1].isdigit() for row in rows) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(cells, widths, is_text, strict=True)
        ]
        return f"| {' | '.join(padded)} |\n"

    rule = ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, is_text, strict=True)]
    return line(head) + line(rule) + "".join(map(line, rows))

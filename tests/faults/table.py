"""The table of docs/reliability.md."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.faults.comparing import Comparison
from tests.faults.running import Outcome

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
BEGIN, END = "<!-- table: written by make faults -->\n", "<!-- end of the table -->\n"
HEAD = """\
| what goes wrong | acknowledged | delivered | lost | doubled | out of order | lines cut | well again after |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def row_of(outcome: Outcome) -> str:
    """What became of a fault, as a line of the table."""
    verdict = outcome.verdict
    wrong = [verdict.count(kind) for kind in ("lost", "doubled", "disordered")]
    counts = [verdict.acknowledged, verdict.delivered, *wrong]
    return _row(outcome.text, [f"{count:,}" for count in counts], outcome.closes.total(), outcome.recovered_s)


def row_of_comparison(row: Comparison, layer: str) -> str:
    """The same for the tutorial; what it was sent stands in the place of what was acknowledged."""
    lost = f"{row.lost:,} ({100 * row.lost / row.owed:.1f} %)"
    if row.lost_while_connected:
        lost += f", {row.lost_while_connected:,} of them at clients that were connected"
    cells = [f"{row.sent:,} sent", f"{row.delivered:,}", lost, f"{row.doubled:,}", f"{row.disordered:,}"]
    missing = row.tabs - len(row.recovered_s)
    note = f"; {missing} of {row.tabs} not within 40 s" if missing else ""
    return _row(f"– Channels' tutorial, {layer} layer", cells, row.closes.total(), row.recovered_s, note)


def write(rows: list[str], about: str) -> None:
    """Put the rows into the page, between its marks."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{about}\n\n{HEAD}{''.join(rows)}\n{END}{after}")


def _row(name: str, cells: list[str], cut: int, recovered: list[float], note: str = "") -> str:
    times = f"{median(recovered):.1f} s, at most {max(recovered):.1f} s" if recovered else "–"
    return f"| {' | '.join([name, *cells, f'{cut:,}', times + note])} |\n"

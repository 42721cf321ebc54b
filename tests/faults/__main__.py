"""
``make faults``: each fault for longer and with more clients than in the tests, and the same for Channels' tutorial.

A whole run writes the table of docs/reliability.md. FAULTS_SEED repeats the choices of an earlier one.
"""

# ruff: noqa: T201 - a command, which tells how far it is

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import signal
import sys
from datetime import UTC, datetime

os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"
os.environ["ENV_FILE"] = os.devnull

from tests.plugin import variables

for variable in variables():
    os.environ.pop(variable, None)

from tests.faults import comparing, table  # noqa: E402
from tests.faults.cluster import Cluster  # noqa: E402
from tests.faults.faults import FAULTS, Fault  # noqa: E402
from tests.faults.running import Outcome, Plan, Run  # noqa: E402
from tests.servers import NO_POSTGRES, postgres_binaries  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(prog="make faults", description="Nothing is lost, whatever goes wrong.")
    parser.add_argument("names", nargs="*", help="these faults only; the table stays as it is")
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--load", type=float, default=10.0, help="seconds before each fault, and after it")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two messages of a client, on average")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite; the table stays as it is")
    parser.add_argument("--logs", action="store_true", help="show what the servers said")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where nohup or & has them ignored: servers have to go
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    if postgres_binaries() is None and not options.sqlite:
        sys.exit(NO_POSTGRES)
    seed = os.environ.get("FAULTS_SEED") or secrets.token_hex(3)
    plan = Plan(seed, tabs=options.clients, load_s=options.load, pause_s=options.pause, scale=1)
    faults = [fault for fault in FAULTS if not options.names or fault.name in options.names]
    if options.sqlite:
        faults = [fault for fault in faults if not fault.needs_postgres]
    print(f"FAULTS_SEED={seed}, {options.clients} clients", flush=True)
    outcomes = run_all(faults, plan, "sqlite" if options.sqlite else "postgres", show_logs=options.logs)
    compared = compare_all(faults, plan)
    rows = []
    for outcome in outcomes:
        rows.append(table.row_of(outcome))
        rows += [table.row_of_comparison(row, layer) for layer, row in compared if row.fault == outcome.fault]
    about = (
        f"{datetime.now(UTC):%B %Y}, {os.cpu_count()} cores, Python {platform.python_version()}, PostgreSQL; "
        f"{options.clients} clients in {plan.rooms} rooms, each of which writes once in {options.pause:g} s; "
        f"{2 * options.load:g} s of that and the fault for each row; `FAULTS_SEED={seed}`."
    )
    if options.names or options.sqlite:
        print(table.HEAD, *rows, sep="")
    else:
        table.write(rows, about)
        print(f"Written to {table.PAGE}.")
    if any(outcome.verdict.violations for outcome in outcomes):
        sys.exit(f"Promises were broken. To repeat: FAULTS_SEED={seed} make faults")


def run_all(faults: list[type[Fault]], plan: Plan, database: str, *, show_logs: bool) -> list[Outcome]:
    outcomes = []
    for backend in dict.fromkeys(fault.backend for fault in faults):
        cluster = Cluster(seed=plan.seed, database=database, backend=backend)
        try:
            for fault in faults:
                if fault.backend != backend:
                    continue
                outcomes.append(asyncio.run(Run(fault(), cluster, plan).carry_out()))
                print(outcomes[-1], flush=True)
                for violation in outcomes[-1].verdict.violations[:20]:
                    print("   ", *violation, flush=True)
        finally:
            if show_logs:
                print(cluster.logs())
            cluster.close()
    return sorted(outcomes, key=lambda outcome: [fault.name for fault in faults].index(outcome.fault))


def compare_all(faults: list[type[Fault]], plan: Plan) -> list[tuple[str, comparing.Comparison]]:
    """The rows of the tutorial with each of its layers; none where its environment is missing."""
    chosen = [fault for fault in comparing.FAULTS if fault in faults]
    if not (comparing.ENVIRONMENT / "bin/gunicorn").exists():
        print(f"Not compared with Channels: there is no {comparing.ENVIRONMENT}, which scripts/faults makes.")
        return []
    rows = []
    for layer in comparing.LAYERS:
        for fault in chosen:
            if layer in fault.layers:
                cluster = comparing.TutorialCluster(layer)  # a new one each time: what is broken stays broken
                try:
                    rows.append((layer, asyncio.run(comparing.compare(fault(), cluster, plan))))
                finally:
                    cluster.close()
                print(f"Channels' tutorial, {layer}: {rows[-1][1]}", flush=True)
    return rows


if __name__ == "__main__":
    main()

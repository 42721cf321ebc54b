"""
Nothing is lost, whatever goes wrong: a short run of each fault, against real processes.

``make faults`` is the long one, whose numbers are in docs/reliability.md. What is chosen by chance comes from one
seed; a failure tells it.
"""

import os
import secrets
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.faults import FAULTS, Fault, WorkerKilled
from tests.faults.running import Outcome, Plan, Run
from tests.servers import NO_POSTGRES, postgres_binaries

pytestmark = pytest.mark.timeout(180)
needs_postgres = pytest.mark.skipif(postgres_binaries() is None, reason=NO_POSTGRES)
HERE = Path(__file__).relative_to(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def seed() -> str:
    return os.environ.get("FAULTS_SEED") or secrets.token_hex(3)


@pytest.fixture(scope="module")
def cluster_with(seed):
    """The servers with a channel layer of that name, or the usual one: started once for all that use it."""
    clusters: dict[str | None, Cluster] = {}

    def cluster_with(backend: str | None) -> Cluster:
        if backend not in clusters:
            clusters[backend] = Cluster(seed=seed, backend=backend)
        clusters[backend].mend()
        return clusters[backend]

    yield cluster_with
    for cluster in clusters.values():
        cluster.close()


@needs_postgres
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
async def test_nothing_is_lost(cluster_with, seed, fault: type[Fault]):
    outcome = await Run(fault(), cluster_with(fault.backend), Plan(seed)).carry_out()

    assert outcome.verdict.acknowledged
    assert not wrong(outcome), repeat(outcome, seed)


async def test_nothing_is_lost_on_sqlite(seed):
    cluster = Cluster(seed=seed, database="sqlite")
    try:
        outcome = await Run(WorkerKilled(), cluster, Plan(seed)).carry_out()
    finally:
        cluster.close()

    assert outcome.verdict.acknowledged
    assert not wrong(outcome), repeat(outcome, seed)


def wrong(outcome: Outcome) -> list[str]:
    return [f"{violation.kind}: {violation.text}" for violation in outcome.verdict.violations]


def repeat(outcome: Outcome, seed: str) -> str:
    again = f"To repeat: FAULTS_SEED={seed} .venv/bin/pytest {HERE} -k '{outcome.fault}'"
    return "\n".join([str(outcome), *wrong(outcome)[:20], again])

"""What watches over changes: the workflow of GitHub, the updates of Dependabot and the hooks of pre-commit."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def jobs() -> Iterator[dict[str, Any]]:
    for workflow in WORKFLOWS:
        yield from read(workflow)["jobs"].values()


def commands() -> list[str]:
    return [step["run"] for job in jobs() for step in job["steps"] if "run" in step]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_jobs_run_what_make_offers():
    called = [target for command in commands() for target in re.findall(r"\bmake\s+([\w-]+)", command)]

    assert {"lint", "test", "test-matrix", "test-compose", "audit"} <= set(called)
    assert set(called) <= targets()


def test_actions_are_pinned_to_a_commit():
    """A tag can be moved to other code later. The comment is what people and Dependabot read."""
    lines = [line.strip() for path in WORKFLOWS for line in path.read_text().splitlines() if "uses:" in line]

    assert lines
    pinned = re.compile(r"(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def test_jobs_may_read_and_have_an_end():
    assert all(read(workflow)["permissions"] == {"contents": "read"} for workflow in WORKFLOWS)
    assert all("permissions" not in job and job["timeout-minutes"] <= 60 for job in jobs())


def test_updates_stay_within_the_bounds_of_the_project():
    """Dependabot does not see the upper bounds of pyproject.toml in the requirements that are made from them."""
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bounds = {
        found[1].lower(): [f">={found[2]}"]
        for package in packages
        if (found := re.match(r"([\w-]+).*<([\d.]+)", package))
    }
    [pip] = [update for update in read(".github/dependabot.yml")["updates"] if update["package-ecosystem"] == "pip"]

    assert bounds
    assert {ignored["dependency-name"]: ignored["versions"] for ignored in pip["ignore"]} == bounds


def test_hooks_use_the_tools_that_lint_uses():
    [repository] = read(".pre-commit-config.yaml")["repos"]
    programs = {hook["entry"].split()[0] for hook in repository["hooks"]}

    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert repository["repo"] == "local"
    assert programs == {
        program.replace("$(BIN)", ".venv/bin") for program in re.findall(r"^\t(\S+)", lint, re.MULTILINE)
    }

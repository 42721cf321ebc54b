"""A copy of this project, to be given another name."""

import os
import shutil
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from django.conf import settings

ROOT = Path(settings.BASE_DIR)


def load() -> ModuleType:
    """scripts/rename as a module, which its name without .py keeps from being imported."""
    loader = SourceFileLoader("rename", str(ROOT / "scripts/rename"))
    module = module_from_spec(spec_from_loader("rename", loader))
    loader.exec_module(module)
    return module


rename = load()
OLD = rename.current_names(ROOT)
# In pieces, so that a fork which takes one of these names does not change the list; there the others are used.
# As long as each other: no line gets too long by the one that fits with the other.
WORDS = [("acme", "talk"), ("fish", "bowl"), ("rook", "nest")]
NEW, NEWER = [(name, " ".join(words).title()) for words in WORDS if (name := "_".join(words)) != OLD.name][:2]


def environment() -> dict[str, str]:
    """The environment of the tests, without what names these settings or, in a git hook, this repository."""
    ours = {"DJANGO_SETTINGS_MODULE", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder; its errors are among its output."""
    return subprocess.run(
        command, cwd=folder, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def succeed(folder: Path, *command: str | Path) -> str:
    """Run a program that has to succeed: its output."""
    done = run(folder, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def copy_project(folder: Path) -> Path:
    """A copy of the project's own files, and of ruff, in the place where a project has it."""
    for source in rename.files_of(ROOT):
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/ruff").symlink_to(Path(sys.executable).with_name("ruff"))
    return folder


def commit(folder: Path) -> None:
    """Make the copy a repository with everything committed, however git is set up on this machine."""
    person = ("-c", "user.name=Alice", "-c", "user.email=alice@example.org", "-c", "commit.gpgsign=false")
    succeed(folder, "git", "init", "--quiet")
    succeed(folder, "git", "add", "--all")
    succeed(folder, "git", *person, "commit", "--quiet", "--no-verify", "--message=Everything")


def rename_project(folder: Path, names: tuple[str, str], *options: str) -> str:
    """Rename the copy as ``make rename`` does: what it printed."""
    return succeed(folder, sys.executable, "scripts/rename", *names, *options)


def left_overs(folder: Path, names: tuple[str, str]) -> list[str]:
    """Paths of the copy that hold one of the names, and lines that do, in whatever case."""
    paths = rename.files_of(folder)
    named = [str(path) for path in paths if names[0] in str(path.relative_to(folder)).lower()]
    return named + list(rename.mentions(folder, paths, names))

"""
docs/fork.md, carried out in a copy of this project: what the page prints is what happens.

A fenced block below a line that begins with a file's name is that file or, as ```diff, a change of it; ```sh holds
commands. What is indented is for the reader alone: it needs the net, a person or a port.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests import renaming
from tests.plugin import variables

PAGE = renaming.ROOT / "docs/fork.md"
HEADING = re.compile(r"^(#+) (.*)$", re.MULTILINE)
FILE = r"^`(?P<path>[\w./-]+)`[^\n]*\n\n"
BLOCK = re.compile(rf"(?:{FILE})?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAMS = {"python": "", "pytest": "-m pytest -p no:cacheprovider", "ruff": "-m ruff"}


class Step(NamedTuple):
    """A block of the page: a file to write or change, or commands."""

    path: str | None
    kind: str
    text: str

    @property
    def added(self) -> list[str]:
        """The lines that it brings into the project, without blank ones."""
        lines = self.text.splitlines()
        if self.kind == "diff":
            lines = [line[1:] for line in lines if line.startswith("+")]
        return [line for line in lines if line.strip()]


def part(title: str) -> str:
    """The text below the heading, with the headings of less weight that are in it."""
    page = PAGE.read_text()
    # What looks like a heading in a block is none.
    headings = list(HEADING.finditer(BLOCK.sub(lambda block: re.sub(r"^#", "~", block[0], flags=re.MULTILINE), page)))
    [number] = [number for number, heading in enumerate(headings) if heading[2] == title]
    weight = len(headings[number][1])
    ends = (heading.start() for heading in headings[number + 1 :] if len(heading[1]) <= weight)
    return page[headings[number].end() : next(ends, len(page))]


def steps(title: str) -> list[Step]:
    """The blocks below the heading, in their order."""
    return [Step(block["path"], block["kind"], block["text"]) for block in BLOCK.finditer(part(title))]


class Fork:
    """A copy of this project, with commands and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made_in(cls, folder: Path) -> "Fork":
        """What ``git clone`` gives, and a .venv whose programs are those that run this."""
        renaming.copy_project(folder)
        for name, arguments in PROGRAMS.items():
            program = folder / ".venv/bin" / name
            program.unlink(missing_ok=True)  # a link to that of another environment
            program.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
            program.chmod(0o755)
        return cls(folder)

    def copied_to(self, folder: Path) -> "Fork":
        """Another fork, at the same point."""
        return Fork(shutil.copytree(self.folder, folder))

    def follow(self, title: str) -> None:
        """Do what the page says below a heading."""
        for step in steps(title):
            if step.path is None:
                assert step.kind == "sh", f"Below {title!r} is a block of {step.kind!r} without a file's name."
                self.run("sh", "-euc", step.text)
            elif step.kind == "diff":
                path = self.folder / step.path
                path.write_text(changed(path.read_text(), step))
            else:
                path = self.folder / step.path
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text)

    def run(self, *command: str) -> str:
        """Run a program in the fork: what it prints. AssertionError with all it said if it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def manage(self, *arguments: str) -> str:
        return self.run(".venv/bin/python", "manage.py", *arguments)

    def test(self, *arguments: str) -> str:
        return self.run(".venv/bin/pytest", "--quiet", *arguments)

    def environment(self) -> dict[str, str]:
        """The environment of a shell that knows nothing of this project's tests."""
        ours = variables()
        return {name: value for name, value in renaming.environment().items() if name not in ours}

    def files(self) -> list[str]:
        """The paths of its own files."""
        paths = renaming.rename.files_of(self.folder)
        return [path.relative_to(self.folder).as_posix() for path in paths]


def changed(text: str, step: Step) -> str:
    """
    The text after the change that a ```diff block prints.

    Each part of it, from one ``@@`` to the next, has to fit in exactly one place.
    """
    for hunk in re.split(r"^@@\n", step.text, flags=re.MULTILINE):
        lines = [line or " " for line in hunk.splitlines()]  # editors strip the space of an empty line
        assert all(line[0] in " +-" for line in lines), f"No change: {hunk}"
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
        # The line break in front keeps it from fitting in the middle of a line.
        count = f"\n{text}".count(f"\n{before}")
        assert count == 1, f"docs/fork.md changes what is {count} times in {step.path}:\n{before}"
        text = f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]
    return text

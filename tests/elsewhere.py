"""
Questions to a process with settings of its own: Django reads them from the environment once in a process.

A question is a line of JSON, ``[name, arguments]``, and so is its answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Elsewhere:
    """
    The other end of a module that calls ``answer`` when it is run.

    What the process says of errors goes to ``log``, or to our own standard error.
    """

    def __init__(self, module: str, environment: Mapping[str, str], log: Path | None = None) -> None:
        self._log = log
        errors = log.open("w") if log else None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        finally:
            if errors:
                errors.close()

    def ask(self, name: str, *arguments: Any) -> Any:
        """The answer to a question; RuntimeError where the process ends instead."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([name, arguments]) + "\n")
        self._process.stdin.flush()
        if answer := self._process.stdout.readline():
            return json.loads(answer)
        said = f":\n{self._log.read_text()[-4000:]}" if self._log else "; what it said is above."
        raise RuntimeError(f"{name} failed{said}")

    def migrate(self) -> None:
        """Make the tables."""
        self.ask("migrate")

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def answer(*functions: Callable[..., Any]) -> None:
    """Call what is asked for by its name, until nobody asks any more."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    import django

    django.setup()
    from django.db import connection

    known = {function.__name__: function for function in (migrate, *functions)}
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            result = known[name](*arguments)
        finally:
            connection.close()  # the database may be restarted between two questions
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


def migrate() -> None:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)

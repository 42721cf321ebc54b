"""What an examination finds."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not well or not for long
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was found and, if it is not as it should be, the one-line fix."""

    level: Level
    text: str
    fix: str = ""


Findings = Iterator[Finding]
Examination = Callable[[], Findings]


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def warning(text: str, fix: str) -> Finding:
    return Finding(Level.WARNING, text, fix)


def error(text: str, fix: str) -> Finding:
    return Finding(Level.ERROR, text, fix)


def without_password(url: str) -> str:
    """
    An address that may be shown.

    It need not be well formed: then, above all, a password may be where nobody looks for it.
    """
    return re.sub(r"://.*@", "://***@", url.partition("?")[0])


def first_line(error: Exception) -> str:
    """What an exception says, as part of a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].strip().rstrip(".")


def plural(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"

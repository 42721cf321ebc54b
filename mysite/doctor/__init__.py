"""
What ``manage.py doctor`` examines; each module has one part of an installation.

An examination yields findings, is synchronous, and waits for nothing longer than a few seconds.
"""

from functools import partial

from . import configuration, database, layers, server, static, visit
from .findings import Examination, Finding, Findings, Level, error

__all__ = ["Examination", "Finding", "Findings", "Level", "carry_out", "examinations"]


def examinations(*, replicas: int, url: str | None) -> dict[str, Examination]:
    """All of them by name, in the order in which their findings help most; without ``url`` nobody knocks."""
    found: dict[str, Examination] = {
        "The settings": partial(configuration.examine, replicas),
        "The database": partial(database.examine, replicas),
        "Redis": layers.examine,
        "Static files": static.examine,
        "The server": server.examine,
    }
    if url:
        found["The site"] = partial(visit.examine, url)
    return found


def carry_out(name: str, examination: Examination, *, reraise: bool = False) -> Findings:
    """
    Findings of an examination; its own failure is one of them, so that the others still have their turn.

    The text of that exception is not shown: it could have a password in it.
    """
    try:
        yield from examination()
    except Exception as exception:
        if reraise:
            raise
        yield error(
            f"{name} could not be examined to the end: {type(exception).__name__}.",
            "see where it happened with manage.py doctor --traceback",
        )

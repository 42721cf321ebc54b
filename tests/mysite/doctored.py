"""For tests of ``manage.py doctor``: to run it, and to look at what it found."""

import os
import subprocess
import sys
from collections.abc import Iterable
from io import StringIO

from django.conf import settings
from django.core.management import call_command

from mysite.doctor import Finding, Level
from tests.plugin import variables

SECRET = "a-secret-that-is-as-long-as-Django-asks-for-0123456789"


def examined(**options) -> tuple[list[str], int]:
    """The lines that the command prints, and its exit code; by default it does not knock."""
    out = StringIO()
    code = 0
    try:
        call_command("doctor", **{"no_knock": True, "no_color": True, "stdout": out, **options})
    except SystemExit as end:
        code = end.code
    return out.getvalue().splitlines(), code


def doctored(**environment: str) -> subprocess.CompletedProcess[str]:
    """``manage.py doctor --no-knock`` as a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in variables()}
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", "--no-knock"],
        cwd=settings.BASE_DIR,
        env=clean | {"ENV_FILE": os.devnull, **environment},
        capture_output=True,
        text=True,
    )


def levels(findings: Iterable[Finding]) -> list[Level]:
    return [finding.level for finding in findings]


def bad(findings: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """What is not as it should be."""
    return [(finding.level, finding.text, finding.fix) for finding in findings if finding.level != Level.OK]


def one(findings: Iterable[Finding]) -> tuple[str, str, str]:
    """The only thing that is not as it should be."""
    (finding,) = bad(findings)
    return finding

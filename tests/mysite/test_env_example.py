"""
.env.example agrees with what reads it (the settings, gunicorn, Compose), and docs/configuration.md with it.
"""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from tests.plugin import ENV_EXAMPLE, variables

READERS = ("mysite/settings.py", "gunicorn.conf.py")


def calls_of_env() -> dict[str, ast.Call]:
    """Every ``env.<type>("NAME", ...)``, by name."""
    calls = {}
    for reader in READERS:
        for node in ast.walk(ast.parse(Path(settings.BASE_DIR, reader).read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name("env")), args=[ast.Constant(value=str(name)), *_]):
                    calls[name] = node
    return calls


def variables_of_compose() -> set[str]:
    """What Compose takes from .env itself; ``$$NAME`` is the shell's in a container."""
    root = Path(settings.BASE_DIR)
    texts = [file.read_text() for file in (*root.glob("docker-compose*.yml"), *root.glob("deploy/*.yml"))]
    return set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", "".join(texts)))


def test_every_variable_is_explained_and_every_explained_variable_is_read():
    assert variables() == calls_of_env().keys() | variables_of_compose()


def test_compose_hands_on_what_the_application_reads():
    compose = Path(settings.BASE_DIR, "docker-compose.yml").read_text()
    handed_on = set(re.findall(r"^ {4}([A-Z_]+):", compose, re.MULTILINE))

    assert calls_of_env().keys() - {"BIND", "DEBUG", "SECRET_KEY_FILE"} <= handed_on  # which the image sets


def test_the_page_on_configuration_has_every_variable():
    page = Path(settings.BASE_DIR, "docs/configuration.md").read_text()

    assert set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)) == variables() | {"ENV_FILE"}


def test_a_line_that_is_commented_out_shows_the_default():
    """As far as it is a plain value; others are described above their line."""
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", ENV_EXAMPLE.read_text(), re.MULTILINE))
    defaults = {
        name: keyword.value.value
        for name, call in calls_of_env().items()
        for keyword in call.keywords
        if keyword.arg == "default" and isinstance(keyword.value, ast.Constant)
    }

    assert {name: shown[name] for name in defaults} == {
        name: "1" if default is True else str(default) for name, default in defaults.items()
    }


def test_the_settings_understand_every_example(tmp_path):
    file = tmp_path / ".env"
    file.write_text(re.sub(r"^#(?=[A-Z_]+=)", "", ENV_EXAMPLE.read_text(), flags=re.MULTILINE))
    environment = {name: value for name, value in os.environ.items() if name not in variables()}

    loaded = subprocess.run(
        [sys.executable, "-c", "from mysite.settings import *; print(DATABASES['default']['NAME'])"],
        cwd=settings.BASE_DIR,
        env=environment | {"ENV_FILE": str(file)},
        capture_output=True,
        text=True,
    )

    assert loaded.stdout == "chat\n", loaded.stderr

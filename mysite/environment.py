"""Where the settings come from: the environment, and a file .env beside manage.py."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def read() -> environ.Env:
    """
    The variables of the environment, and those of .env (or of the file that ENV_FILE names) below them.

    One that is empty counts as not set: Compose hands on what it does not know as empty. All are read into a
    copy: gunicorn's master, which outlives its workers, reads the file anew when it reloads, and what it read
    before must not stand in the way.
    """

    class Environment(environ.Env):
        ENVIRON = _what_is_set(os.environ)

        def get_value(self, var: str, cast: Any = None, **options: Any) -> Any:
            try:
                return super().get_value(var, cast, **options)
            except ValueError:
                if cast not in (int, float):
                    raise
                kind = "whole number" if cast is int else "number"
                raise ImproperlyConfigured(f"{var} must be a {kind}, but is {self.ENVIRON[var]!r}.") from None

    file = Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env")
    if file.exists():
        Environment.read_env(file)
    Environment.ENVIRON = _what_is_set(Environment.ENVIRON)
    return Environment()


def _what_is_set(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}


def kept_secret(file: Path) -> str:
    """The secret in ``file``; one is made at the first start, and kept."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        new.touch(mode=0o600)
        new.write_text(secrets.token_urlsafe(50))
        try:
            os.link(new, file)  # whole or not at all, and once only, when several processes start at a time
        except FileExistsError:
            pass
        finally:
            new.unlink()
    return file.read_text().strip()

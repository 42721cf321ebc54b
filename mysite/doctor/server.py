"""The programs that serve: whether what speaks WebSocket is installed."""

from importlib.metadata import PackageNotFoundError, version

from django.conf import settings
from django.core.management import get_commands

from .findings import Findings, error, ok, warning

INSTALL = "pip install -r requirements.txt"
WORKER = "channels_core.servers.gunicorn.Worker"
# What this worker does not start without. uvicorn alone answers every handshake with 404, and has an event
# loop and an HTTP parser that are slower.
PACKAGES = ("gunicorn", "uvicorn", "uvicorn-worker", "websockets", "uvloop", "httptools")


def examine() -> Findings:
    found = {name: _version(name) for name in PACKAGES}
    missing = [name for name, number in found.items() if number is None]
    if missing:
        yield error(f"gunicorn cannot start with {WORKER}: {', '.join(missing)} not installed.", INSTALL)
    else:
        yield ok(f"gunicorn starts {WORKER}: {', '.join(f'{name} {number}' for name, number in found.items())}.")
    if settings.DEBUG:
        yield from development()


def development() -> Findings:
    """Whose ``runserver`` it is: Django's own knows no websockets."""
    owner = get_commands()["runserver"]
    if owner == "daphne":
        yield ok(f"manage.py runserver is that of Daphne {_version('daphne')}.")
    else:
        yield warning(
            f"manage.py runserver is that of {owner}, and would answer every handshake with 404.",
            'put "daphne" first into INSTALLED_APPS',
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None

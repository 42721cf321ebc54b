"""
What has to happen before Django's settings are read: pytest loads this first (see pyproject.toml).

The settings are those of a fresh clone, whatever the shell or a file .env says, with a database of
their own: SQLite in a temporary directory or, with ``--database=postgres``, a PostgreSQL server that is
started here.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.servers import NO_POSTGRES, PostgresServer, postgres_binaries

ENV_EXAMPLE = Path(__file__).parent.parent / ".env.example"


def variables() -> set[str]:
    """The names in .env.example: every variable of the environment that the settings read."""
    return set(re.findall(r"^#?([A-Z_]+)=", ENV_EXAMPLE.read_text(), re.MULTILINE))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgres"),
        default="sqlite",
        help="The database to test with; with postgres, only tests that store something run.",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before pytest-django, which imports the settings in this hook."""
    for name in variables():
        os.environ.pop(name, None)
    os.environ["ENV_FILE"] = os.devnull
    if early_config.known_args_namespace.database == "postgres":
        os.environ["DATABASE_URL"] = start_postgres(early_config).url
    else:
        directory = tempfile.mkdtemp(prefix="sqlite-")
        early_config.add_cleanup(lambda: shutil.rmtree(directory, ignore_errors=True))
        os.environ["DATABASE_URL"] = f"sqlite:///{directory}/db.sqlite3"


def start_postgres(config: pytest.Config) -> PostgresServer:
    """A PostgreSQL server that goes when the tests are through."""
    binaries = postgres_binaries()
    if binaries is None:
        raise pytest.UsageError(NO_POSTGRES)
    server = PostgresServer(binaries)
    config.add_cleanup(server.remove)
    server.start()
    return server


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What stores nothing has been tested already when PostgreSQL's turn comes."""
    if config.getoption("database") != "postgres":
        return
    deselected = [item for item in items if not uses_database(item)]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if uses_database(item)]


def uses_database(item: pytest.Item) -> bool:
    """Whether the test has asked for the database: by mark, by fixture or by Django's base class."""
    from django.test import TransactionTestCase

    return (
        item.get_closest_marker("django_db") is not None
        or not {"db", "transactional_db"}.isdisjoint(getattr(item, "fixturenames", ()))
        or issubclass(getattr(item, "cls", None) or object, TransactionTestCase)
    )

"""The database: whether it answers, has today's tables, and has a connection for every thread."""

import os
import time
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from .findings import Finding, Findings, error, first_line, ok, plural, warning

FOR_READINESS = 1  # connection of a process, on which /readyz asks
SLOW_S = 0.1

# What PostgreSQL says when it refuses a connection, and what to do then.
REFUSALS = {
    "authentication failed": "correct the password in DATABASE_URL or DATABASE_PASSWORD_FILE",
    "no password supplied": "put the password into DATABASE_URL, or its file into DATABASE_PASSWORD_FILE",
    "too many clients": "end what holds connections, or raise max_connections in postgresql.conf",
    "connection slots are reserved": "end what holds connections, or raise max_connections in postgresql.conf",
    "does not exist": "create the database and its user, or correct DATABASE_URL",
}


def examine(replicas: int) -> Findings:
    if connection.vendor == "sqlite" and (finding := no_file()):
        yield finding
        return
    if finding := silence():
        yield finding
        return
    yield speed()
    yield migrations()
    if connection.vendor == "sqlite":
        yield from sqlite(replicas)
    if connection.vendor == "postgresql":
        yield connections(replicas)


def place() -> str:
    """Where it is, without user and password."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(values["NAME"])
    port = f":{values['PORT']}" if values["PORT"] else ""
    return f"{values['HOST'] or 'the local socket'}{port}/{values['NAME']}"


def no_file() -> Finding | None:
    """To look is not to make: a connection would leave an empty file."""
    file = Path(connection.settings_dict["NAME"])
    if connection.is_in_memory_db() or file.exists():  # type: ignore[attr-defined]
        return None
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK):
        return error(
            f"The SQLite database {file} does not exist and cannot be made: {file.parent} is not ours to write.",
            "make that directory writable for this user, or correct DATABASE_URL",
        )
    return error(f"There is no SQLite database {file} yet.", "python manage.py migrate")


def silence() -> Finding | None:
    """The finding when no connection can be had; how long that may take is DATABASES' connect_timeout."""
    try:
        connection.ensure_connection()
    except DatabaseError as refused:
        said = " ".join(first_line(refused).rpartition(" failed: ")[2].split())  # without the address again
        fixes = [fix for words, fix in REFUSALS.items() if words in said]
        return error(
            f"{connection.display_name} does not answer at {place()}: {said}.",
            (fixes or ["start the database, or correct DATABASE_URL"])[0],
        )
    return None


def speed() -> Finding:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took_s = time.perf_counter() - started
    version = ".".join(str(part) for part in connection.get_database_version())
    text = f"{connection.display_name} {version} at {place()} answers in {took_s * 1000:.1f} ms."
    if took_s > SLOW_S:
        return warning(text, "put the database near the server: a page asks it several times")
    return ok(text)


def migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = [str(migration) for migration, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if not missing:
        return ok("All migrations are applied.")
    return error(
        f"{plural(len(missing), 'migration')} not applied yet: {', '.join(missing[:3])}"
        f"{', ...' if len(missing) > 3 else ''}.",
        "python manage.py migrate",
    )


def sqlite(replicas: int) -> Findings:
    """Whether it can be written, and by several at a time."""
    file = Path(connection.settings_dict["NAME"])
    if connection.is_in_memory_db():  # type: ignore[attr-defined]
        return
    if not os.access(file, os.W_OK) or not os.access(file.parent, os.W_OK | os.X_OK):
        yield error(
            f"This user cannot write {file} or its directory, which holds files beside it.",
            "give both to the user that the server runs as: chown -R <user> var",
        )
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = cursor.fetchone()[0]
    if mode == "wal":
        yield ok("SQLite keeps a write-ahead log, so readers do not wait for writers.")
    else:
        yield warning(
            f"SQLite's journal is {mode!r}, not a write-ahead log: readers and writers wait for each other.",
            "move the file to a local disk: the log does not work over a network",
        )
    if replicas > 1:
        yield warning(
            f"{replicas} replicas cannot share an SQLite file unless they run on one machine.",
            "use PostgreSQL: DATABASE_URL=postgres://user:password@host:5432/name",
        )


def connections(replicas: int) -> Finding:
    """
    Whether PostgreSQL has a connection for every thread of every process.

    While a server restarts, new processes run beside old ones: that takes twice as many.
    """
    processes = replicas * settings.WEB_CONCURRENCY
    needed = processes * (settings.CHANNELS_DATABASE_THREADS + settings.HTTP_CONCURRENCY + FOR_READINESS)
    limit, others = _limit(), _in_use_by_others()
    free = limit - others
    taken = f", {others} of which others use" if others else ""
    text = (
        f"{plural(limit, 'connection')} can be had{taken}; at most {needed} are needed: {processes} x "
        f"({settings.CHANNELS_DATABASE_THREADS} CHANNELS_DATABASE_THREADS + {settings.HTTP_CONCURRENCY} "
        f"HTTP_CONCURRENCY + {FOR_READINESS})."
    )
    fix = (
        "lower WEB_CONCURRENCY, HTTP_CONCURRENCY or CHANNELS_DATABASE_THREADS, or raise max_connections (in Compose "
        f"POSTGRES_CONNECTIONS) by {2 * needed - free}"
    )
    if needed > free:
        return error(text, fix)
    if 2 * needed > free:
        return warning(f"{text} During a restart, old and new processes together need {2 * needed}.", fix)
    return ok(text)


def _limit() -> int:
    """How many connections the server, the database and the user allow at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_connections')"
            " - (SELECT sum(setting::int) FROM pg_settings"  # the second is new in PostgreSQL 16
            "    WHERE name IN ('superuser_reserved_connections', 'reserved_connections')),"
            " (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),"
            " (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
        )
        return int(min(limit for limit in cursor.fetchone() if limit >= 0))  # -1: no limit of its own


def _in_use_by_others() -> int:
    """Those of other users or databases: ours belong to the processes that are counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE usesysid IS NOT NULL AND datname IS NOT NULL"  # a client's, and no worker's of the server
            " AND (usename, datname) IS DISTINCT FROM (current_user, current_database())"
        )
        return int(cursor.fetchone()[0])

"""``manage.py doctor`` on the database: run it with ``--database=postgres`` too."""

import os
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from mysite.doctor import Level, database
from tests.mysite.doctored import bad, doctored, one


@pytest.mark.django_db
def test_a_database_that_answers_is_named_without_its_password():
    first = next(iter(database.examine(1)))

    assert first.level == Level.OK
    assert first.text.startswith(f"{connection.display_name} {connection.get_database_version()[0]}.")
    assert str(connection.settings_dict["NAME"]) in first.text


@pytest.mark.django_db
def test_a_migration_that_is_not_applied_is_named():
    MigrationRecorder(connection).record_unapplied("chat", "0005_message_indexes")

    level, text, fix = one(database.examine(1))

    assert level == Level.ERROR
    assert "1 migration not applied yet: chat.0005_message_indexes." in text
    assert fix == "python manage.py migrate"


def test_looking_for_a_database_does_not_make_one(tmp_path):
    file = tmp_path / "new.sqlite3"

    result = doctored(DATABASE_URL=f"sqlite:///{file}")

    assert (
        f"error    There is no SQLite database {file} yet.\n         fix: python manage.py migrate\n" in result.stdout
    )
    assert not file.exists()


@pytest.fixture
def sqlite_wrapper(db, monkeypatch, tmp_path):
    """An SQLite database of its own, with nothing in it and nothing set."""
    from django.db.backends.sqlite3.base import DatabaseWrapper

    values = {**connection.settings_dict, "NAME": str(tmp_path / "other.sqlite3"), "OPTIONS": {}}
    wrapper = DatabaseWrapper(values, alias="default")
    wrapper.ensure_connection()
    monkeypatch.setattr(database, "connection", wrapper)
    yield wrapper
    wrapper.close()


def test_sqlite_without_a_log_and_for_many_is_warned_of(sqlite_wrapper):
    found = bad(database.sqlite(replicas=2))

    assert [level for level, _, _ in found] == [Level.WARNING, Level.WARNING]
    assert "'delete'" in found[0][1]
    assert "PostgreSQL" in found[1][2]


def test_sqlite_that_cannot_be_written_is_told(sqlite_wrapper, monkeypatch):
    """Root could write it all the same, so the answer to the question is made up."""
    monkeypatch.setattr(os, "access", lambda path, mode: not Path(path).is_dir())

    assert bad(database.sqlite(replicas=1))[0][0] == Level.ERROR


def test_an_empty_database_lacks_every_migration(sqlite_wrapper):
    finding = database.migrations()

    assert finding.level == Level.ERROR
    assert ", ..." in finding.text


@pytest.fixture
def postgres(db):
    if connection.vendor != "postgresql":
        pytest.skip("It is about connections to PostgreSQL.")


@pytest.mark.parametrize(("workers", "expected"), [(1, Level.OK), (4, Level.WARNING), (8, Level.ERROR)])
@override_settings(CHANNELS_DATABASE_THREADS=4, HTTP_CONCURRENCY=8)
def test_every_thread_gets_its_connection_of_postgresql(postgres, workers, expected):
    """Of 100 connections, 3 are for superusers; a restart takes twice as many as it took before."""
    with override_settings(WEB_CONCURRENCY=workers):
        finding = database.connections(replicas=1)

    assert finding.level == expected
    assert finding.text.startswith("97 connections can be had")
    assert f"at most {workers * 13} are needed" in finding.text


@override_settings(WEB_CONCURRENCY=1, CHANNELS_DATABASE_THREADS=4, HTTP_CONCURRENCY=8)
def test_a_limit_for_one_database_counts_too(postgres):
    with connection.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" CONNECTION LIMIT 30')  # rolled back

    one_replica, three_replicas = database.connections(replicas=1), database.connections(replicas=3)

    assert one_replica.level == Level.OK
    assert one_replica.text.startswith("30 connections can be had")
    assert three_replicas.level == Level.ERROR


def test_connections_of_others_are_not_ours_to_use(postgres):
    """What PostgreSQL itself runs in the background takes none of them."""
    import psycopg

    values = connection.settings_dict
    alone = database._in_use_by_others()
    with psycopg.connect(host=values["HOST"], port=values["PORT"], user=values["USER"], dbname="postgres"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # within the transaction of a test it stays as it was
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            clients = cursor.fetchone()[0]
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            ours = cursor.fetchone()[0]
        with_another = database._in_use_by_others()

    assert with_another == alone + 1
    assert with_another == clients - ours


def test_a_database_that_is_not_there_is_told_from_a_server_that_is_not(postgres):
    url = os.environ["DATABASE_URL"].replace("/postgres", "/elsewhere")

    result = doctored(DATABASE_URL=url)

    assert (
        'FATAL: database "elsewhere" does not exist.\n         fix: create the database and its user' in result.stdout
    )

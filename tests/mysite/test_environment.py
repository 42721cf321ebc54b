"""Where settings come from: the environment above a file, and a secret that is made once."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured

from mysite import environment


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """The .env that ENV_FILE names."""
    file = tmp_path / "settings.env"
    monkeypatch.setenv("ENV_FILE", str(file))
    return file


def test_without_a_file_the_environment_is_read(file, monkeypatch):
    monkeypatch.setenv("SITE_NAME", "Ours")

    assert environment.read().str("SITE_NAME") == "Ours"


def test_the_file_is_read_and_the_environment_wins(file, monkeypatch):
    file.write_text("SITE_NAME=From the file\nREDIS_PREFIX=file\n")
    monkeypatch.setenv("SITE_NAME", "From the environment")

    env = environment.read()

    assert (env.str("SITE_NAME"), env.str("REDIS_PREFIX")) == ("From the environment", "file")


def test_what_is_empty_counts_as_not_set(file, monkeypatch):
    """Compose hands on what it does not know as empty."""
    file.write_text("SITE_NAME=\n")
    monkeypatch.setenv("WEB_CONCURRENCY", "")

    env = environment.read()

    assert env.str("SITE_NAME", default="Default") == "Default"
    assert env.int("WEB_CONCURRENCY", default=1) == 1


def test_what_is_empty_in_the_environment_leaves_the_word_to_the_file(file, monkeypatch):
    file.write_text("REDIS_URL=redis://localhost\n")
    monkeypatch.setenv("REDIS_URL", "")

    assert environment.read().str("REDIS_URL") == "redis://localhost"


def test_the_file_leaves_no_trace_so_that_a_reload_reads_it_anew(file):
    file.write_text("SITE_NAME=Before\n")
    assert environment.read().str("SITE_NAME") == "Before"
    assert "SITE_NAME" not in os.environ

    file.write_text("SITE_NAME=After\n")

    assert environment.read().str("SITE_NAME") == "After"


@pytest.mark.parametrize(("kind", "words"), [("int", "a whole number"), ("float", "a number")])
def test_what_is_no_number_is_refused_by_name(file, kind, words):
    file.write_text("WEB_CONCURRENCY=many\n")

    with pytest.raises(ImproperlyConfigured, match=f"^WEB_CONCURRENCY must be {words}, but is 'many'.$"):
        getattr(environment.read(), kind)("WEB_CONCURRENCY", default=1)


def test_a_secret_is_made_once_and_kept_to_its_owner(tmp_path):
    file = tmp_path / "var" / "secret_key"

    secret = environment.kept_secret(file)

    assert len(secret) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert environment.kept_secret(file) == secret
    assert [path.name for path in file.parent.iterdir()] == ["secret_key"]


def test_every_place_has_a_secret_of_its_own(tmp_path):
    assert environment.kept_secret(tmp_path / "one") != environment.kept_secret(tmp_path / "other")


def test_a_secret_of_somebody_elses_making_is_taken_as_it_is(tmp_path):
    file = tmp_path / "secret_key"
    file.write_text("made by an operator\n")

    assert environment.kept_secret(file) == "made by an operator"


def test_processes_that_start_together_agree_on_the_secret(tmp_path, monkeypatch):
    """All of them find that there is none, and make one."""
    file = tmp_path / "secret_key"
    together = Barrier(8)
    mkdir = Path.mkdir

    def mkdir_together(path, **options):
        together.wait(10)  # past the look whether there is one
        mkdir(path, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir_together)
    with ThreadPoolExecutor(8) as starting:
        secrets = set(starting.map(environment.kept_secret, [file] * 8))

    assert len(secrets) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]

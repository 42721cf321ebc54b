"""``manage.py doctor``: how it says what it finds."""

import socket

import pytest
from django.core.management import CommandError
from django.test import override_settings

from mysite import doctor
from mysite.doctor import Level, layers, server
from tests.mysite.doctored import SECRET, bad, doctored, examined, one
from tests.servers import free_port


@pytest.fixture
def silent_port():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.django_db
@override_settings(SECRET_KEY=SECRET)
def test_what_is_well_is_said_in_a_line_each():
    lines, code = examined()

    assert code == 0
    assert len(lines) >= 8
    assert {line.split()[0] for line in lines[:-1]} == {"ok"}
    assert lines[-1] == "0 errors, 0 warnings."


@pytest.mark.django_db
def test_an_error_comes_with_its_fix_and_ends_with_1():
    url = f"redis://127.0.0.1:{free_port()}/0"
    with override_settings(SECRET_KEY=SECRET, REDIS_URL=url):
        lines, code = examined()

    assert code == 1
    place = next(number for number, line in enumerate(lines) if line.startswith("error"))
    assert lines[place] == f"error    Redis does not answer at {url}: Connection refused."
    assert lines[place + 1] == "         fix: start Redis, or correct REDIS_URL"
    assert lines[-1] == "1 error, 0 warnings."


@pytest.mark.django_db
@pytest.mark.parametrize(("strict", "expected"), [(False, 0), (True, 1)])
@override_settings(
    SECRET_KEY=SECRET,
    SITE_URL="http://chat.example.org",
    ALLOWED_HOSTS=["chat.example.org"],
    CSRF_TRUSTED_ORIGINS=["http://chat.example.org"],
)
def test_warnings_count_for_who_is_strict(strict, expected):
    lines, code = examined(strict=strict)

    assert code == expected
    assert lines[-1] == "0 errors, 1 warning."


@pytest.mark.django_db
def test_an_examination_that_fails_stops_neither_the_others_nor_keeps_a_secret_worse(monkeypatch):
    def examine():
        raise ValueError("no port: sesame")

    monkeypatch.setattr(layers, "examine", examine)

    lines, code = examined()

    assert code == 1
    assert "error    Redis could not be examined to the end: ValueError." in lines
    assert "sesame" not in "".join(lines)
    assert any("tatic files" in line for line in lines)
    with pytest.raises(ValueError, match="sesame"):
        examined(traceback=True)


def test_an_address_to_knock_at_has_a_scheme():
    with pytest.raises(CommandError, match=r"https://chat\.example\.org"):
        examined(no_knock=False, url="localhost:8000")


def test_settings_that_stop_the_start_are_told_in_a_sentence():
    result = doctored(DEBUG="0", SECRET_KEY="short")

    assert result.returncode == 1
    assert "SECRET_KEY must be a secret of at least 50 characters" in result.stderr
    assert "Traceback" not in result.stderr


def test_silent_hosts_keep_it_for_seconds_only(silent_port):
    """The time-out of the test is far above theirs; without any, it would be what ends this."""
    result = doctored(
        DATABASE_URL=f"postgres://user:sesame@127.0.0.1:{silent_port}/chat?connect_timeout=2",
        REDIS_URL=f"redis://:sesame@127.0.0.1:{silent_port}/0",
    )

    assert result.returncode == 1
    assert f"PostgreSQL does not answer at 127.0.0.1:{silent_port}/chat: connection timeout expired." in result.stdout
    assert f"Redis does not answer at redis://***@127.0.0.1:{silent_port}/0: " in result.stdout
    assert "sesame" not in result.stdout + result.stderr


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(server, "PACKAGES", (*server.PACKAGES, "no-such-package"))

    level, text, fix = one(server.examine())

    assert level == Level.ERROR
    assert "no-such-package not installed" in text
    assert "requirements.txt" in fix


@override_settings(DEBUG=True)
def test_a_runserver_without_websockets_is_told(monkeypatch):
    well = bad(server.examine())
    monkeypatch.setattr(server, "get_commands", lambda: {"runserver": "django.contrib.staticfiles"})

    assert well == []
    assert "404" in one(server.examine())[1]


def test_every_examination_has_a_name_and_knocking_is_the_last():
    assert [*doctor.examinations(replicas=1, url="http://localhost")][-1] == "The site"
    assert "The site" not in doctor.examinations(replicas=1, url=None)

"""Settings: what production refuses, and what follows from the address of the site."""

import os
import runpy
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.production import ROOT, SECRET

SETTINGS = str(ROOT / "mysite/settings.py")
IN_MEMORY = "channels_core.layers.InMemoryChannelLayer"


@pytest.fixture
def load(monkeypatch):
    """Read the settings in production, with these variables in the environment, as a dict."""

    def load(**environment: str) -> dict:
        for name, value in {"DEBUG": "0", "SECRET_KEY": SECRET, **environment}.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(SETTINGS)

    return load


# --- Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY must be a secret of at least 50 characters. Make one with: "),
        ({"SECRET_KEY": "x" * 49}, "or name a file in SECRET_KEY_FILE"),
        ({"SECRET_KEY": "django-insecure-for-development-only"}, "SECRET_KEY must be a secret"),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must not be * ... leave it out to allow that of SITE_URL, localhost"),
        ({"ALLOWED_HOSTS": "chat.example.org,*"}, "ALLOWED_HOSTS must not be *"),
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY=2 asks for several processes ... Set REDIS_URL="),
        ({"WEB_CONCURRENCY": "2", "REDIS_URL": ""}, "Set REDIS_URL="),
        (
            {"WEB_CONCURRENCY": "2", "REDIS_URL": "redis://localhost", "CHANNEL_LAYER_BACKEND": IN_MEMORY},
            "asks for several processes",
        ),
        ({"WEB_CONCURRENCY": "some"}, "WEB_CONCURRENCY must be a whole number, but is 'some'"),
        (
            {"SITE_URL": "chat.example.org"},
            "SITE_URL must look like https://chat.example.org, but is 'chat.example.org'",
        ),
        ({"SITE_URL": "ftp://chat.example.org"}, "SITE_URL must look like"),
        ({"SITE_URL": "https://"}, "SITE_URL must look like"),
        ({"SITE_URL": "http://[::1"}, "SITE_URL must look like"),
        ({"DATABASE_URL": "bogus"}, "DATABASE_URL must look like postgres://"),
        (
            {"DATABASE_URL": "postgres://somebody@localhost/chat", "DATABASE_PASSWORD_FILE": "/there/is/none"},
            "DATABASE_PASSWORD_FILE cannot be read: ... /there/is/none",
        ),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must look like redis://localhost:6379/0"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be one of plain, json, but is 'xml'"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR, but is 'LOUD'"),
    ],
)
@pytest.mark.filterwarnings("ignore:Engine not recognized")  # django-environ says it, too
def test_production_refuses(load, environment, sentence):
    with pytest.raises(ImproperlyConfigured) as refused:
        load(**environment)

    for part in sentence.split(" ... "):
        assert part in str(refused.value)


@pytest.mark.parametrize(
    "environment",
    [{"SECRET_KEY": ""}, {"ALLOWED_HOSTS": "*"}, {"WEB_CONCURRENCY": "2"}],
    ids=["the secret of everybody", "any host", "workers that cannot talk"],
)
def test_while_developing_it_is_allowed(load, environment):
    assert load(DEBUG="1", **environment)["DEBUG"] is True


def test_several_workers_may_share_redis(load):
    loaded = load(WEB_CONCURRENCY="4", REDIS_URL="redis://localhost")

    assert loaded["WEB_CONCURRENCY"] == 4
    assert loaded["CHANNEL_LAYERS"]["default"]["BACKEND"] != IN_MEMORY


def manage(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A management command, in production."""
    environment = {"DEBUG": "0", "SECRET_KEY": SECRET, **environment}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_refusal_is_a_sentence_and_not_a_traceback():
    ended = manage("check", SECRET_KEY="")

    assert ended.returncode == 1
    assert ended.stderr.startswith("Wrong settings: With DEBUG=0, SECRET_KEY must be")
    assert ended.stderr.count("\n") == 1


# --- Secrets -----------------------------------------------------------------------------------------


def test_a_file_for_the_secret_is_made_and_kept(load, tmp_path):
    file = tmp_path / "secret_key"

    first = load(SECRET_KEY="", SECRET_KEY_FILE=str(file))["SECRET_KEY"]
    second = load(SECRET_KEY="", SECRET_KEY_FILE=str(file))["SECRET_KEY"]

    assert first == second == file.read_text()


def test_a_secret_in_the_environment_needs_no_file(load, tmp_path):
    file = tmp_path / "secret_key"

    assert load(SECRET_KEY_FILE=str(file))["SECRET_KEY"] == SECRET
    assert not file.exists()


def test_the_password_of_the_database_can_be_in_a_file(load, tmp_path):
    file = tmp_path / "password"
    file.write_text("hunter2\n")

    database = load(DATABASE_URL="postgres://mysite@db/mysite", DATABASE_PASSWORD_FILE=str(file))["DATABASES"][
        "default"
    ]

    assert (database["USER"], database["PASSWORD"], database["HOST"]) == ("mysite", "hunter2", "db")


# --- What follows from the address -------------------------------------------------------------------


def test_with_https_cookies_are_secure_and_browsers_are_told_to_stay(load):
    loaded = load(SITE_URL="https://chat.example.org")

    assert loaded["SESSION_COOKIE_SECURE"] is loaded["CSRF_COOKIE_SECURE"] is loaded["SECURE_SSL_REDIRECT"] is True
    assert loaded["SECURE_HSTS_SECONDS"] == 31536000
    assert loaded["ALLOWED_HOSTS"] == ["chat.example.org"]
    assert loaded["CSRF_TRUSTED_ORIGINS"] == ["https://chat.example.org"]
    assert load(HSTS_SECONDS="60")["SECURE_HSTS_SECONDS"] == 60


def test_with_plain_http_the_first_try_works(load):
    loaded = load(SITE_URL="http://localhost:8000", HSTS_SECONDS="60")

    assert loaded["SESSION_COOKIE_SECURE"] is loaded["CSRF_COOKIE_SECURE"] is loaded["SECURE_SSL_REDIRECT"] is False
    assert loaded["SECURE_HSTS_SECONDS"] == 0
    assert loaded["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert loaded["CSRF_TRUSTED_ORIGINS"] == ["http://localhost:8000"]


def test_cookies_are_out_of_reach_for_scripts_wherever_it_is(load):
    for site in ("http://localhost:8000", "https://chat.example.org"):
        loaded = load(SITE_URL=site)
        assert loaded["SESSION_COOKIE_HTTPONLY"] is loaded["CSRF_COOKIE_HTTPONLY"] is True


def test_the_deployment_checks_have_nothing_to_say_where_it_is_https():
    ended = manage("check", "--deploy", "--fail-level=WARNING", SITE_URL="https://chat.example.org")

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "no issues" in ended.stdout


def test_every_answer_has_the_headers_that_keep_browsers_safe(client, db):
    headers = client.get("/accounts/login/").headers

    policy = headers["Content-Security-Policy"]
    assert "script-src 'self';" in f"{policy};"
    assert "style-src 'self';" in f"{policy};"
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in headers["Permissions-Policy"]


def test_with_https_plain_requests_are_sent_on_and_answers_bind_the_browser(client, db, load, settings):
    loaded = load(SITE_URL="https://chat.example.org")
    for name in ("ALLOWED_HOSTS", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "SECURE_SSL_REDIRECT"):
        setattr(settings, name, loaded[name])

    plain = client.get("/accounts/login/", headers={"host": "chat.example.org"})
    safe = client.get("/accounts/login/", headers={"host": "chat.example.org"}, secure=True)

    assert (plain.status_code, plain.headers["Location"]) == (301, "https://chat.example.org/accounts/login/")
    assert safe.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert safe.cookies["mysite_csrftoken"]["secure"]

"""``manage.py doctor`` on settings that do not fit each other."""

import pytest
from django.test import override_settings

from mysite.doctor import Level, configuration
from tests.mysite.doctored import SECRET, bad, levels, one

# What the settings turn on with https.
HTTPS = ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")


def test_a_secret_that_everybody_knows_is_told():
    level, text, fix = one(configuration.system_checks())

    assert level == Level.WARNING
    assert "SECRET_KEY" in text
    assert "secrets.token_urlsafe" in fix


@pytest.mark.parametrize(
    ("site", "debug", "expected"),
    [("https://chat.example.org", False, ["security.W004"]), ("http://localhost", False, []), ("https://x", True, [])],
)
def test_deployment_checks_are_about_what_is_deployed(site, debug, expected):
    """With http, one finding about SITE_URL says what four of Django's would."""
    with override_settings(SECRET_KEY=SECRET, SITE_URL=site, DEBUG=debug, **dict.fromkeys(HTTPS, True)):
        found = bad(configuration.system_checks())

    assert [text.rpartition("(")[2] for _, text, _ in found] == [f"{name})" for name in expected]
    assert all(fix == "set HSTS_SECONDS=31536000" for _, _, fix in found)


@pytest.mark.parametrize(
    ("site", "debug", "expected"),
    [
        ("http://localhost:8000", True, []),
        ("http://127.0.0.2", True, []),
        ("https://chat.example.org", False, []),
        ("https://chat.example.org", True, [Level.ERROR]),
        ("http://chat.example.org", False, [Level.WARNING]),
        ("https://chat.example.org/chat", False, [Level.WARNING]),
    ],
)
def test_what_the_public_may_see_is_not_for_developing(site, debug, expected):
    with override_settings(SITE_URL=site, DEBUG=debug):
        assert levels(finding for finding in configuration.site_url() if finding.level != Level.OK) == expected


@pytest.mark.parametrize(
    ("changed", "level", "word"),
    [
        ({}, None, ""),
        ({"ALLOWED_HOSTS": [".example.org"], "CSRF_TRUSTED_ORIGINS": ["https://*.example.org"]}, None, ""),
        ({"ALLOWED_HOSTS": ["example.org"]}, Level.ERROR, "add chat.example.org to ALLOWED_HOSTS"),
        ({"CSRF_TRUSTED_ORIGINS": ["http://chat.example.org"]}, Level.WARNING, "add https://chat.example.org to CSRF"),
    ],
)
def test_hosts_and_origins_fit_the_address_of_the_site(changed, level, word):
    fitting = {"ALLOWED_HOSTS": ["chat.example.org"], "CSRF_TRUSTED_ORIGINS": ["https://chat.example.org"]}
    with override_settings(SITE_URL="https://chat.example.org", **{**fitting, **changed}):
        found = bad(configuration.hosts())

    assert [each[0] for each in found] == ([level] if level else [])
    assert all(word in fix for _, _, fix in found)


@pytest.mark.parametrize(
    ("replicas", "workers", "expected"), [(1, 1, []), (1, 2, [Level.ERROR]), (2, 1, [Level.ERROR])]
)
def test_processes_that_cannot_hear_each_other_are_told(replicas, workers, expected):
    with override_settings(WEB_CONCURRENCY=workers):
        assert levels(each for each in configuration.processes(replicas) if each.fix) == expected

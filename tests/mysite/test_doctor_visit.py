"""``manage.py doctor`` at the door: what it finds at a public address, well or broken in each of the usual ways."""

import socket
from io import StringIO
from threading import Thread

import pytest
from django.core.management import call_command
from django.test import override_settings

from mysite.doctor import Finding, Level, handshake, line
from tests.mysite.pretence import WELL, Pretence, Production, at, faults
from tests.servers import free_port


@pytest.fixture(scope="module")
def production():
    server = Production()
    server.start()
    yield server
    server.remove()


# --- Sites that are well ---------------------------------------------------------------------------


def test_a_site_that_is_well_is_found_well(production):
    found = at(production.url)

    assert [finding.level for finding in found] == [Level.OK] * 6, found
    assert "4404 (There is no such room.)" in found[0].text


def test_the_made_up_site_is_well_too():
    """Otherwise what is found below might be about something else."""
    assert faults() == []


@pytest.mark.django_db
def test_the_command_knocks_where_the_settings_say(production):
    out = StringIO()
    secret = "a-secret-that-is-as-long-as-Django-asks-for-0123456789"
    with override_settings(SECRET_KEY=secret, SITE_URL=production.url):
        call_command("doctor", stdout=out, no_color=True)

    assert f"ok       A websocket through {production.url} reaches the application" in out.getvalue()


def test_it_can_knock_at_a_server_that_no_name_leads_to_yet(production):
    """The server is asked for the host of SITE_URL, and so takes the origin; the certificate is the proxy's matter."""
    found = at(f"http://127.0.0.1:{production.port}", site=production.url)

    assert [finding.level for finding in found] == [Level.OK] * 6, found


# --- No line ---------------------------------------------------------------------------------------


def test_a_closed_port_is_told():
    port = free_port()
    (finding,) = at(f"http://127.0.0.1:{port}")

    assert finding.text == f"Nobody listens at 127.0.0.1:{port}."
    assert "start it" in finding.fix


def test_a_name_that_nobody_knows_is_told(monkeypatch):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    (finding,) = at("https://chat.example.org")

    assert finding.text == "The name chat.example.org is not known: Name or service not known."
    assert "DNS" in finding.fix


def test_a_firewall_is_suspected_when_nothing_comes_back():
    target = line.Target(site="https://chat.example.org", url="https://chat.example.org")

    finding = line.no_line(target, TimeoutError("timed out"))

    assert "chat.example.org:443 within 5 s" in finding.text
    assert "firewall" in finding.fix


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(handshake, "TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (finding,) = at(f"http://127.0.0.1:{silent.getsockname()[1]}")

    assert "no answer came within 0.2 s" in finding.text


def test_a_server_that_explains_itself_in_an_older_http_is_understood():
    """As programs written in Go do, Caddy among them."""

    def explain():
        for _ in range(3):  # to connect; to shake hands; to ask plainly
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=explain)
        thread.start()
        (finding,) = at(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()

    assert "speaks TLS" in finding.text


def test_what_does_not_speak_http_is_told(redis_server):
    (finding,) = at(f"http://127.0.0.1:{redis_server.port}")

    assert "not HTTP" in finding.text


# --- Handshakes that are refused -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "text", "fix"),
    [
        ((200, "<html>"), "not understood as a websocket", "pass Upgrade and Connection on"),
        ((404, "Not Found"), "not understood as a websocket", "pass Upgrade and Connection on"),
        ((426, ""), "not understood as a websocket", "pass Upgrade and Connection on"),
        ((403, ""), "origin http://127.0.0.1", "add 127.0.0.1 to ALLOWED_HOSTS"),
        ((401, ""), "asks for a password", "let /ws/ through"),
        ((502, "Bad Gateway"), "behind the proxy nobody answers", "start the server"),
        ((503, "no upstream"), "behind the proxy nobody answers", "start the server"),
        ((503, "This server is stopping; try again."), "the server is stopping", "ask again"),
        ((500, ""), "the application fails", "log of the server"),
        ((400, "The plain HTTP request was sent to HTTPS port"), "speaks TLS", "SITE_URL=https://127.0.0.1"),
        ((301, "", ("Location", "https://chat.example.org/ws/doctor/")), "redirects to https", "SITE_URL=https://chat"),
        ((302, "", ("Location", "/accounts/login/?next=/ws/")), "redirects to http", "pass the path on unchanged"),
        ((308, "", ("Location", "HERE/ws/doctor/")), "itself", "X-Forwarded-Proto"),
    ],
)
def test_a_refused_handshake_is_told_with_its_cause(answer, text, fix):
    level, said, cure = faults({handshake.PATH: answer})[0]

    assert level == Level.ERROR
    assert text in said
    assert fix in cure


@pytest.mark.parametrize(
    ("code", "word"), [(1012, "is stopping"), (1011, "closed with 1011 (as told)"), (None, "closed with 1006")]
)
def test_a_close_that_is_not_the_applications_is_told(code, word):
    ((level, text, _),) = faults(code=code)

    assert level == Level.ERROR
    assert word in text


def test_a_site_that_lets_foreign_pages_in_is_told():
    ((level, text, fix),) = faults(foreign=True)

    assert level == Level.ERROR
    assert "other sites" in text
    assert "AllowedHostsOriginValidator" in fix


def test_an_origin_that_the_server_refuses_is_told(production):
    """By the real server: to ask for another site is to come from another site."""
    found = at(production.url, site="http://chat.example.org")

    assert found[0].level == Level.ERROR
    assert found[0].fix == "add chat.example.org to ALLOWED_HOSTS, and restart"


# --- Pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "level", "text", "fix"),
    [
        (
            {"/readyz": (200, '{"status": "degraded", "reasons": ["Redis does not answer."]}')},
            Level.WARNING,
            "degraded: Redis does not answer.",
            "log",
        ),
        ({"/readyz": (503, '{"status": "unavailable", "reasons": ["No."]}')}, Level.ERROR, "unavailable: No.", "log"),
        ({"/readyz": (404, "Not Found")}, Level.WARNING, "answers 404", "proxy"),
        ({"/readyz": (200, "[]")}, Level.WARNING, "not with the state", "proxy"),
        ({"/metrics": (200, "channels_connections 1")}, Level.ERROR, "open to everybody", "METRICS_TOKEN"),
        ({"/accounts/login/": (400, "Bad Request")}, Level.ERROR, "does not take the host", "header Host"),
        ({"/accounts/login/": (404, "")}, Level.ERROR, "not the site", "every path"),
        ({"/accounts/login/": (500, "")}, Level.ERROR, "500", "log of the server"),
        (
            {"/accounts/login/": (301, "", ("Location", "HERE/accounts/login/"))},
            Level.ERROR,
            "not told that visitors come by https",
            "FORWARDED_ALLOW_IPS",
        ),
        ({"/static/index.css": (404, "")}, Level.ERROR, "answered with 404: /static/index.css", "collectstatic"),
    ],
)
def test_a_page_that_is_not_as_it_should_be_is_told(pages, level, text, fix):
    ((was, said, cure),) = faults(pages)

    assert was == level
    assert text in said
    assert fix in cure


def test_a_server_behind_https_may_be_asked_directly():
    """It sends on to https what comes by http, and that is right."""
    pages = {**WELL, "/accounts/login/": (301, "", ("Location", "https://chat.example.org/accounts/login/"))}
    with Pretence(pages, foreign=True) as site:
        found = at(site.url, site="https://chat.example.org")

    assert found[-1] == Finding(Level.OK, f"{site.url} sends visitors on to https://chat.example.org.")


def test_https_without_tls_is_told(production):
    (finding,) = at(production.url.replace("http:", "https:"))

    assert "speaks no TLS" in finding.text
    assert f"SITE_URL={production.url}" in finding.fix


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Chat.Example.org", "https://chat.example.org"),
        ("https://chat.example.org:443/rooms/", "https://chat.example.org"),
        ("http://chat.example.org:8000/", "http://chat.example.org:8000"),
        ("http://user:sesame@localhost", "http://localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url, expected):
    assert line.origin(url) == expected


@pytest.mark.parametrize("url", ["chat.example.org", "ftp://chat.example.org", "http://", "http://localhost:port"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(ValueError, match=r"Expected an address|[Pp]ort"):
        line.origin(url)

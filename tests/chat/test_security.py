"""What guards every page: tokens in forms, a strict content policy, cookies; and what answers elsewhere."""

import re

import pytest
from django.conf import settings

from tests.people import PASSWORD, make_room

FORMS = {
    "/accounts/login/": {"username": "alice", "password": PASSWORD},
    "/accounts/signup/": {"username": "dora", "password1": PASSWORD, "password2": PASSWORD},
    "/accounts/password_reset/": {"email": "a@example.org"},
}
FORMS_OF_MEMBERS = {
    "/rooms/new/": {"name": "Books", "kind": "public"},
    "/rooms/lobby/join/": {},
    "/rooms/lobby/leave/": {},
    "/rooms/study/members/": {"username": "bob"},
    "/rooms/lobby/messages/": {"client_id": "8e9a51a8-2c5b-4f0e-8b53-7a3f5a2d4c11", "text": "Hello"},
    "/accounts/profile/": {"display_name": "A", "time_zone": "UTC"},
    "/accounts/password_change/": {},
    "/accounts/logout/": {},
}


@pytest.fixture
def answers(client_of, alice, lobby, study):
    """Every kind of page: the answer to a GET, by what it is."""
    signed_in, signed_out = client_of(alice), client_of()
    return {
        "log-in": signed_out.get("/accounts/login/"),
        "rooms": signed_in.get("/rooms/"),
        "room": signed_in.get("/rooms/lobby/"),
        "no such room": signed_in.get("/rooms/nowhere/"),
        "no such address": signed_out.get("/nowhere"),
        "refused form": client_of(enforce_csrf_checks=True).post("/accounts/login/"),
        "redirect": signed_out.get("/rooms/"),
        "socket": signed_out.get("/ws/rooms/lobby/"),
        "admin": signed_out.get("/admin/login/"),
    }


@pytest.mark.parametrize("path", [*FORMS, *FORMS_OF_MEMBERS])
def test_a_form_from_elsewhere_is_refused(client_of, alice, lobby, study, path):
    client = client_of(alice if path in FORMS_OF_MEMBERS else None, enforce_csrf_checks=True)

    response = client.post(path, {**FORMS, **FORMS_OF_MEMBERS}[path])

    assert response.status_code == 403
    assert "This form is out of date" in response.content.decode()
    assert lobby.messages.count() == 0
    assert lobby.memberships.count() == 2


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("/rooms/", "/rooms/attic/join/"),
        ("/rooms/attic/", "/rooms/attic/join/"),
        ("/rooms/lobby/", "/rooms/lobby/messages/"),
        ("/rooms/lobby/", "/rooms/lobby/leave/"),
        ("/rooms/study/", "/rooms/study/members/"),
        ("/rooms/", "/accounts/logout/"),
    ],
)
def test_a_form_of_ours_carries_its_token(client_of, alice, lobby, study, page, action):
    make_room("attic")
    client = client_of(alice, enforce_csrf_checks=True)

    html = client.get(page).content.decode()
    [form] = re.findall(rf'<form[^>]*action="{action}".*?</form>', html, re.DOTALL)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)[1]

    response = client.post(action, {"csrfmiddlewaretoken": token, **FORMS_OF_MEMBERS.get(action, {})})
    assert response.status_code == 302


def test_every_page_forbids_inline_script_and_style_and_everything_from_elsewhere(answers):
    strict = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    for name, answer in answers.items():
        policy = dict(directive.strip().split(" ", 1) for directive in answer["Content-Security-Policy"].split(";"))
        assert policy.items() >= strict.items(), name
        assert not re.search("unsafe|https?:|\\*", answer["Content-Security-Policy"]), name


def test_no_page_is_framed_sniffed_or_told_to_other_sites(answers):
    for name, answer in answers.items():
        assert answer["X-Frame-Options"] == "DENY", name
        assert answer["X-Content-Type-Options"] == "nosniff", name
        assert answer["Referrer-Policy"] == "same-origin", name


def test_the_session_is_out_of_reach_for_scripts_and_other_sites(client, alice):
    cookies = client.post("/accounts/login/", FORMS["/accounts/login/"]).cookies

    session = cookies[settings.SESSION_COOKIE_NAME]
    assert (session["httponly"], session["samesite"], session["path"]) == (True, "Lax", "/")


@pytest.mark.parametrize("path", ["/ws/", "/ws/rooms/lobby/", "/ws/rooms/nowhere/", "/ws/anything?since=4"])
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_plain_request_to_a_socket_says_what_belongs_there(client, db, path, method):
    response = getattr(client, method)(path)

    assert (response.status_code, response["Upgrade"]) == (426, "websocket")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert method == "head" or b"WebSocket" in response.content


@pytest.mark.parametrize(
    ("name", "status", "heading"),
    [
        ("no such room", 404, "There is no such room"),
        ("no such address", 404, "There is nothing here"),
        ("refused form", 403, "This form is out of date"),
    ],
)
def test_errors_have_a_page_of_their_own(answers, name, status, heading):
    assert answers[name].status_code == status
    assert heading in answers[name].content.decode()


@pytest.mark.parametrize(
    ("cookie", "theme"), [("dark", "dark"), ("light", "light"), ("", "auto"), ('"><script>', "auto")]
)
def test_the_theme_of_a_cookie_is_one_that_we_have(client, db, cookie, theme):
    client.cookies["theme"] = cookie

    html = client.get("/accounts/login/").content.decode()

    assert f'<html lang="en" data-theme="{theme}">' in html

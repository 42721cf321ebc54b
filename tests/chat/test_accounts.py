"""Accounts: signing up, logging in and out, and the profile."""

import pytest
from django.test import Client

from chat.models import User
from tests.chat.signing_in import errors, is_signed_in, log_in
from tests.people import PASSWORD, make_person, make_room

SIGN_UP = {"username": "dora", "email": "", "password1": PASSWORD, "password2": PASSWORD}


def test_signing_up_makes_an_account_and_signs_in(client, db):
    response = client.post("/accounts/signup/", SIGN_UP)

    assert (response.status_code, response.url) == (302, "/rooms/")
    assert is_signed_in(client)
    dora = User.objects.get()
    assert (dora.username, dora.name, dora.email, dora.is_staff) == ("dora", "dora", "", False)
    assert log_in(Client(), "dora").status_code == 302


def test_an_address_can_be_given_on_signing_up(client, db):
    client.post("/accounts/signup/", SIGN_UP | {"email": "dora@example.org"})

    assert User.objects.get().email == "dora@example.org"


@pytest.mark.parametrize("username", ["alice", "Alice", "ALICE", "ａｌｉｃｅ"])
def test_a_name_that_is_taken_is_taken_in_every_spelling(client, alice, username):
    """The last one is written in full-width letters, which are the same ones to Unicode."""
    response = client.post("/accounts/signup/", SIGN_UP | {"username": username})

    assert response.status_code == 200
    assert list(errors(response)) == ["username"]
    assert User.objects.count() == 1
    assert not is_signed_in(client)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"username": ""}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "<script>"}, "username"),
        ({"username": "x" * 151}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"password1": "", "password2": ""}, "password1"),
        ({"password2": "another"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"password1": "password123", "password2": "password123"}, "password2"),
        ({"password1": "8675309867", "password2": "8675309867"}, "password2"),
    ],
)
def test_a_sign_up_that_cannot_be_says_what_is_wrong(client, db, fields, wrong):
    response = client.post("/accounts/signup/", SIGN_UP | fields)

    assert response.status_code == 200
    assert wrong in errors(response)
    assert not User.objects.exists()


def test_nobody_makes_themselves_staff(client, db):
    client.post("/accounts/signup/", SIGN_UP | {"is_staff": "on", "is_superuser": "on", "display_name": "Root"})

    dora = User.objects.get()
    assert (dora.is_staff, dora.is_superuser, dora.display_name) == (False, False, "")


@pytest.mark.parametrize("path", ["/accounts/signup/", "/accounts/login/"])
def test_who_is_signed_in_already_goes_on_to_the_rooms(client_of, alice, path):
    assert client_of(alice).get(path).url == "/rooms/"


def test_logging_in_leads_to_the_rooms_or_where_one_wanted_to_go(client, alice):
    assert log_in(client).url == "/rooms/"
    assert is_signed_in(client)

    assert log_in(Client(), next="/rooms/new/").url == "/rooms/new/"


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/", "//evil.example", "http:///evil.example", "/\\evil.example", "javascript:alert(1)"]
    + ["\thttps://evil.example", "https:evil.example"],
)
def test_logging_in_leads_to_no_other_site(client, alice, address):
    response = client.post(
        "/accounts/login/", {"username": "alice", "password": PASSWORD, "next": address}, query_params={"next": address}
    )

    assert response.url == "/rooms/"


@pytest.mark.parametrize(("username", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD)])
def test_a_log_in_that_fails_does_not_say_why(client, alice, username, password):
    """Nor whether there is such an account, or was."""
    make_person("gone", is_active=False)

    response = log_in(client, username, password)

    assert response.status_code == 200
    assert errors(response) == {
        "__all__": ["Please enter a correct username and password. Note that both fields may be case-sensitive."]
    }
    assert not is_signed_in(client)


def test_logging_out_is_a_form_and_ends_the_session(client_of, alice):
    client = client_of(alice)

    assert client.get("/accounts/logout/").status_code == 405
    assert is_signed_in(client)
    assert client.post("/accounts/logout/").url == "/accounts/login/"
    assert not is_signed_in(client)


def test_a_profile_is_shown_and_changed(client_of, alice):
    client = client_of(alice)
    assert client.get("/accounts/profile/").context["form"]["display_name"].value() == "Alice"

    response = client.post(
        "/accounts/profile/",
        {"display_name": "Alice ن", "email": "a@example.org", "time_zone": "Europe/Vienna"},
        follow=True,
    )

    assert response.redirect_chain == [("/accounts/profile/", 302)]
    assert "Saved." in response.content.decode()
    alice.refresh_from_db()
    assert (alice.name, alice.email, alice.time_zone) == ("Alice ن", "a@example.org", "Europe/Vienna")


def test_without_a_name_of_its_own_an_account_goes_by_its_user_name(client_of, alice):
    client_of(alice).post("/accounts/profile/", {"display_name": "", "email": "", "time_zone": "UTC"})

    alice.refresh_from_db()
    assert alice.name == "alice"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"display_name": "x" * 61}, "display_name"),
        ({"display_name": "Bob\u202e"}, "display_name"),
        ({"display_name": "a\nb"}, "display_name"),
        ({"email": "nowhere"}, "email"),
    ],
)
def test_a_profile_that_cannot_be_changes_nothing_on_the_page_around_the_form(client_of, alice, fields, wrong):
    make_room("lobby", [alice])

    response = client_of(alice).post(
        "/accounts/profile/", {"display_name": "Somebody else", "email": "", "time_zone": "UTC"} | fields
    )

    assert list(errors(response)) == [wrong]
    assert response.context["user"].name == "Alice"
    alice.refresh_from_db()
    assert (alice.display_name, alice.time_zone) == ("Alice", "UTC")


@pytest.mark.parametrize(
    "path", ["/accounts/profile/", "/accounts/password_change/", "/accounts/password_change/done/"]
)
def test_an_account_is_for_who_is_signed_in(client, db, path):
    assert client.get(path).url == f"/accounts/login/?next={path}"


@pytest.mark.parametrize(
    "path",
    ["signup/", "login/", "password_reset/", "password_reset/done/", "reset/done/", "reset/MQ/no-such-token/"],
)
def test_pages_for_who_is_signed_out_open(client, db, settings, path):
    response = client.get(f"/accounts/{path}")

    assert response.status_code == 200
    assert response.context["site_name"] == settings.SITE_NAME

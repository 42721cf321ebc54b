"""Pages for who is too fast: a sentence, a Retry-After, and what was written is kept."""

from uuid import uuid4

import pytest
from django.test import Client

from chat.models import Room, User
from tests.chat.signing_in import is_signed_in, log_in
from tests.chat.test_limits import clock  # noqa: F401 # a fixture
from tests.chat.test_views import notices
from tests.people import PASSWORD, make_person

SIGN_UP = {"username": "dora", "email": "", "password1": PASSWORD, "password2": PASSWORD}
ADMIN = {"username": "alice", "password": PASSWORD}
FORMS = {
    "/accounts/login/": ADMIN,
    "/accounts/signup/": SIGN_UP,
    "/accounts/password_reset/": {"email": "alice@example.org"},
    "/admin/login/": ADMIN,
}


@pytest.fixture(autouse=True)
def slow(clock, settings):  # noqa: F811
    """Three in a minute, and time stands still."""
    settings.CHAT_SIGN_IN_RATE = 3
    settings.CHAT_POST_RATE = 1


def wrong_tries(times: int = 3, **options) -> None:
    for _ in range(times):
        assert log_in(Client(**options), "alice", "wrong").status_code == 200


@pytest.mark.parametrize("path", FORMS)
def test_one_form_too_many_is_answered_with_the_same_page_and_when_to_try_again(alice, mailoutbox, clock, path):  # noqa: F811
    User.objects.filter(pk=alice.pk).update(email="alice@example.org", is_staff=True)
    wrong_tries()
    client = Client()

    response = client.post(path, FORMS[path])

    assert (response.status_code, response.headers["Retry-After"]) == (429, "20")
    assert "Too many tries. Try again in 20 s." in response.content.decode()
    assert 'name="csrfmiddlewaretoken"' in response.content.decode()
    assert not is_signed_in(client)
    assert not User.objects.filter(username="dora").exists()
    assert mailoutbox == []

    clock.now += 20.1
    assert client.post(path, FORMS[path]).status_code == 302


def test_a_password_is_not_even_looked_at(alice, monkeypatch):
    wrong_tries()
    monkeypatch.setattr("django.contrib.auth.authenticate", lambda *args, **kwargs: pytest.fail("looked at"))
    monkeypatch.setattr("django.contrib.auth.forms.authenticate", lambda *args, **kwargs: pytest.fail("looked at"))

    assert log_in(Client()).status_code == 429


def test_the_right_password_counts_too_and_where_one_wanted_to_go_is_kept(alice):
    for _ in range(3):
        assert log_in(Client()).status_code == 302

    response = log_in(Client(), next="/rooms/new/")

    assert response.status_code == 429
    assert 'name="next" value="/rooms/new/"' in response.content.decode()


def test_every_address_has_its_own_limit_and_looking_is_free(alice):
    wrong_tries(REMOTE_ADDR="192.0.2.1")

    assert log_in(Client(REMOTE_ADDR="192.0.2.1")).status_code == 429
    assert log_in(Client(REMOTE_ADDR="192.0.2.2")).status_code == 302
    for _ in range(10):
        assert Client(REMOTE_ADDR="192.0.2.1").get("/accounts/login/").status_code == 200


def test_what_a_client_says_of_its_address_is_not_believed_here(alice):
    """The server does that, for the proxies that it was told of."""
    wrong_tries(HTTP_X_FORWARDED_FOR="192.0.2.1")

    assert log_in(Client(HTTP_X_FORWARDED_FOR="192.0.2.2")).status_code == 429


def test_who_is_signed_in_is_led_on_all_the_same(client_of, alice):
    wrong_tries()

    assert client_of(alice).post("/accounts/login/", ADMIN).status_code == 302


def test_0_is_no_limit(alice, settings):
    settings.CHAT_SIGN_IN_RATE = 0

    wrong_tries(40)


def test_a_message_too_many_is_kept_in_the_form_with_its_id(client_of, alice, lobby, clock):  # noqa: F811
    client = client_of(alice)
    for number in range(5):
        assert client.post("/rooms/lobby/messages/", {"client_id": uuid4(), "text": str(number)}).status_code == 302
    form = {"client_id": str(uuid4()), "text": "In haste"}

    response = client.post("/rooms/lobby/messages/", form)

    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert "Too fast. Try again in 1 s." in response.content.decode()
    assert response.context["post_form"]["text"].value() == "In haste"
    assert form["client_id"] in response.content.decode()
    assert lobby.messages.count() == 5

    clock.now += 1.1
    assert client.post("/rooms/lobby/messages/", form).status_code == 302


def test_rooms_are_made_no_faster_than_allowed_and_what_was_written_is_kept(client_of, alice):
    client = client_of(alice)
    for number in range(60):
        client.post("/rooms/new/", {"name": f"Room {number}", "kind": "public"})

    response = client.post("/rooms/new/", {"name": "One more", "kind": "public"})

    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert "Too fast. Try again in 1 s." in response.content.decode()
    assert response.context["form"]["name"].value() == "One more"
    assert Room.objects.filter(name__startswith="Room ").count() == 60
    assert not Room.objects.filter(name="One more").exists()


def test_joining_and_adding_are_limited_together_and_leaving_is_not(client_of, alice, carol, lobby, study):
    client = client_of(alice)
    for _ in range(15):
        assert client.post("/rooms/lobby/join/").status_code == 302
        assert client.post("/rooms/study/members/", {"username": "nobody"}).status_code == 422

    response = client.post("/rooms/lobby/join/")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
    assert "Too fast. Try again in 1 s. Nothing was changed." in response.content.decode()
    assert client.post("/rooms/study/members/", {"username": "carol"}).status_code == 429
    assert not study.memberships.filter(user=carol).exists()
    assert client.post("/rooms/lobby/leave/").status_code == 302
    assert client_of(carol).post("/rooms/lobby/join/").status_code == 302


def test_the_admins_log_in_is_the_admins_own(client, db):
    make_person("root", is_staff=True, is_superuser=True)

    response = client.post("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD, "next": "/admin/"})

    assert response.url == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_notices_of_a_refusal_are_said_once(alice):
    wrong_tries()
    client = Client()

    assert len(notices(log_in(client))) == 1
    assert notices(client.get("/accounts/login/")) == []

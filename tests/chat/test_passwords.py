"""Passwords: changed by who knows the old one, or through a mail."""

import re

import pytest
from django.core import mail
from django.test import Client

from chat.models import User
from tests.chat.signing_in import NEW_PASSWORD, errors, is_signed_in, log_in
from tests.people import PASSWORD, make_person


def test_a_changed_password_counts_here_and_logs_out_elsewhere(client_of, alice):
    here, elsewhere = client_of(alice), client_of(alice)

    response = here.post(
        "/accounts/password_change/",
        {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
        follow=True,
    )

    assert response.redirect_chain == [("/accounts/password_change/done/", 302)]
    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)
    assert log_in(Client(), password=PASSWORD).status_code == 200
    assert log_in(Client(), password=NEW_PASSWORD).status_code == 302


def test_a_password_is_only_changed_by_who_knows_it(client_of, alice):
    response = client_of(alice).post(
        "/accounts/password_change/",
        {"old_password": "wrong", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
    )

    assert list(errors(response)) == ["old_password"]


def test_a_forgotten_password_is_replaced_through_a_mail(client, db):
    make_person("dora", email="dora@example.org", display_name="Dora")

    response = client.post("/accounts/password_reset/", {"email": "Dora@example.org"}, follow=True)

    assert response.redirect_chain == [("/accounts/password_reset/done/", 302)]
    [message] = mail.outbox
    assert message.to == ["dora@example.org"]
    assert "Hello Dora," in message.body
    assert '"dora"' in message.body
    [link] = re.findall(r"http://testserver(/accounts/reset/\S+)", message.body)

    response = client.get(link, follow=True)
    assert response.context["validlink"]
    response = client.post(
        response.request["PATH_INFO"], {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}, follow=True
    )
    assert response.redirect_chain == [("/accounts/reset/done/", 302)]
    assert log_in(client, "dora", NEW_PASSWORD).status_code == 302
    # The link works once.
    assert not Client().get(link, follow=True).context["validlink"]


def test_the_mail_for_a_new_password_names_the_site(client, alice, settings):
    """By its name, as every page does, and not by the host that happened to be asked."""
    User.objects.update(email="alice@example.org")

    client.post("/accounts/password_reset/", {"email": "alice@example.org"})

    [message] = mail.outbox
    assert message.subject == f"A new password for {settings.SITE_NAME}"
    assert f"at {settings.SITE_NAME}." in message.body


@pytest.mark.parametrize("email", ["nobody@example.org", "gone@example.org"])
def test_asking_for_a_new_password_does_not_tell_who_has_an_account(client, db, email):
    make_person("gone", email="gone@example.org", is_active=False)

    response = client.post("/accounts/password_reset/", {"email": email})

    assert (response.status_code, response.url) == (302, "/accounts/password_reset/done/")
    assert mail.outbox == []

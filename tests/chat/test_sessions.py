"""The chat's own sessions: read in one short query, and let go of where they are not needed any more."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.models import Session
from chat.sessions import SessionStore
from tests.people import session_key

pytestmark = pytest.mark.django_db


def test_a_session_is_read_in_one_query(alice, django_assert_num_queries):
    key = session_key(alice)

    with django_assert_num_queries(1):
        session = SessionStore(key)
        assert session["_auth_user_id"] == str(alice.pk)
        assert session.session_key == key


@pytest.mark.parametrize("ending", ["expired", "deleted", "broken", "never been"])
def test_a_session_that_is_over_is_empty(alice, ending):
    key = session_key(alice)
    rows = Session.objects.filter(session_key=key)
    if ending == "expired":
        rows.update(expire_date=timezone.now() - timedelta(seconds=1))
    elif ending == "deleted":
        rows.delete()
    elif ending == "broken":
        rows.update(session_data="what nobody has signed")
    else:
        key = "x" * 32

    session = SessionStore(key)
    assert session.get("_auth_user_id") is None
    assert session.session_key == (key if ending == "broken" else None)


def test_what_is_forgotten_is_read_again(alice):
    key = session_key(alice)
    session = SessionStore(key)
    assert session.get("colour") is None
    elsewhere = SessionStore(key)
    elsewhere["colour"] = "green"
    elsewhere.save()
    assert session.get("colour") is None

    session.forget()
    assert session.get("colour") == "green"


def test_what_was_changed_is_not_forgotten(alice):
    session = SessionStore(session_key(alice))
    session["colour"] = "green"

    session.forget()
    assert session["colour"] == "green"

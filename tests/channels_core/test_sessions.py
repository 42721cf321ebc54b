"""Cookies and sessions in ASGI scopes."""

import datetime
from http.cookies import SimpleCookie
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.exceptions import SuspiciousOperation

from channels_core.db import database_sync_to_async
from channels_core.sessions import (
    CookieMiddleware,
    InstanceSessionWrapper,
    SessionMiddleware,
    SessionMiddlewareStack,
)
from channels_core.testing import ApplicationCommunicator, WebsocketCommunicator

SESSION = settings.SESSION_COOKIE_NAME


@pytest.fixture(autouse=True)
def engine(settings):
    """Django's own sessions; those of a project may hold more."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"


def cookie_header(message):
    """The one header of ``message``, which sets a cookie, as text."""
    [(name, value)] = message["headers"]
    assert name == b"Set-Cookie"
    return value.decode()


def set_cookie(*args, **kwargs):
    message = {}
    CookieMiddleware.set_cookie(message, *args, **kwargs)
    return cookie_header(message)


def delete_cookie(*args, **kwargs):
    message = {}
    CookieMiddleware.delete_cookie(message, *args, **kwargs)
    return cookie_header(message)


# Cookies that come


async def cookies(*headers):
    async def inner(scope, receive, send):
        return scope["cookies"]

    return await CookieMiddleware(inner)({"headers": headers}, None, None)


async def test_cookies_are_a_dict_in_the_scope():
    assert await cookies((b"cookie", b'a=1; b="two words"')) == {"a": "1", "b": "two words"}


async def test_cookies_in_several_headers_come_together():
    """HTTP/2 lets a client split them."""
    assert await cookies((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")) == {"a": "1", "b": "2"}


async def test_without_a_cookie_header_there_are_no_cookies():
    assert await cookies((b"x", b"y")) == {}


async def test_cookies_of_a_scope_without_headers_are_a_value_error():
    with pytest.raises(ValueError):
        await CookieMiddleware(None)({"type": "channel"}, None, None)


# Cookies that go


def test_a_cookie_is_a_header_of_the_message():
    message = {}
    CookieMiddleware.set_cookie(message, "Testing-Key", "testing-value")

    assert message == {"headers": [(b"Set-Cookie", b"Testing-Key=testing-value; Path=/; SameSite=lax")]}


def test_a_cookie_joins_the_headers_that_are_there():
    shared = [(b"content-type", b"text/plain")]
    message = {"headers": shared}
    CookieMiddleware.set_cookie(message, "a", "1")

    assert [name for name, _ in message["headers"]] == [b"content-type", b"Set-Cookie"]
    assert len(shared) == 1, "a list that other responses use is not edited"


def test_a_cookie_has_the_attributes_asked_for():
    header = set_cookie(
        "a", "1", max_age=60, path="/x/", domain="example.com", secure=True, httponly=True, samesite="Strict"
    )
    attributes = SimpleCookie(header)["a"]

    assert attributes["max-age"] == "60"
    assert attributes["path"] == "/x/"
    assert attributes["domain"] == "example.com"
    assert attributes["secure"] is True
    assert attributes["httponly"] is True
    assert attributes["samesite"] == "Strict"
    assert attributes["expires"], "for clients that do not know max-age"


def test_the_path_can_be_left_out():
    assert set_cookie("a", "1", path=None) == "a=1; SameSite=lax"


@pytest.mark.parametrize("samesite", [None, False])
def test_samesite_can_be_left_out(samesite):
    """Django takes False for the setting."""
    assert set_cookie("a", "1", samesite=samesite) == "a=1; Path=/"


def test_an_unknown_samesite_is_an_assertion_error():
    with pytest.raises(AssertionError):
        set_cookie("a", "1", samesite="Hello")


def test_an_expiry_as_text_is_passed_on():
    assert "expires=Thu, 01 Jan 2099 00:00:00 GMT" in set_cookie("a", expires="Thu, 01 Jan 2099 00:00:00 GMT")


@pytest.mark.parametrize("is_aware", [True, False])
def test_an_expiry_as_time_sets_the_age_too(is_aware):
    """A naive time is in UTC."""
    expires = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    attributes = SimpleCookie(set_cookie("a", expires=expires if is_aware else expires.replace(tzinfo=None)))["a"]

    assert 3590 <= int(attributes["max-age"]) <= 3600
    assert attributes["expires"].endswith("GMT")


def test_an_expiry_in_the_past_is_an_age_of_nothing():
    assert "Max-Age=0" in set_cookie("a", expires=datetime.datetime(2000, 1, 1))


def test_a_deleted_cookie_is_empty_and_long_gone():
    assert delete_cookie("a") == 'a=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/; SameSite=lax'


@pytest.mark.parametrize(
    ("key", "samesite", "is_secure"),
    [("a", "lax", False), ("a", "None", True), ("__Host-a", "lax", True), ("__Secure-a", None, True)],
)
def test_a_deleted_cookie_is_secure_where_browsers_ask_for_it(key, samesite, is_secure):
    assert ("Secure" in delete_cookie(key, samesite=samesite)) == is_secure


# Sessions


def make_session(**data):
    """A stored session, by its key."""
    session = import_module("django.contrib.sessions.backends.db").SessionStore()
    session.update(data)
    session.save()
    return session.session_key


@database_sync_to_async
def stored(key):
    """The data of the session ``key`` as it is in the database; None if it is not there."""
    row = Session.objects.filter(session_key=key).first()
    return row and row.get_decoded()


@database_sync_to_async
def count_sessions():
    return Session.objects.count()


def application(change, status=200):
    """Does ``change`` with the session, then responds with ``status``."""

    async def application(scope, receive, send):
        await change(scope["session"])
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})

    return application


async def respond(change, cookie=None, status=200):
    """How the response to a request starts, behind sessions; whatever that raises comes out."""
    headers = [(b"cookie", f"{SESSION}={cookie}".encode())] if cookie else []
    communicator = ApplicationCommunicator(
        SessionMiddlewareStack(application(change, status)), {"type": "http", "headers": headers}
    )
    await communicator.wait()
    return await communicator.receive_output()


async def set_name(session):
    await session.aset("name", "alice")


async def look(session):
    await session.aget("name")


async def nothing(session):
    pass


async def test_sessions_without_cookies_in_the_scope_are_a_value_error():
    with pytest.raises(ValueError):
        await SessionMiddleware(None)({"type": "http"}, None, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("samesite", ["Strict", "Lax", "None"])
async def test_a_changed_session_is_saved_and_its_cookie_set(settings, samesite):
    settings.SESSION_COOKIE_SAMESITE = samesite
    settings.SESSION_COOKIE_SECURE = True

    header = cookie_header(await respond(set_name))

    for part in (f"{SESSION}=", "expires=", "Max-Age", "Path=/", "HttpOnly", "Secure", f"SameSite={samesite}"):
        assert part in header
    assert await stored(SimpleCookie(header)[SESSION].value) == {"name": "alice"}


@pytest.mark.django_db(transaction=True)
async def test_a_wrong_samesite_in_the_settings_is_an_assertion_error(settings):
    settings.SESSION_COOKIE_SAMESITE = "Hello"
    with pytest.raises(AssertionError):
        await respond(set_name)


@pytest.mark.django_db(transaction=True)
async def test_the_cookie_of_a_session_until_the_browser_closes_has_no_age(settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    header = cookie_header(await respond(set_name))
    assert "Max-Age" not in header
    assert "expires" not in header


@pytest.mark.django_db(transaction=True)
async def test_the_session_that_the_cookie_names_is_the_one_in_the_scope():
    key = await database_sync_to_async(make_session)(name="bob")
    seen = []

    async def read_and_add(session):
        seen.append(await session.aget("name"))
        await session.aset("age", 7)

    await respond(read_and_add, cookie=key)

    assert seen == ["bob"]
    assert await stored(key) == {"name": "bob", "age": 7}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [look, nothing])
async def test_a_session_that_nobody_changed_is_not_saved(change):
    key = await database_sync_to_async(make_session)(name="bob")
    assert "headers" not in await respond(change, cookie=key)


@pytest.mark.django_db(transaction=True)
async def test_every_response_can_be_made_to_save(settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    key = await database_sync_to_async(make_session)(name="bob")
    assert f"{SESSION}={key}" in cookie_header(await respond(nothing, cookie=key))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("status", "is_saved"), [(200, True), (404, True), (500, False), (503, False)])
async def test_a_server_error_does_not_save(status, is_saved):
    """As in Django: what led to it may be half done."""
    start = await respond(set_name, status=status)
    assert ("headers" in start) == is_saved
    assert await count_sessions() == is_saved


@pytest.mark.django_db(transaction=True)
async def test_an_emptied_session_takes_its_row_and_its_cookie_along():
    key = await database_sync_to_async(make_session)(name="bob")

    header = cookie_header(await respond(lambda session: session.aflush(), cookie=key))

    assert header.startswith(f'{SESSION}=""; expires=Thu, 01 Jan 1970')
    assert await count_sessions() == 0


@pytest.mark.django_db(transaction=True)
async def test_an_empty_session_that_nobody_knew_leaves_no_trace():
    assert "headers" not in await respond(lambda session: session.aflush())
    assert await count_sessions() == 0


@pytest.mark.django_db(transaction=True)
async def test_a_session_deleted_meanwhile_is_a_suspicious_operation():
    """Saving it would log somebody in again who has logged out elsewhere."""
    key = await database_sync_to_async(make_session)(name="bob")

    async def change_while_it_is_deleted(session):
        await session.aset("name", "alice")
        await Session.objects.filter(session_key=key).adelete()

    with pytest.raises(SuspiciousOperation):
        await respond(change_while_it_is_deleted, cookie=key)


@pytest.mark.django_db(transaction=True)
async def test_two_connections_at_once_keep_their_own_sessions():
    async def name(scope, receive, send):
        await receive()
        await scope["session"].aset("name", scope["path"])
        await send({"type": "http.response.start", "status": 200})

    stack = SessionMiddlewareStack(name)
    tabs = [ApplicationCommunicator(stack, {"type": "http", "path": path, "headers": []}) for path in "ab"]
    for tab in tabs:
        await tab.send_input({"type": "http.request"})
    headers = [cookie_header(await tab.receive_output()) for tab in tabs]
    for tab in tabs:
        await tab.wait()

    keys = [SimpleCookie(header)[SESSION].value for header in headers]
    assert [await stored(key) for key in keys] == [{"name": "a"}, {"name": "b"}]


@pytest.mark.django_db(transaction=True)
async def test_a_nested_session_middleware_leaves_the_session_to_the_outer_one():
    header = cookie_header(
        await run_http(CookieMiddleware(SessionMiddleware(SessionMiddleware(application(set_name)))))
    )
    assert await stored(SimpleCookie(header)[SESSION].value) == {"name": "alice"}


async def test_a_session_of_another_kind_in_the_scope_is_left_alone():
    session = {"name": "alice"}

    async def inner(scope, receive, send):
        assert scope["session"] is session
        await send({"type": "http.response.start"})

    sent = []

    async def send(message):
        sent.append(message)

    await SessionMiddleware(inner)({"type": "http", "session": session}, None, send)
    assert sent == [{"type": "http.response.start"}]


async def run_http(stack):
    communicator = ApplicationCommunicator(stack, {"type": "http", "headers": []})
    await communicator.wait()
    return await communicator.receive_output()


@pytest.mark.django_db(transaction=True)
async def test_a_websocket_saves_its_session_itself():
    async def websocket(scope, receive, send):
        await receive()
        await scope["session"].aset("name", "alice")
        await send({"type": "websocket.accept"})
        await receive()
        await scope["session"].asave()
        await send({"type": "websocket.send", "text": scope["session"].session_key})

    communicator = WebsocketCommunicator(SessionMiddlewareStack(websocket), "/")
    await communicator.connect()
    assert communicator.response_headers == []
    assert await count_sessions() == 0

    await communicator.send_to(text_data="save")
    assert await stored(await communicator.receive_from()) == {"name": "alice"}


async def test_the_session_is_not_read_for_an_application_that_does_not_ask():
    """No database is allowed in this test."""

    async def inner(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    communicator = ApplicationCommunicator(
        SessionMiddlewareStack(inner), {"type": "http", "headers": [(b"cookie", f"{SESSION}={'a' * 32}".encode())]}
    )
    assert "headers" not in await communicator.receive_output()


@pytest.mark.django_db(transaction=True)
async def test_a_subclass_chooses_at_which_messages_the_session_is_saved():
    class SavesWhenAccepted(InstanceSessionWrapper):
        save_message_types = ["websocket.accept"]
        cookie_response_message_types = ["websocket.accept"]

    sent = []

    async def send(message):
        sent.append(message)

    wrapper = SavesWhenAccepted({"type": "websocket", "cookies": {}}, send)
    await wrapper.resolve_session()
    await set_name(wrapper.scope["session"])
    await wrapper.send({"type": "websocket.accept"})

    assert await stored(SimpleCookie(cookie_header(sent[0]))[SESSION].value) == {"name": "alice"}

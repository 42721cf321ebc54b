"""Users in ASGI scopes, and logging in and out from a consumer."""

from importlib import import_module

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.test import AsyncClient, Client

from channels_core.auth import (
    AuthMiddleware,
    AuthMiddlewareStack,
    UserLazyObject,
    get_user,
    login,
    logout,
)
from channels_core.db import database_sync_to_async

BACKEND = "django.contrib.auth.backends.ModelBackend"
SESSIONS = import_module(django_settings.SESSION_ENGINE).SessionStore.get_model_class().objects
NO_SESSION = "Cannot find session in scope. You should wrap your consumer in SessionMiddleware."

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user(transactional_db):
    return get_user_model().objects.create_user(username="ada", password="one")


@pytest.fixture
def other(transactional_db):
    return get_user_model().objects.create_user(username="bert", password="two")


@pytest.fixture
def session(transactional_db):
    return import_module(django_settings.SESSION_ENGINE).SessionStore()


@pytest.fixture
def signals():
    """Every log-in and log-out that was told, as they come."""
    told = []

    def on_login(sender, request, user, **kwargs):
        told.append(("in", request, user.username))

    def on_logout(sender, request, user, **kwargs):
        told.append(("out", request, user.username))

    user_logged_in.connect(on_login)
    user_logged_out.connect(on_logout)
    yield told
    user_logged_in.disconnect(on_login)
    user_logged_out.disconnect(on_logout)


@pytest.fixture
def signed_in(user):
    """A client of Django's that has logged in."""
    client = Client()
    client.force_login(user, BACKEND)
    return client


def cookie_of(client):
    return client.cookies[django_settings.SESSION_COOKIE_NAME].value


async def scope_of(client, middleware=AuthMiddlewareStack):
    """The scope that an application finds when ``client`` opens a websocket."""

    async def inner(scope, receive, send):
        return scope

    headers = [(b"cookie", f"{django_settings.SESSION_COOKIE_NAME}={cookie_of(client)}".encode())]
    return await middleware(inner)({"type": "websocket", "headers": headers}, None, None)


@database_sync_to_async
def session_exists(key):
    return SESSIONS.filter(session_key=key).exists()


# get_user


async def test_a_session_that_nobody_logged_into_is_anonymous(session):
    assert isinstance(await get_user({"session": session}), AnonymousUser)


@pytest.mark.parametrize("function", [get_user, logout])
async def test_without_a_session_there_is_no_telling(function):
    with pytest.raises(ValueError, match=NO_SESSION):
        await function({"type": "websocket"})


async def test_the_user_who_logged_in_is_found(session, user):
    await login({"session": session}, user)
    assert await get_user({"session": session}) == user


async def test_a_user_of_a_backend_that_is_no_longer_used_is_anonymous(session, user, settings):
    await login({"session": session}, user)
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]

    assert isinstance(await get_user({"session": session}), AnonymousUser)
    assert SESSION_KEY in session


async def test_a_user_who_is_gone_is_anonymous(session, user):
    await login({"session": session}, user)
    await user.adelete()
    assert isinstance(await get_user({"session": session}), AnonymousUser)


@pytest.mark.parametrize("stored", ["wrong", "", None])
async def test_a_session_from_before_a_changed_password_is_flushed(session, user, stored):
    await login({"session": session}, user)
    session[HASH_SESSION_KEY] = stored

    assert isinstance(await get_user({"session": session}), AnonymousUser)
    assert session.is_empty()


async def test_a_rotated_secret_key_logs_nobody_out(signed_in, user, settings):
    """Not here, and not in the browser, which would not learn of a new session key over a websocket."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new" * 20, [settings.SECRET_KEY]

    scope = await scope_of(signed_in)

    assert scope["user"] == user
    assert not scope["session"].modified
    assert await session_exists(cookie_of(signed_in))


async def test_a_secret_key_that_is_no_fallback_logs_out(signed_in, settings):
    settings.SECRET_KEY = "new" * 20
    assert (await scope_of(signed_in))["user"].is_anonymous


# login


async def test_a_login_needs_a_session(user):
    with pytest.raises(ValueError, match=NO_SESSION):
        await login({"type": "websocket"}, user)


@pytest.mark.parametrize("scope", [{}, {"user": None}])
async def test_a_login_needs_a_user(session, scope):
    with pytest.raises(ValueError, match=r"User must be passed as an argument or must be present in the scope\."):
        await login({"session": session, **scope}, None)


async def test_a_login_is_in_the_scope_and_in_the_session_and_told(session, user, signals):
    scope = {"session": session}
    await login(scope, user)

    assert scope["user"] == user
    assert session[SESSION_KEY] == str(user.pk)
    assert session[BACKEND_SESSION_KEY] == BACKEND
    assert session[HASH_SESSION_KEY] == user.get_session_auth_hash()
    assert signals == [("in", None, "ada")]


async def test_a_login_takes_the_user_of_the_scope(session, user, signals):
    scope = {"session": session, "user": user}
    await login(scope, None)
    assert signals == [("in", None, "ada")]


async def test_a_first_login_gets_a_new_session_key_and_keeps_the_data(session, user):
    await session.aset("basket", 3)
    await session.asave()
    before = session.session_key

    await login({"session": session}, user)

    assert session.session_key != before
    assert session["basket"] == 3


async def test_a_login_of_somebody_else_finds_an_empty_session(session, user, other):
    await login({"session": session}, user)
    session["secret"] = "of ada"
    await login({"session": session}, other)

    assert "secret" not in session
    assert await get_user({"session": session}) == other


async def test_a_login_after_a_changed_password_finds_an_empty_session(session, user):
    await login({"session": session}, user)
    session["secret"] = "of whoever knew the old password"
    user.set_password("new")
    await user.asave()
    await login({"session": session}, user)

    assert "secret" not in session
    assert await get_user({"session": session}) == user


async def test_a_login_of_the_same_user_keeps_the_session(session, user):
    await login({"session": session}, user)
    session["basket"] = 3
    key = session.session_key
    await login({"session": session}, user)

    assert session["basket"] == 3
    assert session.session_key == key


async def test_the_backend_is_the_argument_or_that_of_the_user(session, user, settings):
    settings.AUTHENTICATION_BACKENDS = [BACKEND, "django.contrib.auth.backends.RemoteUserBackend"]
    with pytest.raises(ValueError, match="2 authentication backends"):
        await login({"session": session}, user)

    user.backend = BACKEND
    await login({"session": session}, user)
    assert session[BACKEND_SESSION_KEY] == BACKEND

    await login({"session": session}, user, backend=settings.AUTHENTICATION_BACKENDS[1])
    assert session[BACKEND_SESSION_KEY] == settings.AUTHENTICATION_BACKENDS[1]


async def test_a_login_is_saved_by_whoever_asked_for_it(session, user):
    """Its session key is new and not stored yet: a websocket decides when."""
    await login({"session": session}, user)
    await session.asave()

    client = AsyncClient()
    client.cookies[django_settings.SESSION_COOKIE_NAME] = session.session_key
    stored = await database_sync_to_async(lambda: client.session.get(SESSION_KEY))()
    assert stored == str(user.pk)


# logout


async def test_a_logout_flushes_the_session_and_is_told(session, user, signals):
    scope = {"session": session}
    await login(scope, user)
    await logout(scope)

    assert session.is_empty()
    assert isinstance(scope["user"], AnonymousUser)
    assert isinstance(await get_user(scope), AnonymousUser)
    assert signals == [("in", None, "ada"), ("out", None, "ada")]


async def test_a_logout_of_nobody_is_not_told(session, signals):
    await logout({"session": session, "user": AnonymousUser()})
    assert signals == []


async def test_a_logout_adds_no_user_to_the_scope(session, user, signals):
    await login({"session": session}, user)
    signals.clear()

    scope = {"session": session}
    await logout(scope)

    assert scope == {"session": session}
    assert session.is_empty()
    assert signals == []


# Middleware


async def test_the_stack_finds_the_user_of_a_browser(signed_in, user):
    scope = await scope_of(signed_in)

    # Without a query: it was asked before the application started.
    assert scope["user"].username == "ada"
    assert scope["user"] == user
    assert await scope["session"].aget(SESSION_KEY) == str(user.pk)


async def test_somebody_unknown_is_anonymous():
    scope = await scope_of_nobody()
    assert scope["user"].is_anonymous


async def scope_of_nobody():
    async def inner(scope, receive, send):
        return scope

    return await AuthMiddlewareStack(inner)({"type": "websocket", "headers": []}, None, None)


async def test_middleware_without_a_session_around_it_says_so():
    with pytest.raises(ValueError, match="Cannot find session in scope"):
        await AuthMiddleware(None)({"type": "websocket"}, None, None)


async def test_the_user_is_in_the_scope_without_what_stood_for_them(signed_in, user):
    """A connection keeps its scope for as long as it lasts."""
    found = (await scope_of(signed_in))["user"]

    assert type(found) is type(user)
    assert found == user


async def test_a_user_who_is_in_the_scope_already_stays(signed_in, other):
    """And nobody else is looked up and put in their place."""

    def knows(inner):
        async def middleware(scope, receive, send):
            scope = {**scope, "user": other}
            return await AuthMiddlewareStack(inner)(scope, receive, send)

        return middleware

    assert (await scope_of(signed_in, knows))["user"] is other
    assert "_wrapped" not in vars(other)


def test_a_user_touched_too_early_says_so():
    with pytest.raises(ValueError, match="not known yet"):
        UserLazyObject().username  # noqa: B018


async def test_a_scope_around_the_middleware_stays_as_it_was(session):
    async def inner(scope, receive, send):
        return scope

    outer = {"type": "websocket", "session": session}
    assert "user" in await AuthMiddleware(inner)(outer, None, None)
    assert "user" not in outer

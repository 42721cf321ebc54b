"""Django's authentication for ASGI scopes: ``scope["user"]``, and logging in and out from a consumer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.utils.crypto import constant_time_compare
from django.utils.functional import LazyObject, empty

from .db import database_sync_to_async
from .middleware import BaseMiddleware
from .sessions import SessionMiddlewareStack
from .types import ASGIApplication, Receive, Scope, Send

# django.contrib.auth.models is imported where it is used: a routing may be imported before django.setup().


@database_sync_to_async
def get_user(scope: Scope) -> Any:
    """
    The user whom the session of ``scope`` belongs to, or an ``AnonymousUser``.

    A session made before the user's password changed is flushed, as Django does. One signed with a key
    that has since moved to ``SECRET_KEY_FALLBACKS`` holds.

    Raises:
        ValueError: the scope has no session.
    """
    from django.contrib.auth.models import AnonymousUser

    session = _session(scope)
    try:
        user_id = _get_user_session_key(session)
        backend_path = session[BACKEND_SESSION_KEY]
    except KeyError:
        return AnonymousUser()
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return AnonymousUser()
    user = load_backend(backend_path).get_user(user_id)
    if hasattr(user, "get_session_auth_hash") and not is_made_for(session, user):
        session.flush()
        return AnonymousUser()
    return user or AnonymousUser()


@database_sync_to_async
def login(scope: Scope, user: Any, backend: str | None = None) -> None:
    """
    Make ``user`` (by default ``scope["user"]``) the one whom the session belongs to.

    Saving the session is up to the caller, except in an HTTP response.

    Args:
        scope: with a session; gets the user.
        backend: dotted path; by default the one that authenticated the user, else the only one there is.

    Raises:
        ValueError: the scope has no session, there is no user, or no telling which backend.
    """
    session = _session(scope)
    if user is None:
        user = scope.get("user")
    if user is None:
        raise ValueError("User must be passed as an argument or must be present in the scope.")
    auth_hash = user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
    if SESSION_KEY not in session:
        # A key that was known before the login would let its maker in.
        session.cycle_key()
    elif _get_user_session_key(session) != user.pk or not constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), auth_hash
    ):
        session.flush()
    session[SESSION_KEY] = user._meta.pk.value_to_string(user)
    session[BACKEND_SESSION_KEY] = backend or getattr(user, "backend", None) or _only_backend()
    session[HASH_SESSION_KEY] = auth_hash
    scope["user"] = user
    user_logged_in.send(sender=user.__class__, request=None, user=user)


@database_sync_to_async
def logout(scope: Scope) -> None:
    """
    Flush the session, and make ``scope["user"]``, if there is one, anonymous.

    Raises:
        ValueError: the scope has no session.
    """
    from django.contrib.auth.models import AnonymousUser

    session = _session(scope)
    user = scope.get("user")
    # Before the flush, so that receivers can still ask who it was.
    if user is not None and getattr(user, "is_authenticated", True):
        user_logged_out.send(sender=user.__class__, request=None, user=user)
    session.flush()
    if "user" in scope:
        scope["user"] = AnonymousUser()


def _session(scope: Scope) -> Any:
    if "session" not in scope:
        raise ValueError("Cannot find session in scope. You should wrap your consumer in SessionMiddleware.")
    return scope["session"]


def _get_user_session_key(session: Any) -> Any:
    """The user's primary key from the session, where it is kept as text."""
    return get_user_model()._meta.pk.to_python(session[SESSION_KEY])


def is_made_for(session: Any, user: Any) -> bool:
    """Whether the session's hash fits the user's password, under today's secret key or a former one."""
    stored = session.get(HASH_SESSION_KEY)
    if not stored:
        return False
    # Django renews the session's key and hash when a former secret fits. That takes a response with a
    # cookie; here it would cut the browser off, so it is left to the next page.
    return constant_time_compare(stored, user.get_session_auth_hash()) or any(
        constant_time_compare(stored, former) for former in user.get_session_auth_fallback_hash()
    )


def _only_backend() -> str:
    backends = settings.AUTHENTICATION_BACKENDS
    if len(backends) != 1:
        raise ValueError(
            f"There are {len(backends)} authentication backends: "
            "give the backend argument, or set user.backend, to say which one this login is by."
        )
    return str(backends[0])


class UserLazyObject(LazyObject):  # type: ignore[type-arg] # generic in the stubs alone
    """Stands in the scope for a user that ``AuthMiddleware`` is about to find out."""

    def _setup(self) -> None:
        raise ValueError("The user of this scope is not known yet: AuthMiddleware is about to find it out.")


class AuthMiddleware(BaseMiddleware):
    """
    Adds ``scope["user"]``, found out before the inner application starts.

    It needs ``SessionMiddleware`` around it.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        scope = dict(scope)
        is_unknown = "user" not in scope
        self.populate_scope(scope)
        # Somebody further out, or a test, may have said who it is.
        if is_unknown:
            await self.resolve_scope(scope)
            _unwrap(scope)
        return await self.inner(scope, receive, send)

    def populate_scope(self, scope: Scope) -> None:
        """Put a place for the user into ``scope``; ``ValueError`` without a session."""
        _session(scope)
        scope.setdefault("user", UserLazyObject())

    async def resolve_scope(self, scope: Scope) -> None:
        """Put the user into that place."""
        scope["user"]._wrapped = await get_user(scope)


def _unwrap(scope: Scope) -> None:
    """The user itself in place of what stands for it: a connection keeps it for long, and asks it often."""
    user = scope["user"]
    if type(user) is UserLazyObject and user._wrapped is not empty:
        scope["user"] = user._wrapped


def AuthMiddlewareStack(inner: ASGIApplication) -> ASGIApplication:
    """``inner`` with cookies, the session and the user in its scope."""
    return SessionMiddlewareStack(AuthMiddleware(inner))

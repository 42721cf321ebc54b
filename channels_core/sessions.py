"""Cookies and Django's sessions for ASGI scopes: ``scope["cookies"]`` and ``scope["session"]``."""

from __future__ import annotations

import datetime
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import SuspiciousOperation
from django.http import HttpResponse, parse_cookie
from django.utils.functional import LazyObject

from .db import database_sync_to_async
from .middleware import BaseMiddleware
from .types import ASGIApplication, Message, Receive, Scope, Send


class CookieMiddleware(BaseMiddleware):
    """Adds ``scope["cookies"]``, a dict of what the client sent."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if "headers" not in scope:
            raise ValueError(
                "CookieMiddleware needs a scope with headers: put it around HTTP and websocket applications."
            )
        # HTTP/2 may split them over several headers (RFC 9113, 8.2.3).
        header = b"; ".join(value for name, value in scope["headers"] if name == b"cookie")
        cookies = parse_cookie(header.decode("latin-1"))
        return await self.inner(dict(scope, cookies=cookies), receive, send)

    @classmethod
    def set_cookie(
        cls,
        message: Message,
        key: str,
        value: str = "",
        max_age: float | datetime.timedelta | None = None,
        expires: str | datetime.datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | bool | None = "lax",
    ) -> None:
        """
        Add a ``Set-Cookie`` header to ``message``, from what ``HttpResponse.set_cookie`` takes too.

        Raises:
            AssertionError: ``samesite`` is a text other than strict, lax or none.
        """
        if samesite and str(samesite).lower() not in ("strict", "lax", "none"):
            raise AssertionError(f"samesite must be strict, lax or none, but is {samesite!r}.")
        response = HttpResponse()
        # Django takes more than its stubs say: fractions of seconds, no path, samesite in any case.
        options: Any = (max_age, expires, path, domain, secure, httponly, samesite or None)
        response.set_cookie(key, value, *options)
        cookie = response.cookies[key].OutputString().encode()
        message["headers"] = [*message.get("headers", ()), (b"Set-Cookie", cookie)]

    @classmethod
    def delete_cookie(
        cls,
        message: Message,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        samesite: str | bool | None = "lax",
    ) -> None:
        """Add a header to ``message`` that makes the browser forget the cookie ``key``."""
        cls.set_cookie(
            message,
            key,
            max_age=0,
            expires="Thu, 01 Jan 1970 00:00:00 GMT",
            path=path,
            domain=domain,
            # Without it browsers ignore the header for such cookies.
            secure=key.startswith(("__Secure-", "__Host-")) or str(samesite).lower() == "none",
            samesite=samesite,
        )


class InstanceSessionWrapper:
    """
    The session of one connection, saved as Django's middleware does when an HTTP response starts.

    What a websocket changes is saved by whoever changes it (``scope["session"].asave()``): its frames carry
    no cookies. A session that is in the scope already belongs to somebody else and is left alone.
    """

    # Messages at which the session is saved, and those among them that can carry its cookie.
    save_message_types = ["http.response.start"]
    cookie_response_message_types = ["http.response.start"]

    def __init__(self, scope: Scope, send: Send) -> None:
        self.cookie_name = settings.SESSION_COOKIE_NAME
        self.session_store = import_module(settings.SESSION_ENGINE).SessionStore
        self.scope = dict(scope)
        self.real_send = send
        self.activated = "session" not in self.scope
        if self.activated:
            if "cookies" not in self.scope:
                raise ValueError("SessionMiddleware needs cookies in the scope: wrap it in CookieMiddleware.")
            self.scope["session"] = LazyObject()

    async def resolve_session(self) -> None:
        """Put the session into the scope; its data is read when somebody asks for it."""
        if self.activated:
            self.scope["session"]._wrapped = self.session_store(self.scope["cookies"].get(self.cookie_name))

    async def send(self, message: Message) -> Any:
        """Send ``message``, after saving the session if this is the time for it."""
        if self.activated and message["type"] in self.save_message_types:
            await self._save_for(message)
        return await self.real_send(message)

    async def _save_for(self, message: Message) -> None:
        session = self.scope["session"]
        takes_cookie = message["type"] in self.cookie_response_message_types
        if session.is_empty():
            if takes_cookie and self.cookie_name in self.scope["cookies"]:
                CookieMiddleware.delete_cookie(
                    message,
                    self.cookie_name,
                    path=settings.SESSION_COOKIE_PATH,
                    domain=settings.SESSION_COOKIE_DOMAIN,
                    samesite=settings.SESSION_COOKIE_SAMESITE,
                )
        elif (session.modified or settings.SESSION_SAVE_EVERY_REQUEST) and message.get("status", 200) < 500:
            max_age = await database_sync_to_async(self._cookie_age)()
            await self.save_session()
            if takes_cookie:
                CookieMiddleware.set_cookie(
                    message,
                    self.cookie_name,
                    session.session_key,
                    max_age=max_age,
                    path=settings.SESSION_COOKIE_PATH,
                    domain=settings.SESSION_COOKIE_DOMAIN,
                    secure=settings.SESSION_COOKIE_SECURE,
                    httponly=settings.SESSION_COOKIE_HTTPONLY,
                    samesite=settings.SESSION_COOKIE_SAMESITE,
                )

    def _cookie_age(self) -> int | None:
        """Seconds that the cookie lasts, None for as long as the browser runs. May read the session."""
        session = self.scope["session"]
        return None if session.get_expire_at_browser_close() else session.get_expiry_age()

    async def save_session(self) -> None:
        """
        Store the session.

        Raises:
            SuspiciousOperation: it was deleted meanwhile, by a log-out elsewhere for example.
        """
        try:
            await database_sync_to_async(self.scope["session"].save)()
        except UpdateError as error:
            raise SuspiciousOperation(
                "The session was deleted while it was in use, as by a log-out in another tab; it is not stored again."
            ) from error


class SessionMiddleware(BaseMiddleware):
    """Adds ``scope["session"]``, the session that the client's cookie names, or a new one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        wrapper = InstanceSessionWrapper(scope, send)
        scope = wrapper.scope  # what came in is let go of: this lasts as long as the connection
        await wrapper.resolve_session()
        return await self.inner(scope, receive, wrapper.send)


def SessionMiddlewareStack(inner: ASGIApplication) -> ASGIApplication:
    """``inner`` with cookies and the session in its scope."""
    return CookieMiddleware(SessionMiddleware(inner))

"""Which application handles a connection: by its protocol, its path or its channel."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, URLPattern, URLResolver
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils.module_loading import import_string

from .security.websocket import WebsocketDenier
from .types import ASGIApplication, Receive, Scope, Send

logger = logging.getLogger(__name__)


def get_default_application() -> ASGIApplication:
    """
    The application that ``ASGI_APPLICATION`` names.

    Raises:
        ImproperlyConfigured: it is not set, no dotted path, or cannot be imported.
    """
    path = getattr(settings, "ASGI_APPLICATION", None)
    if not isinstance(path, str):
        raise ImproperlyConfigured(
            f'ASGI_APPLICATION must be a dotted path such as "mysite.asgi.application", but is {path!r}.'
        )
    try:
        return cast(ASGIApplication, import_string(path))
    except ImportError as error:
        raise ImproperlyConfigured(f"Cannot import ASGI_APPLICATION {path!r}: {error}") from error


class RouteNotFound(Resolver404, ValueError):
    """
    No route fits the path.

    It has two bases because it has two readers: whoever runs a router alone gets a ``ValueError``, and a
    router around it a ``Resolver404`` that it can tell from one that an application raised.
    """


class ProtocolTypeRouter:
    """
    Picks the application by ``scope["type"]``, such as ``http`` or ``websocket``.

    A path without a route is the client's mistake: it gets a 403 (websocket) or 404 (HTTP) and a line in
    the log, instead of a server error with a traceback.
    """

    def __init__(self, application_mapping: Mapping[str, ASGIApplication]) -> None:
        self.application_mapping = application_mapping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        protocol = scope["type"]
        if protocol not in self.application_mapping:
            expected = ", ".join(self.application_mapping)
            raise ValueError(f"No application for the type {protocol!r}; there is one for: {expected}.")
        try:
            return await self.application_mapping[protocol](scope, receive, send)
        except RouteNotFound as error:
            # Below another router, that one has more routes to try.
            if "path_remaining" in scope or protocol not in ("http", "websocket"):
                raise
            logger.warning("Not found (%s): %s", protocol, error)
        refuse = WebsocketDenier() if protocol == "websocket" else _not_found
        return await refuse(scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not Found"})


class URLRouter:
    """
    Picks the application by path.

    Routes are Django's ``path()`` and ``re_path()`` with applications in place of views.
    The application finds ``scope["url_route"]`` with ``args`` and ``kwargs``. A router may be a route of
    another: it sees the rest of the path, and where it has no route the outer one tries its next.
    """

    # Says to a router around this one that its route has to match a prefix of the path.
    _path_routing = True

    def __init__(self, routes: Iterable[URLPattern]) -> None:
        self.routes = [self._prepared(route) for route in routes]

    @staticmethod
    def _prepared(route: URLPattern | URLResolver) -> URLPattern:
        """``route`` itself or, if it leads to a router, a copy that matches prefixes."""
        if isinstance(route, URLResolver):
            raise ImproperlyConfigured("include() is not supported in URLRouter. Nest a URLRouter instead.")
        if not getattr(route.callback, "_path_routing", False):
            return route
        pattern = route.pattern
        if not isinstance(pattern, (RegexPattern, RoutePattern)):
            raise ValueError(f"A nested URLRouter takes path() or re_path(), not {type(pattern).__name__}.")
        prefix = type(pattern)(str(pattern), name=pattern.name, is_endpoint=False)
        return URLPattern(prefix, route.callback, route.default_args, route.name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        path = self._path(scope)
        outer = scope.get("url_route", {})
        for route in self.routes:
            match = route.pattern.match(path)
            if not match:
                continue
            rest, args, kwargs = match
            inner = {
                **scope,
                "path_remaining": rest,
                "url_route": {
                    "args": outer.get("args", ()) + args,
                    "kwargs": {**outer.get("kwargs", {}), **kwargs, **route.default_args},
                },
            }
            try:
                return await route.callback(inner, receive, send)
            except RouteNotFound:
                # Only a router raises it, before it runs anything.
                continue
        raise RouteNotFound(f"No route for the path {path!r:.200}.")

    @staticmethod
    def _path(scope: Scope) -> str:
        """What is left of the path to match, without leading slashes."""
        if "path_remaining" in scope:
            return cast(str, scope["path_remaining"]).lstrip("/")
        if "path" not in scope:
            raise ValueError("URLRouter needs a scope with a path; this one has none.")
        path: str = scope["path"]
        # A server that mounts the application at /app leaves that in the path.
        if root := (scope.get("root_path") or "").rstrip("/"):
            if path != root and not path.startswith(root + "/"):
                raise RouteNotFound(f"The path {path!r:.200} is not below root_path {root!r}.")
            path = path.removeprefix(root)
        return path.lstrip("/")


class ChannelNameRouter:
    """Picks the application by ``scope["channel"]``, for workers."""

    def __init__(self, application_mapping: Mapping[str, ASGIApplication]) -> None:
        self.application_mapping = application_mapping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        channel: Any = scope.get("channel")
        if channel not in self.application_mapping:
            expected = ", ".join(self.application_mapping)
            raise ValueError(f"No application for the channel {channel!r}; there is one for: {expected}.")
        return await self.application_mapping[channel](scope, receive, send)

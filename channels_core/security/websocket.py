"""
Who may open a websocket from a page: only pages of origins that are allowed.

Browsers send a site's cookies with a websocket whichever page opens it, and no rule of theirs keeps the
page from reading the answer. The ``Origin`` header is what tells (RFC 6455, 10.2).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.http import is_same_domain

from ..generic.websocket import AsyncWebsocketConsumer
from ..types import ASGIApplication, Receive, Scope, Send

logger = logging.getLogger(__name__)

DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class OriginValidator:
    """
    Runs ``application`` for websockets from allowed origins, and refuses the others before accepting them.

    Args:
        allowed_origins: what Django takes in ``ALLOWED_HOSTS`` (``example.com``, ``.example.com`` for
            subdomains too, ``*``) and in ``CSRF_TRUSTED_ORIGINS`` (``https://example.com``,
            ``https://*.example.com``). A port counts where it is given; with a scheme, its usual port
            is meant.
        configured_by: where the list comes from, for the log.

    Raises:
        ValueError: one of ``allowed_origins`` is neither.
    """

    def __init__(
        self,
        application: ASGIApplication,
        allowed_origins: Iterable[str],
        *,
        configured_by: str = "the origins given to OriginValidator",
    ) -> None:
        self.application = application
        self.allowed_origins = list(allowed_origins)
        self.configured_by = configured_by
        for pattern in self.allowed_origins:
            _parse_pattern(pattern)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] != "websocket":
            raise ValueError(f"OriginValidator is for websockets, not for {scope['type']!r}.")
        origins = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name == b"origin"]
        if self._is_allowed(origins):
            return await self.application(scope, receive, send)
        logger.warning(
            "Refused a websocket to %.200r from origin %.200r. Allowed: %s. If it is yours, add its host to %s.",
            scope.get("path"),
            ", ".join(origins) or None,
            ", ".join(self.allowed_origins) or "none",
            self.configured_by,
        )
        return await WebsocketDenier()(scope, receive, send)

    def _is_allowed(self, origins: list[str]) -> bool:
        # A browser sends one. Of several, some proxy may have believed another than we would.
        if len(origins) > 1:
            return False
        try:
            parsed = urlsplit(origins[0]) if origins else None
            if parsed is not None:
                parsed.port  # noqa: B018 - raises for what is no port
        except ValueError:
            return False
        return self.valid_origin(parsed)

    def valid_origin(self, parsed_origin: SplitResult | None) -> bool:
        """Whether the connection may go on; None when the client, probably no browser, sent no origin."""
        if parsed_origin is None:
            return "*" in self.allowed_origins
        return self.validate_origin(parsed_origin)

    def validate_origin(self, parsed_origin: SplitResult) -> bool:
        """Whether any of the allowed origins fits."""
        return any(
            pattern == "*" or self.match_allowed_origin(parsed_origin, pattern) for pattern in self.allowed_origins
        )

    def match_allowed_origin(self, parsed_origin: SplitResult, pattern: str) -> bool:
        """Whether ``pattern`` fits: its host, its scheme if it has one, its port if it has or implies one."""
        allowed = _parse_pattern(pattern)
        if allowed.scheme and allowed.scheme != parsed_origin.scheme:
            return False
        port = self.get_origin_port(allowed)
        if port is not None and port != self.get_origin_port(parsed_origin):
            return False
        return is_same_domain(parsed_origin.hostname or "", allowed.hostname or "")

    def get_origin_port(self, parsed_origin: SplitResult) -> int | None:
        """The port, be it the usual one of the scheme; None if neither is known."""
        port = parsed_origin.port
        return DEFAULT_PORTS.get(parsed_origin.scheme) if port is None else port


@lru_cache
def _parse_pattern(pattern: str) -> SplitResult:
    """The parts of an allowed origin; a leading ``.`` of its host stands for subdomains."""
    url = pattern.lower() if "://" in pattern else f"//{pattern.lower()}"
    try:
        parsed = urlsplit(url.replace("://*.", "://."))
        is_origin = bool(parsed.hostname) and parsed.port != 0 and not any(parsed[2:])
    except ValueError:
        is_origin = False
    if not is_origin or "@" in pattern:
        raise ValueError(
            "Expected an allowed origin such as example.com, .example.com or https://example.com:8443, "
            f"but got {pattern!r}."
        )
    return parsed


def AllowedHostsOriginValidator(application: ASGIApplication) -> OriginValidator:
    """``application`` for websockets from pages of this site: from ``ALLOWED_HOSTS``, as they are now."""
    allowed_hosts = settings.ALLOWED_HOSTS
    if settings.DEBUG and not allowed_hosts:
        allowed_hosts = ["localhost", "127.0.0.1", "[::1]"]
    return OriginValidator(application, allowed_hosts, configured_by="the setting ALLOWED_HOSTS")


class WebsocketDenier(AsyncWebsocketConsumer):
    """Refuses every connection, which HTTP calls 403, without a mailbox in the channel layer."""

    channel_layer_alias = None

    async def connect(self) -> None:
        await self.close()

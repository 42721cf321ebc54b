"""The base of ASGI middleware that changes the scope."""

from typing import Any

from .types import ASGIApplication, Receive, Scope, Send


class BaseMiddleware:
    """
    Runs ``inner`` with a copy of the scope, so that what a subclass adds stays below it.

    One instance serves every connection: keep what belongs to one of them in its scope.
    """

    def __init__(self, inner: ASGIApplication) -> None:
        self.inner = inner
        # Around a nested URLRouter the route has to match a prefix, as it would without us.
        self._path_routing: bool = getattr(inner, "_path_routing", False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return await self.inner(dict(scope), receive, send)

"""The shapes that ASGI speaks in, under short names."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

Scope: TypeAlias = dict[str, Any]  # what one connection is: its type, path, headers; middleware adds to it
Message: TypeAlias = dict[str, Any]  # an event of ASGI or of a channel layer: a "type" and what belongs to it
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApplication: TypeAlias = Callable[..., Awaitable[Any]]  # called with scope, receive, send

"""What every template knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from . import queries

THEMES = ("auto", "light", "dark")


def page(request: HttpRequest) -> dict[str, Any]:
    """``site_name``, the reader's ``theme`` and, lazily, the rooms for their sidebar."""
    theme = request.COOKIES.get("theme")
    user = getattr(request, "user", None)
    return {
        "site_name": settings.SITE_NAME,
        "theme": theme if theme in THEMES else "auto",
        "sidebar_rooms": queries.rooms_of(user) if user and user.is_authenticated else [],
    }

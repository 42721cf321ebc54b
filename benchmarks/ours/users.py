"""Users that are looked up once."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.cache import cache


class CachedBackend(ModelBackend):
    """Keeps users in the cache, as a site may that can bear to learn late that one has changed."""

    def get_user(self, user_id: Any) -> Any:
        return cache.get_or_set(f"user.{user_id}", partial(super().get_user, user_id))

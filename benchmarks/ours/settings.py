"""Settings of a site without a database; with SESSION_ENGINE in the environment, of one with users in DATABASE_URL."""

import os
from typing import Any

from environ import Env

IS_SIGNED_IN = "SESSION_ENGINE" in os.environ

SECRET_KEY = "the benchmarks sign with this"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["daphne", "channels_core"]
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": os.environ["CHANNEL_LAYER_BACKEND"],
        "CONFIG": {"hosts": [os.environ.get("REDIS_URL", "")]},
    }
}
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
DATABASES: dict[str, dict[str, Any]] = {}

if IS_SIGNED_IN:
    INSTALLED_APPS += ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
    DATABASES["default"] = {**Env().db_url("DATABASE_URL"), "CONN_MAX_AGE": None}
    CHANNELS_DATABASE_THREADS = 4
    SESSION_ENGINE = os.environ["SESSION_ENGINE"]
    AUTHENTICATION_BACKENDS = [os.environ.get("AUTHENTICATION_BACKEND", "django.contrib.auth.backends.ModelBackend")]
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }

"""Settings of a small project for Channels: without the line of compat it would run on Channels as well."""
# ruff: noqa: E402, E702, I001

from channels_core.compat import install; install()  # fmt: skip

import os
from pathlib import Path

import channels

assert channels.__name__ == "channels_core"  # for what settings import below the line, too

SECRET_KEY = "of a site that lives for one test"
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["daphne", "channels", "rest_framework", "django.contrib.auth", "django.contrib.contenttypes"]
ASGI_APPLICATION = "tests.channels_core.foreign.asgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path("db.sqlite3").absolute()}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "prefix": os.environ["REDIS_PREFIX"]},
    }
}

"""
Settings: one file, everything that differs between machines comes from the environment.

.env.example names and explains each variable; a file .env beside manage.py (or what ENV_FILE names) is
read when it is there.
"""

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from mysite import environment, logs

BASE_DIR = environment.BASE_DIR
VAR_DIR = BASE_DIR / "var"  # what a running project writes: the SQLite database, a secret, uploads

env = environment.read()

# --- Where and how it runs -----------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=True)

DEVELOPMENT_SECRET = "django-insecure-for-development-only"
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    secret_key_file = env.str("SECRET_KEY_FILE", default="")
    SECRET_KEY = environment.kept_secret(BASE_DIR / secret_key_file) if secret_key_file else DEVELOPMENT_SECRET
if not DEBUG and (SECRET_KEY == DEVELOPMENT_SECRET or len(SECRET_KEY) < 50):
    raise ImproperlyConfigured(
        "With DEBUG=0, SECRET_KEY must be a secret of at least 50 characters. Make one with: "
        "python -c 'import secrets; print(secrets.token_urlsafe(50))'; "
        "or name a file in SECRET_KEY_FILE, in which one is made and kept."
    )

SITE_NAME = env.str("SITE_NAME", default="Parley")
SITE_URL = env.str("SITE_URL", default="http://localhost:8000")
try:
    site = urlsplit(SITE_URL)
except ValueError:
    site = urlsplit("")
if site.scheme not in ("http", "https") or not site.hostname:
    raise ImproperlyConfigured(f"SITE_URL must look like https://chat.example.org, but is {SITE_URL!r}.")

LOCAL_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
is_local = DEBUG or site.hostname in LOCAL_HOSTS
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=list(dict.fromkeys([site.hostname, *(LOCAL_HOSTS if is_local else [])]))
)
if not DEBUG and "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "With DEBUG=0, ALLOWED_HOSTS must not be *: anybody could have pages and mail point to a host of theirs. "
        f"Name your hosts, separated by commas, or leave it out to allow that of SITE_URL, {site.hostname}."
    )
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[f"{site.scheme}://{site.netloc}"])

# --- What it is made of --------------------------------------------------------------------------

INSTALLED_APPS = [
    "daphne",  # first: its runserver takes the place of Django's
    "channels_core",
    "chat",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "mysite",  # its commands
]

MIDDLEWARE = [
    "mysite.health.middleware",  # first: its answers depend on nothing below
    "mysite.threads.middleware",
    "django.middleware.security.SecurityMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "mysite.static.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "chat.middleware.TimeZoneMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "mysite.urls"
ASGI_APPLICATION = "mysite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "chat.context_processors.page",
            ],
        },
    },
]

# --- Database ------------------------------------------------------------------------------------

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if not DATABASES["default"].get("ENGINE"):
    raise ImproperlyConfigured("DATABASE_URL must look like postgres://user:password@host:5432/name.")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    Path(DATABASES["default"]["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        # A transaction that means to write takes the lock at its start and waits for it there; one that
        # takes it half way can only fail.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["CONN_MAX_AGE"] = None  # opening it takes longer than most questions
    # Threads share a test database only if it is a file.
    DATABASES["default"]["TEST"] = {"NAME": str(Path(DATABASES["default"]["NAME"]).with_name("test.sqlite3"))}
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,  # seconds
        "tcp_user_timeout": 15_000,  # milliseconds after which a server that has vanished is given up
        **DATABASES["default"].get("OPTIONS", {}),
    }
password_file = env.str("DATABASE_PASSWORD_FILE", default="")
if password_file and not DATABASES["default"].get("PASSWORD"):
    try:
        DATABASES["default"]["PASSWORD"] = Path(password_file).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"DATABASE_PASSWORD_FILE cannot be read: {error}.") from error

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Real time -----------------------------------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must look like redis://localhost:6379/0 (or rediss://, with TLS).")
REDIS_PREFIX = env.str("REDIS_PREFIX", default="mysite")
CHANNEL_LAYER_BACKEND = env.str(
    "CHANNEL_LAYER_BACKEND",
    default="channels_core.layers." + ("redis.RedisChannelLayer" if REDIS_URL else "InMemoryChannelLayer"),
)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": CHANNEL_LAYER_BACKEND,
        "CONFIG": {"hosts": [REDIS_URL], "prefix": REDIS_PREFIX} if REDIS_URL else {},
    }
}
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", default=1)
if not DEBUG and WEB_CONCURRENCY > 1 and CHANNEL_LAYER_BACKEND.endswith(".InMemoryChannelLayer"):
    raise ImproperlyConfigured(
        f"WEB_CONCURRENCY={WEB_CONCURRENCY} asks for several processes, but without REDIS_URL events stay inside "
        "one: people on different processes would not hear each other. Set REDIS_URL=redis://localhost:6379/0, "
        "or WEB_CONCURRENCY=1."
    )
# Database work for sockets runs on this many threads of a process, each with a connection of its own,
CHANNELS_DATABASE_THREADS = env.int("CHANNELS_DATABASE_THREADS", default=4)
# and pages are made on so many, with one each too.
HTTP_CONCURRENCY = env.int("HTTP_CONCURRENCY", default=8)

# What a client has sent in part is kept until the rest comes: a frame is a little larger than the chat takes,
# so that it can say itself what is too large, and the body of a request is soon kept on the disk.
CHANNELS_MAX_FRAME_BYTES = 66 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

CHAT_BEAT_INTERVAL = env.float("CHAT_BEAT_INTERVAL", default=25.0)  # seconds

# Limits of each process, 0 for none: what a person posts in a second, has open at a time,
CHAT_POST_RATE = env.float("CHAT_POST_RATE", default=20.0)
CHAT_SOCKETS_PER_USER = env.int("CHAT_SOCKETS_PER_USER", default=200)
# and, in a minute, sockets opened by a person or an address, and log-ins and sign-ups from an address.
CHAT_HANDSHAKE_RATE = env.float("CHAT_HANDSHAKE_RATE", default=6000.0)
CHAT_SIGN_IN_RATE = env.float("CHAT_SIGN_IN_RATE", default=120.0)

# --- People --------------------------------------------------------------------------------------

AUTH_USER_MODEL = "chat.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_ENGINE = "chat.sessions"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "chat:room_list"
LOGOUT_REDIRECT_URL = "login"

# `consolemail://` prints mail to the console; smtp+tls://user:password@host:587 sends it.
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"{SITE_NAME} <noreply@{site.hostname}>")

# --- Language and time ---------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

# --- Static files --------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_URL = "media/"
MEDIA_ROOT = VAR_DIR / "media"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "mysite.storage.HashedStaticFilesStorage"
    },
}

# --- Security ------------------------------------------------------------------------------------

secure = site.scheme == "https"
# Names of their own: browsers give cookies to every port of a host, and there may be another site on it.
SESSION_COOKIE_NAME = "mysite_sessionid"
CSRF_COOKIE_NAME = "mysite_csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = secure
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = secure
SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=31536000) if secure else 0
# HSTS is not told for subdomains, nor to the browsers' preload lists: they may be somebody else's to decide.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
}
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "manifest-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# --- What it tells -------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

LOGGING = logs.config(env.str("LOG_FORMAT", default="plain"), env.str("LOG_LEVEL", default="INFO").upper())

"""The settings: Django's system checks, and whether they fit SITE_URL and the number of processes."""

import ipaddress
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core import checks
from django.http.request import validate_host

from channels_core.security.websocket import OriginValidator

from .findings import Finding, Findings, error, ok, warning

# Django's advice for https, where SITE_URL is http: one finding of ours says it all.
ABOUT_HTTPS = {"security.W004", "security.W008", "security.W012", "security.W016"}
WORKERS = "channels_core.E006"  # knows neither .env nor replicas; `processes` does

FIXES = {
    "security.W004": "set HSTS_SECONDS=31536000",
    "security.W009": "set SECRET_KEY to what this prints: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
}


def examine(replicas: int) -> Findings:
    yield from system_checks()
    yield from site_url()
    yield from hosts()
    yield from processes(replicas)


def system_checks() -> Findings:
    """What Django and the apps have to say; with DEBUG=0 about deployment too."""
    ignored = {WORKERS} | (set() if urlsplit(settings.SITE_URL).scheme == "https" else ABOUT_HTTPS)
    deployment = not settings.DEBUG
    messages = [
        message
        for message in checks.run_checks(include_deployment_checks=deployment)
        if message.level >= checks.WARNING and message.id not in ignored and not message.is_silenced()
    ]
    if not messages:
        yield ok(f"Django's system checks pass{', those for deployment too' if deployment else ''}.")
    for message in messages:
        yield _finding(message)


def _finding(message: checks.CheckMessage) -> Finding:
    text = " ".join(f"{message.obj or ''} {message.msg} ({message.id})".split())
    explained = f"see https://docs.djangoproject.com/en/{django.VERSION[0]}.{django.VERSION[1]}/ref/checks/"
    fix = FIXES.get(message.id or "") or " ".join((message.hint or explained).split())
    return error(text, fix) if message.is_serious() else warning(text, fix)


def site_url() -> Findings:
    """Whether people elsewhere may be let in to what runs at SITE_URL."""
    site = urlsplit(settings.SITE_URL)
    mode = f"DEBUG={int(settings.DEBUG)}"
    if site.path not in ("", "/"):
        yield warning(
            f"SITE_URL has a path, {site.path}, but the site is made for the top of a host.",
            f"set SITE_URL={site.scheme}://{site.netloc.rpartition('@')[2]}",
        )
    if is_local(site.hostname or ""):
        yield ok(f"SITE_URL is {_shown()}, on this machine, with {mode}.")
    elif settings.DEBUG:
        yield error(
            f"DEBUG=1 on {site.hostname}: whoever provokes an error reads the code and the settings.",
            "set DEBUG=0 and a SECRET_KEY",
        )
    elif site.scheme == "http":
        yield warning(
            f"SITE_URL is {_shown()}, so passwords and messages go over the network unencrypted.",
            f"set SITE_URL=https://{site.hostname}, and let the proxy serve it",
        )
    else:
        yield ok(f"SITE_URL is {_shown()}, with {mode}.")


def _shown() -> str:
    site = urlsplit(settings.SITE_URL)
    return f"{site.scheme}://{site.netloc.rpartition('@')[2]}"


def is_local(host: str) -> bool:
    """Whether a host name means the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def hosts() -> Findings:
    """Whether requests for SITE_URL, and forms and sockets from its pages, are let in."""
    site = urlsplit(settings.SITE_URL)
    is_fine = True
    if not validate_host(site.hostname or "", settings.ALLOWED_HOSTS):
        is_fine = False
        yield error(
            f"ALLOWED_HOSTS ({', '.join(settings.ALLOWED_HOSTS) or 'empty'}) lacks {site.hostname}, the host of "
            "SITE_URL: every page would be a 400, every websocket a 403.",
            f"add {site.hostname} to ALLOWED_HOSTS, or leave that out: then it is the host of SITE_URL",
        )
    if not OriginValidator(_nothing, settings.CSRF_TRUSTED_ORIGINS).valid_origin(site):
        is_fine = False
        yield warning(
            f"CSRF_TRUSTED_ORIGINS ({', '.join(settings.CSRF_TRUSTED_ORIGINS) or 'empty'}) lacks {_shown()}: forms "
            "are refused unless the proxy passes on the host and the scheme as the visitor has them.",
            f"add {_shown()} to CSRF_TRUSTED_ORIGINS, or leave that out: then it is SITE_URL",
        )
    if is_fine:
        yield ok("ALLOWED_HOSTS and CSRF_TRUSTED_ORIGINS let SITE_URL in.")


async def _nothing(*args: object) -> None:
    """Behind an origin validator that is only asked."""


def processes(replicas: int) -> Findings:
    """Whether the channel layer reaches as many processes as there are to be."""
    count = replicas * settings.WEB_CONCURRENCY
    said = "1 process" if count == 1 else f"{count} processes"
    if replicas > 1:
        said += f" ({replicas} x WEB_CONCURRENCY={settings.WEB_CONCURRENCY})"
    layers = getattr(settings, "CHANNEL_LAYERS", {})
    backend = str(layers.get("default", {}).get("BACKEND", ""))
    if count > 1 and backend.endswith(".InMemoryChannelLayer"):
        yield error(
            f"{said}, but the channel layer is in memory: people on different processes would not hear each other.",
            "set REDIS_URL=redis://localhost:6379/0, or run one process",
        )
    else:
        yield ok(f"{said}; events travel by {backend.rpartition('.')[2]}.")

"""What a visitor meets at the public URL, proxies included."""

import http.client
import json
import re
from urllib.parse import urljoin

from django.conf import settings
from django.shortcuts import resolve_url

from . import handshake
from .findings import Finding, Findings, error, first_line, ok, warning
from .handshake import FOREIGN_ORIGIN, Close, Unclear, judged, redirected, shake_hands, wants_tls
from .line import Answer, Target, get, origin, reach

ASSET = re.compile(r"""<(?:link|script)\b[^>]*?\b(?:href|src)="([^"]+\.(?:css|js))\"""")


def examine(url: str) -> Findings:
    target = Target(site=origin(settings.SITE_URL), url=origin(url))
    is_reached, findings = reach(target)
    yield from findings
    if not is_reached:
        return
    try:
        outcome = shake_hands(target, target.site)
    except ImportError:
        return  # told by the examination of the server
    except Unclear as unclear:
        yield error(
            f"The websocket handshake at {target.url}{handshake.PATH} failed: {unclear}.",
            "see in the logs of the server and the proxy what became of it; is it this site that listens there?",
        )
        return
    yield judged(target, outcome)
    try:
        if isinstance(outcome, Close):
            yield foreign_origin(target)
        elif outcome.status in (*handshake.REDIRECTS, 502, 504) or wants_tls(outcome):
            return  # the pages fare no better
        yield readiness(target)
        yield metrics(target)
        yield from pages(target)
    except (OSError, http.client.HTTPException) as failure:
        yield error(
            f"{target.url} takes websockets, but does not answer a request: {first_line(failure)}.",
            "see in the logs of the server and the proxy what became of it",
        )


def foreign_origin(target: Target) -> Finding:
    """Whether a page of somebody else could open a websocket with the cookies of its visitors."""
    try:
        outcome = shake_hands(target, FOREIGN_ORIGIN)
    except Unclear:
        outcome = None
    if isinstance(outcome, Close):
        return error(
            "Websockets are open to pages of other sites, which could read and write as whoever visits them.",
            "take * out of ALLOWED_HOSTS, and keep AllowedHostsOriginValidator in mysite/asgi.py",
        )
    return ok("Websockets from pages of other sites are refused.")


def readiness(target: Target) -> Finding:
    answer = get(target, "/readyz")
    try:
        state = json.loads(answer.body)
        status, reasons = str(state["status"]), [str(reason) for reason in state["reasons"]]
    except (ValueError, LookupError, TypeError):
        return warning(
            f"/readyz answers {answer.status}, and not with the state of this site.",
            "none, if the proxy keeps it from the public; else let it pass, so that it can be watched",
        )
    if status == "ready":
        return ok("/readyz says that the site is ready.")
    said = f"/readyz says that the site is {status}: {' '.join(reasons)}"
    fix = "mend that; the log of the server has more"
    return warning(said, fix) if answer.status == 200 else error(said, fix)


def metrics(target: Target) -> Finding:
    answer = get(target, "/metrics")
    if answer.status == 200:
        return error(
            "/metrics is open to everybody.",
            "answer 404 for it in the proxy, and keep mysite.health.middleware, which asks for METRICS_TOKEN",
        )
    return ok(f"/metrics is not open to everybody: {answer.status}.")


def pages(target: Target) -> Findings:
    """Whether Django serves a page to who asks for this host, knows that it is https, and serves its files."""
    path = resolve_url(settings.LOGIN_URL)
    answer = get(target, path)
    if answer.status in handshake.REDIRECTS:
        if _leads_to_site(target, path, answer):
            yield ok(f"{target.url} sends visitors on to {target.site}.")
        else:
            yield redirected(target, path, answer)
        return
    if answer.status != 200:
        yield _no_page(target, path, answer)
        return
    yield ok(f"{path} is served.")
    if target.is_secure:
        yield hsts(answer)
    if asset := ASSET.search(answer.body.decode(errors="replace")):
        yield static_file(target, urljoin(path, asset[1]))


def _leads_to_site(target: Target, path: str, answer: Answer) -> bool:
    """Whether it is the way from plain http, where we knocked, to the site's own https."""
    return (
        target.url != target.site
        and not target.is_secure
        and answer.headers.get("Location", "").startswith(f"{target.site}{path}")
    )


def _no_page(target: Target, path: str, answer: Answer) -> Finding:
    said = f"{path} is answered with {answer.status}"
    if answer.status == 400:
        return error(
            f"{said}: Django does not take the host that it is asked for.",
            f"let the proxy pass the header Host on, and have {target.name} in ALLOWED_HOSTS",
        )
    if answer.status >= 500:
        return error(f"{said}.", "see in the log of the server why")
    return error(f"{said}, so this is not the site, or not all of it.", "let the proxy pass every path on")


def hsts(answer: Answer) -> Finding:
    if "Strict-Transport-Security" in answer.headers:
        return ok(f"Browsers are told to stay with https: {answer.headers['Strict-Transport-Security']}.")
    return warning(
        "Browsers are not told to stay with https: Strict-Transport-Security does not arrive.",
        "set HSTS_SECONDS=31536000, and let the proxy set X-Forwarded-Proto",
    )


def static_file(target: Target, path: str) -> Finding:
    if path.startswith(("http:", "https:")):
        return ok(f"Static files come from another host: {path}.")
    answer = get(target, path)
    if answer.status == 200:
        return ok("A static file that it names is served, too.")
    return error(
        f"A static file that it names is answered with {answer.status}: {path}.",
        "python manage.py collectstatic --noinput, and restart",
    )

"""A websocket's handshake with the site, as a browser makes it."""

from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urljoin

from django.utils.datastructures import CaseInsensitiveMapping

from .findings import Finding, error, ok
from .line import TIMEOUT_S, Answer, Target, connect, get, origin

# Behind every other route there is a consumer that accepts whatever comes, and closes it with 4404: so this
# takes the whole way, up to the application, and disturbs nobody.
PATH = "/ws/doctor/"
FOREIGN_ORIGIN = "https://elsewhere.invalid"

RESTARTS = 1012
CUT_OFF = 1006  # no code came at all
OF_APPLICATIONS = range(4000, 5000)

REDIRECTS = (301, 302, 303, 307, 308)
UPGRADE_FIX = (
    "let the proxy pass Upgrade and Connection on, as docs/deploy.md shows; "
    "without a proxy, pip install -r requirements.txt"
)


@dataclass(frozen=True)
class Close:
    """The server accepted, and closed."""

    code: int
    reason: str


class Unclear(Exception):
    """Neither accepted nor refused in a way that HTTP or WebSocket know; the text says what came."""


def shake_hands(target: Target, from_origin: str) -> Answer | Close:
    """Open a websocket and wait for its close; an ``Answer`` of HTTP's when it is refused."""
    from websockets.exceptions import ConnectionClosed, WebSocketException
    from websockets.sync.client import connect as open_websocket
    from websockets.typing import Origin

    try:
        with (
            # Given a socket, no version of websockets follows a redirect, which browsers do not follow either.
            connect(target) as line,
            open_websocket(
                f"{'wss' if target.is_secure else 'ws'}://{target.host}{PATH}",
                sock=line,
                server_hostname=target.name if target.is_secure else None,
                origin=Origin(from_origin),
                compression=None,
                proxy=None,
                open_timeout=TIMEOUT_S,
                close_timeout=1,
            ) as websocket,
        ):
            try:
                websocket.recv(timeout=TIMEOUT_S)
            except ConnectionClosed as closed:
                return Close(closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else Close(CUT_OFF, "")
            except TimeoutError:
                raise Unclear("it was accepted, and then nothing came") from None
            raise Unclear("it was accepted, and then something came that is not of this site") from None
    except TimeoutError:
        raise Unclear(f"no answer came within {TIMEOUT_S:g} s") from None
    except (WebSocketException, OSError, EOFError, ValueError) as failure:
        if answer := _answer(failure) or _answer_to_plain_request(target):
            return answer
        raise Unclear("the line was cut, or what came is not HTTP") from None


def _answer(failure: BaseException | None) -> Answer | None:
    """
    The answer of HTTP's that a failure to open a websocket is about.

    For a redirect, which is not followed over a given socket, it is in the cause of another exception.
    """
    from websockets.exceptions import InvalidStatus

    while failure:
        if isinstance(failure, InvalidStatus):
            response = failure.response
            headers = CaseInsensitiveMapping(response.headers.raw_items())
            return Answer(response.status_code, headers, bytes(response.body or b""))
        failure = failure.__cause__ or failure.__context__
    return None


def _answer_to_plain_request(target: Target) -> Answer | None:
    """
    What HTTP answers to who asks for no websocket.

    Servers that expect TLS explain in HTTP/1.0 that they do, which is too old for websockets.
    """
    try:
        return get(target, PATH)
    except (OSError, HTTPException):
        return None


def judged(target: Target, outcome: Answer | Close) -> Finding:
    """What the outcome of a handshake from the site's own pages means."""
    if isinstance(outcome, Answer):
        return refused(target, outcome)
    said = f"{outcome.code}{f' ({outcome.reason})' if outcome.reason else ''}"
    if outcome.code in OF_APPLICATIONS:
        return ok(f"A websocket through {target.url} reaches the application: it closed it with {said}, as it should.")
    if outcome.code == RESTARTS:
        return error("The server is stopping: it closed the websocket with 1012.", "ask again when it has started")
    return error(
        f"A websocket through {target.url} was accepted, but closed with {said}.",
        "see in the logs of the server and the proxy what ended it",
    )


def refused(target: Target, answer: Answer) -> Finding:
    """Why HTTP answered instead of an open websocket."""
    said = f"The websocket handshake at {target.url}{PATH} was answered with {answer.status}"
    status = answer.status
    if status in REDIRECTS:
        return redirected(target, PATH, answer)
    if wants_tls(answer):
        return speaks_tls(target)
    if status == 403:
        return error(
            f"{said}: the origin {target.site} is refused.", f"add {target.name} to ALLOWED_HOSTS, and restart"
        )
    if status == 401:
        return error(f"{said}: a proxy asks for a password.", f"let {PATH.partition('doctor')[0]} through without one")
    if status == 503 and b"stopping" in answer.body:
        return error(f"{said}: the server is stopping.", "ask again when it has started")
    if status in (502, 503, 504):
        return error(f"{said}: behind the proxy nobody answers.", "start the server, or correct its address there")
    if status >= 500:
        return error(f"{said}: the application fails.", "see in the log of the server why")
    return error(f"{said}, as a plain page: it was not understood as a websocket.", UPGRADE_FIX)


def redirected(target: Target, path: str, answer: Answer) -> Finding:
    """Where a page leads to tells which address is wrong, or that a proxy does not pass on what it is."""
    here = f"{target.url}{path}"
    there = urljoin(here, answer.headers.get("Location", ""))
    said = f"{here} redirects to {there.partition('?')[0]}"
    if there == here or (target.is_secure and there == f"{target.site}{path}"):
        return error(
            f"{said}, itself: Django is not told that visitors come by https.",
            "let the proxy set X-Forwarded-Proto, and name the proxy's address in FORWARDED_ALLOW_IPS",
        )
    try:
        elsewhere = origin(there)
    except ValueError:
        elsewhere = target.url
    if elsewhere == target.url:
        return error(f"{said}.", "let the proxy pass the path on unchanged")
    if elsewhere == target.site:
        return error(
            f"{said}, so this is not the way in.", f"knock there: --url {target.url.replace('http:', 'https:')}"
        )
    return error(f"{said}.", f"set SITE_URL={elsewhere}, or end the redirect in the proxy")


def wants_tls(answer: Answer) -> bool:
    """Whether it says, as nginx and Caddy do, that plain http came to where TLS is spoken."""
    return answer.status == 400 and b"HTTPS" in answer.body


def speaks_tls(target: Target) -> Finding:
    return error(f"{target.url} speaks TLS, although its address says http.", f"set SITE_URL=https://{target.host}")

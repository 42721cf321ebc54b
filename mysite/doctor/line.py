"""The line to the site: where it leads, and why it cannot be opened."""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.utils.datastructures import CaseInsensitiveMapping

from .findings import Finding, error, first_line, ok, plural, warning

TIMEOUT_S = 5.0  # for each step: a connection, an answer
MAX_BYTES = 2**20  # of a page
DEFAULT_PORTS = {"http": 80, "https": 443}
LAST_PART = 0.1  # of a certificate's life: programs that renew them do so when a third is left

# X509_V_ERR_*, from OpenSSL.
EXPIRED = 10
WRONG_NAME = (62, 64)  # a name, an address


@dataclass(frozen=True)
class Target:
    """Where to knock, asking for the host of SITE_URL as its visitors do."""

    site: str  # its origin: scheme, host and, unless it is the usual one, port
    url: str  # the origin to knock at, mostly the same

    @property
    def is_secure(self) -> bool:
        return self.url.startswith("https:")

    @property
    def host(self) -> str:
        """The Host header."""
        return self.site.partition("://")[2]

    @property
    def name(self) -> str:
        """What its certificate must be for."""
        return urlsplit(self.site).hostname or ""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]


@dataclass(frozen=True)
class Answer:
    """What HTTP answered."""

    status: int
    headers: CaseInsensitiveMapping
    body: bytes


def origin(url: str) -> str:
    """Scheme, host and port of an address, as a browser writes them; ValueError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("Expected an address such as https://chat.example.org.")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port not in (None, DEFAULT_PORTS[parts.scheme]) else ""
    return f"{parts.scheme}://{name}{port}"


def connect(target: Target) -> socket.socket:
    """A connection, without TLS as yet."""
    return socket.create_connection(target.address, timeout=TIMEOUT_S)


def encrypt(line: socket.socket, target: Target) -> ssl.SSLSocket:
    """TLS over a connection; the certificate has to be one that browsers take."""
    return ssl.create_default_context().wrap_socket(line, server_hostname=target.name)


def get(target: Target, path: str) -> Answer:
    """Ask for a page, without following where it leads; OSError or HTTPException when no answer comes."""
    with connect(target) as line:
        connection = http.client.HTTPConnection(target.host)
        connection.sock = encrypt(line, target) if target.is_secure else line
        try:
            connection.request("GET", path, headers={"Host": target.host, "Accept": "text/html, */*"})
            with connection.getresponse() as response:
                headers = CaseInsensitiveMapping(response.getheaders())
                return Answer(response.status, headers, response.read(MAX_BYTES))
        finally:
            connection.close()


def reach(target: Target) -> tuple[bool, list[Finding]]:
    """Whether a line can be opened, and what there is to say about it."""
    try:
        with connect(target) as line:
            if not target.is_secure:
                return True, []
            with encrypt(line, target) as encrypted:
                return True, [certificate(target, encrypted)]
    except ssl.SSLCertVerificationError as failure:
        return False, [refused_certificate(target, failure)]
    except OSError as failure:
        return False, [no_line(target, failure)]


def certificate(target: Target, line: ssl.SSLSocket) -> Finding:
    details = line.getpeercert() or {}
    begins, ends = (ssl.cert_time_to_seconds(str(details[name])) for name in ("notBefore", "notAfter"))
    left_s = ends - time.time()
    days, hours = divmod(int(left_s // 3600), 24)
    left = plural(days, "more day") if days > 1 else plural(hours + 24 * days, "more hour")
    text = f"The certificate for {target.name} is valid for {left}."
    if left_s < LAST_PART * (ends - begins):
        return warning(text, "see in the log of the proxy why it has not been renewed")
    return ok(text)


def refused_certificate(target: Target, failure: ssl.SSLCertVerificationError) -> Finding:
    if failure.verify_code == EXPIRED:
        return error(
            f"The certificate of {target.url} has expired.", "renew it; the log of the proxy says why it did not"
        )
    if failure.verify_code in WRONG_NAME:
        return error(
            f"The certificate of {target.url} is not for {target.name}.",
            f"get one for {target.name}, or correct SITE_URL",
        )
    return error(
        f"The certificate of {target.url} is from nobody whom browsers trust: {failure.verify_message}.",
        "get one from Let's Encrypt, as Caddy does by itself; for an authority of your own, SSL_CERT_FILE=<file>",
    )


def no_line(target: Target, failure: OSError) -> Finding:
    name, port = target.address
    at = f"{name}:{port}"
    match failure:
        case socket.gaierror():
            return error(
                f"The name {name} is not known: {failure.strerror}.",
                f"make a DNS record for {name} that leads to this site, or correct SITE_URL",
            )
        case ConnectionRefusedError():
            return error(
                f"Nobody listens at {at}.",
                "start it, or correct SITE_URL; within Compose: --url http://proxy; not started yet: --no-knock",
            )
        case TimeoutError():
            return error(
                f"No connection to {at} within {TIMEOUT_S:g} s.",
                f"let port {port} through the firewall, or correct SITE_URL",
            )
        case ssl.SSLError(reason="WRONG_VERSION_NUMBER" | "HTTP_REQUEST" | "UNEXPECTED_MESSAGE"):
            return error(
                f"{at} speaks no TLS, although its address says https.",
                f"let a proxy serve https there, or set SITE_URL=http://{target.host}",
            )
        case ssl.SSLError() | ConnectionError():
            return error(
                f"{at} breaks off when TLS begins: {first_line(failure)}.",
                f"see in the log of the proxy whether it has a certificate for {target.name}",
            )
    return error(f"No connection to {at}: {first_line(failure)}.", "mend the network, or correct SITE_URL")

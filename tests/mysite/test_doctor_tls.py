"""``manage.py doctor`` at a site with https: certificates, and what browsers are told."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from mysite.doctor import Level
from tests.mysite.pretence import WELL, Pretence, Production, at


def make_certificate(directory, *, days: int = 60) -> str:
    """A file with a key and a certificate for localhost, which has signed itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = directory / f"localhost-{days}.pem"
    file.write_bytes(secret + certificate.public_bytes(encoding))
    return str(file)


def tls(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize(
    ("host", "days", "is_trusted", "text", "fix"),
    [
        ("localhost", 60, False, "nobody whom browsers trust", "Let's Encrypt"),
        ("127.0.0.1", 60, True, "is not for 127.0.0.1", "get one for 127.0.0.1"),
        ("localhost", -1, True, "has expired", "renew it"),
    ],
)
def test_a_certificate_that_browsers_refuse_is_told(tmp_path, monkeypatch, host, days, is_trusted, text, fix):
    certificate = make_certificate(tmp_path, days=days)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Pretence(WELL, tls=tls(certificate)) as site:
        (finding,) = at(f"https://{host}:{site.port}")

    assert finding.level == Level.ERROR
    assert text in finding.text
    assert fix in finding.fix


def test_a_certificate_that_ends_soon_and_a_missing_header_are_warned_of(tmp_path, monkeypatch):
    certificate = make_certificate(tmp_path, days=3)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with Pretence(WELL, tls=tls(certificate), foreign=True) as site:
        found = at(f"https://localhost:{site.port}")

    warnings = [finding.text for finding in found if finding.level == Level.WARNING]
    assert len(warnings) == 2
    assert "valid for 3 more days" in warnings[0]
    assert "Strict-Transport-Security does not arrive" in warnings[1]


def test_a_site_with_https_is_found_well(tmp_path, monkeypatch):
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    server = Production("https", f"--certfile={certificate}", f"--keyfile={certificate}")
    server.start()
    try:
        found = at(server.url)
    finally:
        server.remove()

    assert [finding.level for finding in found] == [Level.OK] * 8, found
    assert any("max-age=31536000" in finding.text for finding in found)

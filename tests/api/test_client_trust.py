"""Whom the client believes, against real TLS servers."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsicle.client.connection import ApiConnection, parse_server
from opsicle.client.saved_logins import fetch_ca
from opsicle.client.trust import fingerprint, is_unknown_issuer, parse_fingerprint, tls_context
from opsicle.domain.errors import InvalidInput, OpsicleError, Unreachable


class Certified:
    """A certificate with its key, issued by another of these or by itself."""

    def __init__(
        self,
        name: str,
        issuer: Certified | None = None,
        *,
        days: int = 30,
        address: str = "127.0.0.1",
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(issuer.name if issuer else self.name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca="CA" in name, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
                critical=False,
            )
        )
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


@contextmanager
def serving(
    folder: Path, certified: Certified, chain: str = "", offered: str = "", status: int = 200
) -> Iterator[str]:
    """Run a TLS server with this certificate that answers every request with `offered`.

    Yields its URL.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "https://elsewhere.example/")
            self.send_header("Content-Length", str(len(offered)))
            self.end_headers()
            self.wfile.write(offered.encode())

        def log_message(self, *_: object) -> None:
            pass

    pem = folder / "server.pem"
    pem.write_text(certified.pem + chain + certified.key_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is what we test
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def get(url: str, ca_pem: str) -> bytes:
    return (
        ApiConnection(parse_server(url), context=tls_context(ca_pem)).send("GET", "/healthz").body
    )


ROOT = Certified("Root CA")
MIDDLE = Certified("Middle CA", ROOT)


def test_a_server_of_the_trusted_ca_is_believed(tmp_path: Path) -> None:
    with serving(tmp_path, Certified("server", ROOT), offered="hello") as url:
        assert get(url, ROOT.pem) == b"hello"


def test_an_intermediate_ca_may_be_trusted_without_its_root(tmp_path: Path) -> None:
    with serving(tmp_path, Certified("server", MIDDLE), offered="hello") as url:
        assert get(url, MIDDLE.pem) == b"hello"


def test_a_server_of_another_ca_is_refused_as_unknown(tmp_path: Path) -> None:
    with (
        serving(tmp_path, Certified("server", Certified("Other CA"))) as url,
        pytest.raises(Unreachable) as raised,
    ):
        get(url, ROOT.pem)
    assert is_unknown_issuer(raised.value)
    assert "--ca-fingerprint" in raised.value.hint


@pytest.mark.parametrize(
    ("certified", "said"),
    [
        (Certified("server", ROOT, days=-1), "has expired"),
        (Certified("server", ROOT, address="127.0.0.9"), "is not for 127.0.0.1"),
    ],
)
def test_a_certificate_that_is_not_good_is_refused_for_its_reason(
    tmp_path: Path, certified: Certified, said: str
) -> None:
    with serving(tmp_path, certified) as url, pytest.raises(Unreachable, match=said) as raised:
        get(url, ROOT.pem)
    assert not is_unknown_issuer(raised.value)


def test_a_fingerprint_picks_the_certificate_that_it_is_of(tmp_path: Path) -> None:
    server = Certified("server", MIDDLE)
    with serving(tmp_path, server, chain=MIDDLE.pem, offered=MIDDLE.pem + ROOT.pem) as url:
        ca_pem = fetch_ca(url, fingerprint(ROOT.pem).upper().replace("SHA256", "sha256"))
        assert ca_pem.strip() == ROOT.pem.strip()
        assert get(url, ca_pem)


def test_a_ca_that_does_not_have_the_fingerprint_is_not_trusted(tmp_path: Path) -> None:
    other = Certified("Other CA")
    pretender = serving(tmp_path, Certified("server", other), offered=other.pem)
    with pretender as url, pytest.raises(Unreachable, match="fingerprint"):
        fetch_ca(url, fingerprint(ROOT.pem))


def test_a_ca_that_is_offered_by_someone_who_does_not_have_it_helps_them_nothing(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, Certified("server", Certified("Mallory's CA")), offered=ROOT.pem) as url:
        ca_pem = fetch_ca(url, fingerprint(ROOT.pem))
        with pytest.raises(Unreachable):
            get(url, ca_pem)


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    server = serving(tmp_path, Certified("server", ROOT), status=302)
    with server as url, pytest.raises(InvalidInput, match=r"elsewhere\.example"):
        get(url, ROOT.pem)


@pytest.mark.parametrize(
    ("status", "code"), [(500, "internal"), (502, "unavailable"), (404, "not_found")]
)
def test_an_answer_of_something_else_than_opsicle_is_an_error_too(
    tmp_path: Path, status: int, code: str
) -> None:
    server = serving(tmp_path, Certified("server", ROOT), offered="<html>", status=status)
    with server as url, pytest.raises(OpsicleError) as raised:
        get(url, ROOT.pem)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("ops.example.com", "https://ops.example.com"),
        ("https://ops.example.com:443/", "https://ops.example.com"),
        ("ops.example.com:8443", "https://ops.example.com:8443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("https://bücher.example", "https://bücher.example"),
        ("ops_1.example.com.", "https://ops_1.example.com."),
    ],
)
def test_a_servers_address_is_read(text: str, url: str) -> None:
    assert parse_server(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://x",
        "https://",
        "https://x:y",
        "https://x:99999",
        "https://x/path",
        "https://x?a",
        "https://a:b@x",
        "https://a b",
        "not a url",
        "https://%",
        "https://a..b",
        "https://" + "a" * 64,
        "https://[fe80::1%eth0]",
    ],
)
def test_what_is_no_servers_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_server(text)


@pytest.mark.parametrize(
    "text", ["http://ops.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com"]
)
def test_plain_http_leaves_this_machine_never(text: str) -> None:
    with pytest.raises(InvalidInput, match="plain http"):
        parse_server(text)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:12", "md5:" + "0" * 64, "sha256:" + "g" * 64]
)
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="fingerprint"):
        parse_fingerprint(text)


@pytest.mark.parametrize(
    "pem", ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        tls_context(pem)

"""A server with a certificate of the company's own, set up and logged into from a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsicle.security.authority import Authority
from tests.product import Server, User

pytestmark = pytest.mark.e2e


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    authority = Authority.create(datetime.now(UTC))
    certificate, key = authority.issue_server(["localhost", "127.0.0.1"], datetime.now(UTC))
    for name, text in (
        ("cert", certificate + authority.cert_pem),
        ("key", key),
        ("company-ca", authority.cert_pem),
    ):
        (tmp_path / f"{name}.pem").write_text(text)
    (tmp_path / "key.pem").chmod(0o600)
    options = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    server = Server(tmp_path / "server", options=options).start()
    yield server
    print(server.process.log())
    server.process.stop()


@pytest.mark.parametrize("known_by", ["--ca-file", "OPSICLE_CA_FILE", "the system"])
def test_setup_and_login_trust_the_companys_ca_where_it_is_known(
    server: Server, tmp_path: Path, known_by: str
) -> None:
    alice = User(tmp_path / "alice", "alice@example.com")
    ca, password = str(tmp_path / "company-ca.pem"), ["--password-file", str(alice.password_file)]
    if known_by != "--ca-file":
        alice.environment[
            "OPSICLE_CA_FILE" if known_by == "OPSICLE_CA_FILE" else "SSL_CERT_FILE"
        ] = ca
    given = ["--ca-file", ca] if known_by == "--ca-file" else []
    first = ["--server", server.url, "--email", alice.email, *password]

    alice.cli(
        "setup",
        "--token-file",
        str(tmp_path / "server/data/setup-token"),
        "--org",
        "acme",
        *first,
        *given,
    )
    alice.cli("login", *first, *given)

    assert alice.json("whoami")["user"]["email"] == alice.email


def test_nobody_is_trusted_without_a_word(server: Server, tmp_path: Path) -> None:
    alice = User(tmp_path / "alice", "alice@example.com")
    token = [
        "--token-file",
        str(tmp_path / "server/data/setup-token"),
        "--password-file",
        str(alice.password_file),
    ]

    refused = alice.attempt(
        "setup", "--server", server.url, "--org", "acme", "--email", alice.email, *token
    )

    assert refused.returncode == 6
    assert "--ca-file" in refused.stderr
    assert (tmp_path / "server/data/setup-token").exists(), "the token was sent to nobody"

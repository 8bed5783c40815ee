"""The CA and what it issues, judged by OpenSSL's own verifier as far as that can say it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from opsicle.domain.errors import InvalidInput, Unavailable
from opsicle.security import certificates
from opsicle.security.authority import (
    CA_LIFETIME,
    SERVER_NAME,
    Authority,
    IssuedCertificate,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 987654, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(NOW)


def issue_worker(
    authority: Authority, org: str = "acme", worker_id: str = "w1", now: datetime = NOW
) -> IssuedCertificate:
    _, csr_pem = certificates.make_key_and_csr()
    return authority.issue_worker(certificates.load_csr(csr_pem), org, worker_id, now)


def openssl_verify(
    tmp_path: Path, authority: Authority, pem: str, purpose: str
) -> subprocess.CompletedProcess[str]:
    openssl = shutil.which("openssl")
    assert openssl, "this test needs the program openssl: apt-get install openssl"

    (tmp_path / "ca.pem").write_text(authority.cert_pem)
    (tmp_path / "leaf.pem").write_text(pem)
    at = str(int(NOW.timestamp()))

    command = [
        openssl,
        "verify",
        "-x509_strict",
        "-attime",
        at,
        "-purpose",
        purpose,
        "-CAfile",
        "ca.pem",
        "leaf.pem",
    ]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_ca_lives_ten_years_and_may_sign_leaves_only(authority: Authority) -> None:
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.encode())
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    assert authority.not_after == (NOW + CA_LIFETIME).replace(microsecond=0)

    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)


def test_a_ca_loaded_from_its_own_text_is_the_same_and_its_certificates_verify(
    authority: Authority,
) -> None:
    loaded = Authority.load(authority.cert_pem, authority.key_pem)
    assert loaded.fingerprint == authority.fingerprint

    issued = x509.load_pem_x509_certificate(issue_worker(loaded).pem.encode())
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.cert_pem.encode()))


def test_a_ca_does_not_load_with_another_cas_key(authority: Authority) -> None:
    with pytest.raises(InvalidInput, match="does not belong"):
        Authority.load(authority.cert_pem, Authority.create(NOW).key_pem)


def test_a_ca_does_not_load_from_the_pair_of_a_leaf(authority: Authority) -> None:
    with pytest.raises(InvalidInput, match="not a CA's"):
        Authority.load(*authority.issue_server([], NOW))


def test_the_fingerprint_is_the_one_that_openssl_shows(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(authority.cert_pem)
    openssl = shutil.which("openssl")
    assert openssl, "this test needs the program openssl: apt-get install openssl"

    command = [openssl, "x509", "-in", "ca.pem", "-noout", "-fingerprint", "-sha256"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert (
        authority.fingerprint
        == "sha256:" + shown.strip().partition("=")[2].replace(":", "").lower()
    )


def test_two_cas_have_different_names_and_fingerprints(authority: Authority) -> None:
    other = Authority.create(NOW)
    assert other.fingerprint != authority.fingerprint

    first, second = (
        x509.load_pem_x509_certificate(ca.cert_pem.encode()).subject for ca in (authority, other)
    )
    assert first != second


def test_a_server_certificate_has_every_name_once_and_no_address_that_cannot_be_reached(
    authority: Authority,
) -> None:
    cert_pem, key_pem = authority.issue_server(
        ["ops.example", "10.1.2.3", "localhost", "0.0.0.0", "::"], NOW
    )

    certificates.check_pair(cert_pem, key_pem, NOW)

    certificate = x509.load_pem_x509_certificate(cert_pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

    shown = [str(name.value) for name in names]
    assert shown == [SERVER_NAME, "localhost", "127.0.0.1", "::1", "ops.example", "10.1.2.3"]


@pytest.mark.parametrize(
    "name", ["", "a b", "a\0b", "-a", "a..b", "bücher.example", "x" * 254, "http://a", "a/b"]
)
def test_a_name_that_is_no_host_name_gets_no_server_certificate(
    authority: Authority, name: str
) -> None:
    with pytest.raises(InvalidInput, match="cannot stand in a certificate"):
        authority.issue_server([name], NOW)


def test_openssl_takes_a_server_certificate_for_servers_only(
    authority: Authority, tmp_path: Path
) -> None:
    cert_pem, _ = authority.issue_server(["ops.example"], NOW)

    assert openssl_verify(tmp_path, authority, cert_pem, "sslserver").returncode == 0
    assert (
        "unsuitable certificate purpose"
        in openssl_verify(tmp_path, authority, cert_pem, "sslclient").stderr
    )


def test_openssl_takes_a_worker_certificate_for_clients_only(
    authority: Authority, tmp_path: Path
) -> None:
    pem = issue_worker(authority).pem

    assert openssl_verify(tmp_path, authority, pem, "sslclient").returncode == 0
    assert (
        "unsuitable certificate purpose"
        in openssl_verify(tmp_path, authority, pem, "sslserver").stderr
    )


def test_a_worker_certificate_is_a_clients_leaf_for_seven_days_from_a_little_ago(
    authority: Authority,
) -> None:
    issued = issue_worker(authority)
    certificate = x509.load_pem_x509_certificate(issued.pem.encode())
    extensions = certificate.extensions

    constraints = extensions.get_extension_for_class(x509.BasicConstraints)

    assert constraints.critical
    assert not constraints.value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert (
        issued.not_after
        == (NOW + timedelta(days=7)).replace(microsecond=0)
        == certificates.expires_at(issued.pem)
    )
    assert certificate.not_valid_before_utc == (NOW - timedelta(days=1)).replace(microsecond=0)


def test_no_two_certificates_share_a_serial_number(authority: Authority) -> None:
    assert len({issue_worker(authority).serial for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("org", "worker_id"),
    [
        ("acme/worker/x", "w1"),
        ("", "w1"),
        ("acme", ""),
        ("ACME", "w1"),
        ("acme", "../w2"),
        ("acme", "w1\0"),
        ("acme", "w1\n"),
    ],
)
def test_an_org_or_worker_id_that_could_mean_another_path_is_refused(
    authority: Authority, org: str, worker_id: str
) -> None:
    with pytest.raises(InvalidInput):
        issue_worker(authority, org, worker_id)


def test_a_certificate_never_outlives_its_ca(authority: Authority) -> None:
    issued = issue_worker(authority, now=authority.not_after - timedelta(days=1))
    assert issued.not_after == authority.not_after


def test_an_expired_ca_issues_nothing_and_says_so(authority: Authority) -> None:
    with pytest.raises(Unavailable, match="expired"):
        issue_worker(authority, now=authority.not_after)

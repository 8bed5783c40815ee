"""The listeners' certificates are renewed while the server runs."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.security import certificates
from opsicle.security.authority import SERVER_LIFETIME, Authority
from opsicle.server.data_folder import DataFolder
from opsicle.server.http.wire.tls import RENEW_BEFORE, GivenCertificate, Tls

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder.open(tmp_path / "data")
    yield folder
    folder.close()


def test_our_own_certificate_is_renewed_in_good_time_and_not_before(folder: DataFolder) -> None:
    tls = Tls(folder, folder.authority(NOW), ("ops.example.com",), NOW)
    first = folder.listener_pem.read_text()

    tls.renew_if_due(NOW + SERVER_LIFETIME - RENEW_BEFORE - timedelta(hours=1))
    assert folder.listener_pem.read_text() == first
    tls.renew_if_due(NOW + SERVER_LIFETIME - RENEW_BEFORE + timedelta(hours=1))
    second = folder.listener_pem.read_text()

    assert certificates.expires_at(second) > certificates.expires_at(first)
    assert certificates.load_private_key(second) != certificates.load_private_key(first)


def test_the_ca_is_made_once(folder: DataFolder) -> None:
    assert (
        folder.authority(NOW).fingerprint == folder.authority(NOW + timedelta(days=1)).fingerprint
    )


def write_pair(folder: Path, at: int) -> tuple[Path, Path]:
    """Return a new certificate and key, as a tool that renews them would leave them."""
    certificate, key = Authority.create(NOW).issue_server(["ops.example.com"], NOW)
    for name, text in (("cert.pem", certificate), ("key.pem", key)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
        os.utime(folder / name, (at, at))
    return folder / "cert.pem", folder / "key.pem"


def shown_by(given: GivenCertificate) -> bytes | None:
    """Return the certificate, in DER, that a handshake shows."""
    to_server, to_caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    caller = trusting.wrap_bio(to_caller, to_server)
    # gevent's context can only wrap sockets; beneath it is the same one of OpenSSL.
    server = ssl.SSLContext.wrap_bio(given.context, to_server, to_caller, server_side=True)
    for side in (caller, server, caller):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return caller.getpeercert(binary_form=True)


def test_a_given_certificate_is_read_again_when_it_changes(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, at=1)
    given = GivenCertificate(certificate, key)
    first = shown_by(given)

    given.reload_if_changed()

    assert shown_by(given) == first

    write_pair(tmp_path, at=2)
    assert shown_by(given) == first

    given.reload_if_changed()
    assert shown_by(given) == ssl.PEM_cert_to_DER_cert(certificate.read_text()) != first


def test_a_change_that_cannot_be_used_is_refused_until_it_is_put_right(tmp_path: Path) -> None:
    _, key = write_pair(tmp_path, at=1)
    given = GivenCertificate(tmp_path / "cert.pem", key)
    key.write_text(certificates.make_key_and_csr()[0])

    with pytest.raises(InvalidInput, match="does not belong"):
        given.reload_if_changed()
    assert not given.reload_if_changed(), "a turn of the loop complains of the same files once"
    write_pair(tmp_path, at=3)
    assert given.reload_if_changed()

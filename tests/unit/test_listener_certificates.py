"""The listeners' certificates are renewed while the server runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.pki import certificates
from opsicle.pki.authority import SERVER_LIFE, Authority
from opsicle.server.data_folder import DataFolder
from opsicle.server.listening.tls import RENEW_BEFORE, GivenCertificate, Tls

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    folder = DataFolder.open(tmp_path / "data")
    yield folder
    folder.close()


def test_our_own_certificate_is_renewed_in_good_time_and_not_before(folder: DataFolder) -> None:
    tls = Tls(folder, folder.authority(NOW), ("ops.example.com",), NOW)
    first = folder.listener_pem.read_text()

    tls.renew_if_due(NOW + SERVER_LIFE - RENEW_BEFORE - timedelta(hours=1))
    assert folder.listener_pem.read_text() == first
    tls.renew_if_due(NOW + SERVER_LIFE - RENEW_BEFORE + timedelta(hours=1))
    second = folder.listener_pem.read_text()

    assert certificates.expires_at(second) > certificates.expires_at(first)
    assert certificates.load_private_key(second) != certificates.load_private_key(first)


def test_the_ca_is_made_once(folder: DataFolder) -> None:
    assert folder.authority(NOW).fingerprint == folder.authority(NOW + timedelta(days=1)).fingerprint


def write_pair(folder: Path, at: int) -> tuple[Path, Path]:
    """A new certificate and key, as a tool that renews them would leave them at a time of its own."""
    certificate, key = Authority.create(NOW).issue_server(["ops.example.com"], NOW)
    for name, text in (("cert.pem", certificate), ("key.pem", key)):
        (folder / name).write_text(text)
        os.utime(folder / name, (at, at))
    return folder / "cert.pem", folder / "key.pem"


def test_a_given_certificate_is_read_again_when_it_changes(tmp_path: Path) -> None:
    given = GivenCertificate(*write_pair(tmp_path, at=1), NOW)
    given.reload_if_changed(NOW)
    write_pair(tmp_path, at=2)
    given.reload_if_changed(NOW)


def test_a_change_that_cannot_be_used_is_refused_until_it_is_put_right(tmp_path: Path) -> None:
    _, key = write_pair(tmp_path, at=1)
    given = GivenCertificate(tmp_path / "cert.pem", key, NOW)
    key.write_text(certificates.make_key_and_csr()[0])

    for _ in range(2):
        with pytest.raises(InvalidInput, match="does not belong"):
            given.reload_if_changed(NOW)
    write_pair(tmp_path, at=3)
    given.reload_if_changed(NOW)

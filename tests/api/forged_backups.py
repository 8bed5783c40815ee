"""Backups that somebody makes who knows the passphrase."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import msgspec

from opsicle.kit.clock import SystemClock
from opsicle.security.age_files import DecryptingReader, EncryptingWriter
from opsicle.server.backups.archive import HEAD, BackupHead
from tests.api.backing_up import KEY

HEAD_OF_NOW = BackupHead(
    version="9", created_at=SystemClock().now(), schema=1, epoch=1, ca_fingerprint="",
    has_logs=False, has_artifacts=False,
)  # fmt: skip


def forged(members: Iterator[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return what somebody who knows the passphrase could make."""
    target = io.BytesIO()
    writer = EncryptingWriter(target, KEY)
    with tarfile.open(fileobj=writer, mode="w|") as tar:
        for info, body in members:
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    writer.finish()
    return target.getvalue()


def opened(backup: bytes) -> bytes:
    """Return the archive in a backup."""
    return DecryptingReader(io.BytesIO(backup), KEY).readall() or b""


def of(name: str, body: bytes = b"x", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for field, value in more.items():
        setattr(info, field, value)
    return info, body


HEADED = of(HEAD, msgspec.json.encode(HEAD_OF_NOW))
ORG = "0" * 26


FOREIGN = "which no backup has there"

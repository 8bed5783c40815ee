"""Making and restoring backups in this process, with a passphrase that costs nothing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from opsicle.domain.errors import (
    OpsicleError,
)
from opsicle.kit.clock import SystemClock
from opsicle.security.age_keys import Passphrase
from opsicle.server.backups.backup import (
    EVERYTHING,
    Backup,
    BackupParts,
    BackupReport,
)
from opsicle.server.backups.restore import Restore, RestoreOptions, RestoreReport
from tests.api.running_server import ADMINS, ApiServer

KEY = Passphrase("correct horse battery", work_factor=4)
AS_IT_IS = RestoreOptions()


def back_up(folder: Path, parts: BackupParts = EVERYTHING) -> bytes:
    return back_up_with_report(folder, parts)[0]


def back_up_with_report(
    folder: Path, parts: BackupParts = EVERYTHING
) -> tuple[bytes, BackupReport]:
    target = io.BytesIO()
    made = Backup(folder, SystemClock(), lambda _: None)
    report = made.write(target, KEY, parts)
    made.note_done(report)
    assert report.bytes == len(target.getvalue())
    return target.getvalue(), report


def restore(
    content: bytes, to: Path, options: RestoreOptions = AS_IT_IS, key: Passphrase = KEY
) -> RestoreReport:
    return Restore(to, SystemClock(), lambda _: None, options).run(io.BytesIO(content), key)


def refused(content: bytes, to: Path, match: str, **more: object) -> None:
    """See that a restore says why it fails, and leaves nothing."""
    with pytest.raises(OpsicleError, match=match):
        restore(content, to, **more)  # type: ignore[arg-type]
    assert not to.exists() or list(to.iterdir()) == []


def replace_master_key(data: Path) -> None:
    """Put another key in the place of the one under which secrets are encrypted."""
    (data / "master.key").write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=")


def keep(api_server: ApiServer, content: bytes) -> Path:
    """Keep a file of acme on the server, as an upload is kept; return where it is."""
    store = api_server.services.contents
    org_id = api_server.actor(ADMINS["acme"]).org_id
    with store.received(io.BytesIO(content).read, 10**9) as upload:
        store.keep(org_id, upload, lambda _: None)
        return store.path(org_id, upload.sha256)

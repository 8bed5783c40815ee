"""How long verifying a long audit record takes, with the product as it is shipped and no server."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path

from bench.figures import Figure
from opsicle.security.audit_key import AuditKey
from opsicle.wire.audit import Checkpoint
from tests.audit_records import checkpoint, entries, header, lines
from tests.product import program

ENTRIES = 1_000_000
CHECKPOINT_EVERY = 10_000


def verifying(folder: Path) -> list[Figure]:
    """Measure `opsicle audit verify` on an export of a million entries, as a process of its own."""
    folder.mkdir()
    key = AuditKey.create()
    export, public_key = folder / "export.jsonl", folder / "key.pem"
    public_key.write_text(key.public.pem)
    _write(export, key)

    verify = ["audit", "verify", str(export), "--public-key", str(public_key)]
    began = time.perf_counter()
    done = subprocess.run([*program(), "-o", "json", *verify], capture_output=True, check=True)
    seconds = time.perf_counter() - began

    verdict = json.loads(done.stdout)
    if not verdict["is_intact"] or verdict["entries"] != ENTRIES:
        raise RuntimeError(f"the record was not verified: {verdict}")

    how = f"8 s, {export.stat().st_size / 1e6:.0f} MB"
    export.unlink()
    return [Figure("audit record of 1,000,000 entries, verified", seconds, 8, "s", how)]


def _write(export: Path, key: AuditKey) -> None:
    """Write an export such as a server writes.

    The checkpoints come first, so the entries wait in a file of their own.
    """
    signed: list[Checkpoint] = []
    waiting = export.with_suffix(".entries")

    with waiting.open("wb") as body:
        for entry in entries(ENTRIES):
            body.writelines(lines([entry]))
            if entry.seq % CHECKPOINT_EVERY == 0:
                signed.append(
                    checkpoint(key, signed[-1] if signed else None, entry.seq, entry.hash)
                )

    with export.open("wb") as target, waiting.open("rb") as body:
        target.writelines(lines([header(key), *signed]))
        shutil.copyfileobj(body, target)

    waiting.unlink()

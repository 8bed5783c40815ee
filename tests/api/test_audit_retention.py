"""Old entries of the record go only where a signed proof of them stays."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from opsicle.client.audit_export import verify_export
from tests.api.audit_changes import ALICE, DOCS, fault, tamper, verdict, write
from tests.api.running_server import ApiServer


def test_retention_removes_what_is_old_and_keeps_the_proof(api_server: ApiServer) -> None:
    last = write(api_server, 4_500)
    api_server.clock.advance(days=40)
    write(api_server, 10)
    removed = api_server.services.audit_checkpoints.prune(timedelta(days=30))
    found = verdict(api_server)
    assert found.is_intact, found.fault
    assert (found.removed_to, found.first_seq, found.last_seq) == (last, last + 1, last + 10)
    assert removed >= last
    assert api_server.services.audit_checkpoints.prune(timedelta(days=30)) == 0
    export = b"".join(api_server.services.audit.export(api_server.actor(ALICE))).splitlines()
    assert verify_export(export, api_server.services.audit.public_key).removed_to == last
    assert write(api_server, 1) == last + 11
    assert verdict(api_server).is_intact


def test_retention_never_takes_the_newest_entry_from_which_the_chain_goes_on(
    api_server: ApiServer,
) -> None:
    last = write(api_server, 10)
    api_server.clock.advance(days=40)
    api_server.services.audit_checkpoints.prune(timedelta(days=30))
    assert verdict(api_server).entries == 1
    assert write(api_server, 1) == last + 1
    assert verdict(api_server).is_intact


def test_more_removed_than_retention_has_signed_is_missing(api_server: ApiServer) -> None:
    last, org_id = write(api_server, 10), api_server.actor(ALICE).org_id
    api_server.clock.advance(days=40)
    write(api_server, 10)
    api_server.services.audit_checkpoints.prune(timedelta(days=30))
    tamper(api_server, "DELETE FROM audit_entries WHERE org_id = ? AND seq = ?", org_id, last + 1)
    assert fault(verdict(api_server)) == ("missing", last + 1)


def script(tmp_path: Path) -> Path:
    """Return the program that `docs/audit.md` shows."""
    text = DOCS.read_text(encoding="utf-8")
    program = text.split("```python\n")[1].split("```")[0]
    (tmp_path / "verify.py").write_text(program, encoding="utf-8")
    return tmp_path / "verify.py"


def run_script(tmp_path: Path, export: bytes, key: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "export.jsonl").write_bytes(export)
    (tmp_path / "key.pem").write_text(key)
    command = [sys.executable, script(tmp_path), tmp_path / "export.jsonl", tmp_path / "key.pem"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_in_the_documentation_verifies_an_export(
    api_server: ApiServer, tmp_path: Path
) -> None:
    write(api_server, 20)
    api_server.clock.advance(days=40)
    last = write(api_server, 10)
    api_server.services.audit_checkpoints.prune(timedelta(days=30))
    write(api_server, 10)

    export = b"".join(api_server.services.audit.export(api_server.actor(ALICE)))
    pem = api_server.services.audit.public_key.pem

    done = run_script(tmp_path, export, pem)
    assert (done.returncode, done.stdout) == (0, f"intact: entries {last - 9} to {last + 10}\n"), (
        done.stderr
    )

    for wrong in (
        export.replace(b'"test"', b'"tess"', 1),
        export.replace(b'"removed_to":', b'"removed_to":1', 1),
        b"".join(export.splitlines(keepends=True)[:-1]),
    ):
        assert run_script(tmp_path, wrong, pem).returncode == 1

"""Exports of an org that a hostile server has made, whole and signed by its own key."""

from __future__ import annotations

from pathlib import Path

from opsicle.kit.clock import SystemClock
from opsicle.security.audit_key import AuditKey
from opsicle.server.access.actor import SystemActor
from opsicle.server.audit.checkpoints import sign_chain
from opsicle.server.backups.archive import LOGS
from opsicle.server.store import audit, org_copies, org_tables
from tests.api.moving_orgs import changed, sql

_KEYS = (*org_tables.STATE_TABLES, *org_tables.CHECKPOINT_TABLES)
_SEALED_FOR_THE_ORG = (
    "audit_checkpoints",
    "audit_checkpoint_gaps",
    "audit_entries",
    "channels",
    "chat_links",
    "deliveries",
    "notice_preferences",
    "sealed_values",
    "secrets",
    "trigger_secrets",
)
"""What would not fit an org of another id, and so is left out."""


def with_id(content: bytes, org_id: str, folder: Path) -> bytes:
    """Return an export whose org has this id wherever it is named."""
    key = AuditKey.create()

    def give_id(database: Path) -> None:
        with org_copies.draft(database) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            for table in _KEYS:
                column = "id" if table == "orgs" else "org_id"
                if column in org_copies.columns_of(db, table).split(", "):
                    db.execute(f"UPDATE {table} SET {column} = ?", (org_id,))
            for table in _SEALED_FOR_THE_ORG:
                db.execute(f"DELETE FROM {table}")
            at = SystemClock().now()
            audit.append(db, at, org_id or None, SystemActor(), "create", "orgs")
            sign_chain(db, key, org_id, at)

    without_logs = sql(
        "DELETE FROM segments; DELETE FROM segment_lines; DELETE FROM gaps; DELETE FROM job_logs;"
        "DELETE FROM usage"
    )
    of_state = changed(content, give_id, folder, org_id=org_id, audit_key_pem=key.public.pem)
    return changed(of_state, without_logs, folder, LOGS)


_FILE = (
    "INSERT INTO contents (org_id, sha256, size, checked_at)"
    " SELECT id, '{}', 1, created_at FROM orgs"
)
_ACCOUNT = (
    "INSERT INTO users (id, email, name, password_hash, created_at)"
    " SELECT '{}', '{}', 'Ines', password_hash, created_at FROM users LIMIT 1"
)
_ID = "0" * 26
FORGED = {
    _FILE.format("../master.key"): "not a digest",
    _ACCOUNT.format("ines@example.com", "x@example.com"): "'ines@example.com', which is not an id",
    _ACCOUNT.format(_ID, "1" * 26): "address '1{26}', which is not one",
    _ACCOUNT.format(_ID, "in\u0435s@example.com"): "which mixes letters of Cyrillic and Latin",
    _ACCOUNT.format(_ID, "backup@initech.service"): "no service account's of this org",
    _ACCOUNT.format(_ID, "1" * 26 + "@erased.invalid"): "of another account",
    "UPDATE tokens SET id = '../x' WHERE id = (SELECT min(id) FROM tokens)": "'../x', which is not",
}
"""Names that stand for something else where they come to, and why they are refused."""

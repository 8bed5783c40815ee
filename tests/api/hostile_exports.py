"""Exports of an org that a hostile server has made, whole and signed by its own key."""

from __future__ import annotations

from collections.abc import Callable
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
                if column in org_copies._columns(db, table).split(", "):
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


def stored_as(name: str) -> Callable[[Path], None]:
    """Return a change by which the org has a file of this name in place of a digest."""
    return sql(
        "INSERT INTO contents (org_id, sha256, size, checked_at)"
        f" SELECT id, '{name}', 1, created_at FROM orgs"
    )

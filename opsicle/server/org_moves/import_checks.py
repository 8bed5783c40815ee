"""Whether an export is what a server has written, of one org alone, and has a place here."""

from __future__ import annotations

from pathlib import Path

from opsicle.domain.audit_chain import chain_of
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.kit.ids import is_id
from opsicle.security import audit_record
from opsicle.security.audit_key import AuditPublicKey
from opsicle.server.access import validators
from opsicle.server.backups.archive import LOGS, STATE, OrgHead
from opsicle.server.org_moves.foreign_names import check_names
from opsicle.server.store import (
    audit,
    audit_checkpoints,
    migrations,
    org_checks,
    org_copies,
    orgs,
)
from opsicle.server.store.database import Connection
from opsicle.server.store.integrity import check_integrity
from opsicle.server.store.org_tables import CHECKPOINT_TABLES, STATE_TABLES
from opsicle.wire.audit import Checkpoint


def bring_up_to_date(draft: Path) -> None:
    """Bring the databases of an export to this program's schema, and look for damage."""
    try:
        _check_database(draft / STATE, migrations.STATE_MIGRATIONS)
        if (draft / LOGS).exists():
            _check_database(draft / LOGS, migrations.LOG_MIGRATIONS)
    except Conflict as error:
        raise Conflict(
            f"the export cannot be used: {error.message}",
            hint="Export the org again. Nothing was changed.",
        ) from error


def _check_database(database: Path, steps: Path) -> None:
    """Bring one database up to date. Raises Conflict for a damaged one, InvalidInput for others."""
    migrations.migrate(database, steps)
    if not org_copies.is_made_by(steps, database):
        raise InvalidInput(
            f"{database.name} in the export is no database of Opsicle's",
            hint="It was not made by `opsicle orgs export`; nothing of it was used.",
        )
    check_integrity(database, is_thorough=True)


def check_head(head: OrgHead) -> None:
    """Raise InvalidInput for an id or a code that no server gives: the one is a folder's name."""
    if not is_id(head.org_id):
        raise InvalidInput(f"the id of the org in the export, {head.org_id!r:.99}, is not an id")
    validators.org_code(head.code)


def check_free(db: Connection, head: OrgHead) -> None:
    """Raise Conflict if the org, or another one of its code, is here."""
    if orgs.find(db, head.org_id):
        raise Conflict(
            f"the org {head.code} is on this server already",
            hint="Where it comes back, delete what it has left here first: `opsicle orgs delete`.",
        )
    if orgs.find_by_code(db, head.code):
        raise Conflict(
            f"another org of this server has the code {head.code}",
            hint="A code is an org's address, and stays. Import it into another server.",
        )


def check_draft(db: Connection, head: OrgHead) -> Checkpoint:
    """Return the last checkpoint of a record that is as it was written, of this org alone.

    Raises InvalidInput for what no server has exported, Conflict for a record that was altered.
    """
    tables = (*STATE_TABLES, *CHECKPOINT_TABLES)
    found = orgs.find(db, head.org_id)
    foreign = org_checks.find_foreign(db, head.org_id, tables)
    if foreign or found is None or found.code != head.code:
        raise _foreign(foreign or "orgs")
    if org_checks.has_foreign_tails(db):
        raise _foreign("log_tails")
    check_names(db, head.code)
    verdict = audit_record.verify(
        chain_of(head.org_id),
        AuditPublicKey.load(head.audit_key_pem),
        audit_checkpoints.list_all(db, head.org_id),
        audit.read_chain(db, head.org_id, 0),
        is_signed_to_end=True,
    )
    if verdict.fault:
        raise Conflict(
            f"the org's record is not as it was written: {verdict.fault.message}",
            hint="It was so on its server before: docs/audit.md. Nothing was changed.",
        )
    last = audit_checkpoints.find_last(db, head.org_id)
    assert last is not None  # it was signed to its end
    return last


def check_logs(logs: Path, head: OrgHead) -> None:
    """Raise InvalidInput for logs of another org; an export may have none."""
    if logs.exists() and org_checks.has_foreign_logs(logs, head.org_id):
        raise _foreign("its logs")


def _foreign(place: str) -> InvalidInput:
    return InvalidInput(
        f"the export holds what is of another org, in {place}",
        hint="It was not made by `opsicle orgs export`; nothing of it was used.",
    )

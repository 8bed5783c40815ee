"""Writing to an org's audit record, signing it, tampering with it, and judging it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw

from opsicle.server.access.actor import SystemActor
from opsicle.server.store import audit
from opsicle.wire.audit import AuditVerdict
from tests.api.running_server import ApiServer

ALICE, GINA = "alice@example.com", "gina@example.com"
DOCS = Path(__file__).parents[2] / "docs/audit.md"


def write(api_server: ApiServer, count: int, email: str = ALICE) -> int:
    """Add entries to an org's record; answers the number of the last one."""
    org_id = api_server.actor(email).org_id

    def work(db: Any) -> int:
        for n in range(count):
            audit.append(
                db,
                api_server.clock.now(),
                org_id,
                SystemActor(),
                "test",
                f"things/{n}",
                {"näme": f'"{n}"\n'},
            )
        return audit.head(db, org_id)[0]

    return api_server.state.write(work)


def verdict(api_server: ApiServer, email: str = ALICE) -> AuditVerdict:
    return api_server.services.audit.verify(api_server.actor(email))


def sign(api_server: ApiServer, email: str = ALICE) -> None:
    api_server.services.audit_checkpoints.sign(api_server.actor(email).org_id)


def tamper(api_server: ApiServer, sql: str, *values: object) -> None:
    """Change the file past the server, as whoever owns the machine can."""
    db = apsw.Connection(str(api_server.folder.state_database))
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(sql, values)
    assert db.changes() > 0
    db.close()


def fault(found: AuditVerdict) -> tuple[str, int]:
    assert found.fault is not None
    return found.fault.kind, found.fault.seq

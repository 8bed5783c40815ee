"""SQL of forwarding the record: how far each destination has it, chain by chain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import apsw

from opsicle.kit.clock import from_text
from opsicle.server.store import audit


class ChainHead(NamedTuple):
    """A chain that has entries: its org ("" for none), that one's code, and the newest number."""

    org_id: str
    org: str
    seq: int


class Backlog(NamedTuple):
    """What a destination does not have yet: how many entries, and since when."""

    entries: int
    oldest_at: datetime | None


def list_heads(db: apsw.Connection) -> list[ChainHead]:
    """Return every chain that has entries. It takes one step down the index for each."""
    orgs = {str(org_id): str(code) for org_id, code in db.execute("SELECT id, code FROM orgs")}
    return [
        ChainHead(org_id, orgs.get(org_id, ""), seq)
        for org_id, (seq, _) in audit.list_heads(db).items()
    ]


def begin(db: apsw.Connection, destination: str) -> None:
    """Let a destination that is new begin behind what there is now; a known one goes on."""
    if list_cursors(db, destination):
        return
    heads = {org_id: seq for org_id, (seq, _) in audit.list_heads(db).items()}
    save_cursors(db, destination, {"": 0} | heads)


def list_cursors(db: apsw.Connection, destination: str) -> dict[str, int]:
    """Return up to where a destination has each chain."""
    sql = "SELECT org_id, seq FROM forwarding_cursors WHERE destination = :destination"
    found = db.execute(sql, {"destination": destination})
    return {str(org_id): int(str(seq)) for org_id, seq in found}


def save_cursors(db: apsw.Connection, destination: str, cursors: Mapping[str, int]) -> None:
    """Record up to where a destination has these chains; none is ever set back."""
    db.executemany(
        """
        INSERT INTO forwarding_cursors (destination, org_id, seq) VALUES (?, ?, ?)
            ON CONFLICT (destination, org_id) DO UPDATE SET seq = max(seq, excluded.seq)
        """,
        [(destination, org_id, seq) for org_id, seq in cursors.items()],
    )


def get_backlog(db: apsw.Connection, destination: str) -> Backlog:
    """Return what a destination does not have yet."""
    cursors = list_cursors(db, destination)
    behind = {
        org_id: (cursors.get(org_id, 0), seq)
        for org_id, (seq, _) in audit.list_heads(db).items()
        if seq > cursors.get(org_id, 0)
    }
    times = [_time_after(db, org_id, cursor) for org_id, (cursor, _) in behind.items()]
    count = sum(seq - cursor for cursor, seq in behind.values())
    return Backlog(count, min((at for at in times if at), default=None))


def _time_after(db: apsw.Connection, org_id: str, seq: int) -> datetime | None:
    """Return when the first entry behind a number was made."""
    row = db.execute(
        "SELECT at FROM audit_entries WHERE org_id = :org_id AND seq > :seq ORDER BY seq LIMIT 1",
        {"org_id": org_id, "seq": seq},
    ).fetchone()
    return from_text(row[0]) if row else None

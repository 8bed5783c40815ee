"""SQL of checkpoints: how far each org's chain of audit entries had got, signed."""

from __future__ import annotations

import apsw

from opsicle.server.store.rows import Row, fetch_all, fetch_value
from opsicle.wire.audit import Checkpoint


class ChainRow(Row, frozen=True):
    """Where an org's chain stands: its oldest and newest entry, and the newest that a checkpoint covers."""

    org_id: str
    first_seq: int
    last_seq: int
    signed_to: int


def find_last(db: apsw.Connection, org_id: str) -> Checkpoint | None:
    """An org's newest checkpoint, or None."""
    checkpoints = _select(db, org_id, "ORDER BY number DESC LIMIT 1")
    return checkpoints[0] if checkpoints else None


def list_all(db: apsw.Connection, org_id: str) -> list[Checkpoint]:
    """Every checkpoint of an org, in order."""
    return _select(db, org_id, "ORDER BY number")


def insert(db: apsw.Connection, org_id: str, checkpoint: Checkpoint) -> None:
    """Add an org's next checkpoint."""
    each = checkpoint
    db.execute(
        """
        INSERT INTO audit_checkpoints (org_id, number, seq, hash, at, removed_to, removed_hash, previous, signature)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(org_id, each.number, each.seq, each.hash, each.at),
            *(each.removed_to, each.removed_hash, each.previous, each.signature),
        ),
    )


def exists(db: apsw.Connection) -> bool:
    """Whether this server has ever signed anything."""
    return bool(fetch_value(db, "SELECT EXISTS (SELECT 1 FROM audit_checkpoints)", {}))


def list_chains(db: apsw.Connection) -> list[ChainRow]:
    """Every chain that has entries."""
    return fetch_all(
        db,
        """
        SELECT org_id, first_seq, last_seq, signed_to
          FROM (SELECT org_id,
                       (SELECT min(seq) FROM audit_entries AS e WHERE e.org_id = chains.org_id) AS first_seq,
                       (SELECT max(seq) FROM audit_entries AS e WHERE e.org_id = chains.org_id) AS last_seq,
                       coalesce((SELECT seq FROM audit_checkpoints AS c WHERE c.org_id = chains.org_id
                                  ORDER BY number DESC LIMIT 1), 0) AS signed_to
                  FROM (SELECT id AS org_id FROM orgs UNION ALL SELECT '') AS chains)
         WHERE last_seq IS NOT NULL
        """,
        {},
        ChainRow,
    )


def _select(db: apsw.Connection, org_id: str, order: str) -> list[Checkpoint]:
    rows = db.execute(
        "SELECT number, seq, hash, at, removed_to, removed_hash, previous, signature FROM audit_checkpoints "  # noqa: S608 - `order` is ours
        f"WHERE org_id = :org_id {order}",
        {"org_id": org_id},
    )
    return [Checkpoint(**dict(zip(Checkpoint.__struct_fields__, row, strict=True))) for row in rows]

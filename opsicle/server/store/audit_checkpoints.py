"""SQL of checkpoints, which sign how far each org's chain of audit entries had got.

Where checkpoints were thinned out, a gap stands in their place.
"""

from __future__ import annotations

import apsw
import msgspec

from opsicle.server.store.rows import Row, fetch_all, fetch_value
from opsicle.wire.audit import Checkpoint, CheckpointGap, Signed


class ChainRow(Row, frozen=True):
    """The oldest and newest entry of an org's chain, and the newest that a checkpoint covers.

    `head_seq` is the newest that the replaceable signature covers, 0 without one.
    """

    org_id: str
    first_seq: int
    last_seq: int
    signed_to: int
    head_seq: int


def find_last(db: apsw.Connection, org_id: str) -> Checkpoint | None:
    """Return an org's newest checkpoint, or None."""
    checkpoints = _select(db, org_id, "ORDER BY number DESC LIMIT 1")
    return checkpoints[0] if checkpoints else None


def list_all(db: apsw.Connection, org_id: str) -> list[Signed]:
    """Return every checkpoint and gap of an org, in order.

    The replaceable signature, if it is the newest, is the last.
    """
    head = find_head(db, org_id)
    kept = list_kept(db, org_id)
    return [*kept, head] if head else kept


def list_kept(db: apsw.Connection, org_id: str) -> list[Signed]:
    """Return every checkpoint that stays, and every gap between them, in order."""
    kept: list[tuple[int, Signed]] = [
        (each.number, each) for each in _select(db, org_id, "ORDER BY number")
    ]

    rows = db.execute(
        """
        SELECT first, last, previous, hash, signature
          FROM audit_checkpoint_gaps
         WHERE org_id = :org_id
        """,
        {"org_id": org_id},
    )
    gaps = [
        CheckpointGap(**dict(zip(CheckpointGap.__struct_fields__, row, strict=True)))
        for row in rows
    ]
    kept += [(each.first, each) for each in gaps]

    return [each for _, each in sorted(kept, key=lambda pair: pair[0])]


def insert_gap(db: apsw.Connection, org_id: str, gap: CheckpointGap) -> None:
    """Put a gap in the place of the checkpoints that it stands for, and of the gaps within it."""
    given = {"org_id": org_id, **msgspec.structs.asdict(gap)}
    db.execute(
        """
        INSERT INTO audit_checkpoint_gaps (org_id, first, last, previous, hash, signature)
        VALUES (:org_id, :first, :last, :previous, :hash, :signature)
        """,
        given,
    )
    db.execute(
        "DELETE FROM audit_checkpoints WHERE org_id = :org_id AND number BETWEEN :first AND :last",
        given,
    )
    db.execute(
        """
        DELETE FROM audit_checkpoint_gaps
         WHERE org_id = :org_id
           AND first >= :first
           AND last <= :last
           AND NOT (first = :first AND last = :last)
        """,
        given,
    )


def note_export(db: apsw.Connection, org_id: str, number: int) -> None:
    """Keep that somebody has taken away a record that ends with this checkpoint."""
    db.execute(
        "INSERT OR IGNORE INTO audit_exports (org_id, number) VALUES (?, ?)", (org_id, number)
    )


def list_exported(db: apsw.Connection, org_id: str) -> frozenset[int]:
    """Return the numbers of the checkpoints with which exports have ended."""
    return frozenset(
        n for (n,) in db.execute("SELECT number FROM audit_exports WHERE org_id = ?", (org_id,))
    )


def find_head(db: apsw.Connection, org_id: str) -> Checkpoint | None:
    """Return the signature of an org's chain that is newer than its newest checkpoint, or None."""
    newest = "(SELECT coalesce(max(number), 0) FROM audit_checkpoints WHERE org_id = :org_id)"
    heads = _select(db, org_id, f"AND number > {newest}", table="audit_heads")
    return heads[0] if heads else None


def put_head(db: apsw.Connection, org_id: str, head: Checkpoint) -> None:
    """Put a newer signature in the place of an org's last one."""
    columns = (
        head.number,
        head.seq,
        head.hash,
        head.at,
        head.removed_to,
        head.removed_hash,
        head.previous,
    )
    db.execute(
        """
        INSERT INTO audit_heads (org_id, number, seq, hash, at, removed_to, removed_hash, previous,
                                 signature)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (org_id) DO UPDATE
           SET number = excluded.number, seq = excluded.seq, hash = excluded.hash, at = excluded.at,
               removed_to = excluded.removed_to, removed_hash = excluded.removed_hash,
               previous = excluded.previous, signature = excluded.signature
        """,
        (org_id, *columns, head.signature),
    )


def insert(db: apsw.Connection, org_id: str, checkpoint: Checkpoint) -> None:
    """Add an org's next checkpoint."""
    each = checkpoint
    db.execute(
        """
        INSERT INTO audit_checkpoints (org_id, number, seq, hash, at, removed_to, removed_hash,
                                       previous, signature)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            *(org_id, each.number, each.seq, each.hash, each.at),
            *(each.removed_to, each.removed_hash, each.previous, each.signature),
        ),
    )


def exists(db: apsw.Connection) -> bool:
    """Return whether this server has ever signed anything."""
    sql = "SELECT EXISTS (SELECT 1 FROM audit_checkpoints UNION ALL SELECT 1 FROM audit_heads)"
    return bool(fetch_value(db, sql, {}))


def list_chains(db: apsw.Connection) -> list[ChainRow]:
    """Return every chain that has entries."""
    return fetch_all(
        db,
        """
        WITH chains (org_id) AS (SELECT id FROM orgs UNION ALL SELECT '')
        SELECT org_id, first_seq, last_seq, signed_to, head_seq
          FROM (SELECT org_id,
                       (SELECT min(seq)
                          FROM audit_entries AS e
                         WHERE e.org_id = chains.org_id) AS first_seq,
                       (SELECT max(seq)
                          FROM audit_entries AS e
                         WHERE e.org_id = chains.org_id) AS last_seq,
                       coalesce((SELECT seq
                                   FROM audit_checkpoints AS c
                                  WHERE c.org_id = chains.org_id
                                  ORDER BY number DESC LIMIT 1), 0) AS signed_to,
                       coalesce((SELECT seq
                                   FROM audit_heads AS h
                                  WHERE h.org_id = chains.org_id), 0) AS head_seq
                  FROM chains)
         WHERE last_seq IS NOT NULL
        """,
        {},
        ChainRow,
    )


def _select(
    db: apsw.Connection, org_id: str, order: str, table: str = "audit_checkpoints"
) -> list[Checkpoint]:
    sql = f"""
        SELECT number, seq, hash, at, removed_to, removed_hash, previous, signature
          FROM {table}
         WHERE org_id = :org_id {order}
    """  # noqa: S608 - literals of this file
    rows = db.execute(sql, {"org_id": org_id})
    return [Checkpoint(**dict(zip(Checkpoint.__struct_fields__, row, strict=True))) for row in rows]

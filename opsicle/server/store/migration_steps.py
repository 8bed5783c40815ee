"""What a migration does that SQL alone cannot.

A step never changes afterwards, just as the migrations' files do not.
"""

from __future__ import annotations

from collections.abc import Callable

import apsw

from opsicle.domain.audit_chain import NO_HASH, chain_of, entry_hash


def chain_entries(db: apsw.Connection) -> None:
    """Chain the entries from before there were chains, each org's in their order."""
    heads: dict[str, tuple[int, str]] = {}
    rows = db.execute(
        """
        SELECT coalesce(org_id, ''), at, actor_kind, actor_id, actor_name, channel, address, verb,
               resource, data
          FROM audit_entries_unchained
         ORDER BY seq
        """
    )

    for org_id, *fields in rows:
        seq, previous = heads.get(org_id, (0, NO_HASH))
        digest = entry_hash(chain_of(org_id), previous, (seq + 1, *fields))
        db.execute(
            "INSERT INTO audit_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (org_id, seq + 1, *fields, bytes.fromhex(digest)),
        )
        heads[org_id] = (seq + 1, digest)

    db.execute("DROP TABLE audit_entries_unchained")


STEPS: dict[str, Callable[[apsw.Connection], None]] = {"0002_audit_chain.sql": chain_entries}
"""By the name of the file after which a step runs, in the same transaction."""

"""SQL of who answers, or ever answered, for service accounts. No row is ever changed or removed."""

from __future__ import annotations

from collections.abc import Iterable

import apsw

from opsicle.server.store.rows import Row, fetch_all, json_list


class OwnerRow(Row, frozen=True):
    """Somebody who answers for an account from the record's entry `seq` to the next owner's."""

    user_id: str
    seq: int
    owner_id: str


def insert(db: apsw.Connection, org_id: str, row: OwnerRow) -> None:
    """Record that somebody answers for a service account from now on."""
    db.execute(
        """
        INSERT INTO account_owners (org_id, user_id, seq, owner_id)
        VALUES (:org_id, :user_id, :seq, :owner_id)
        """,
        {"org_id": org_id, "user_id": row.user_id, "seq": row.seq, "owner_id": row.owner_id},
    )


def list_of_user(db: apsw.Connection, org_id: str, user_id: str) -> list[OwnerRow]:
    """Return all owners of one that is, or was, a service account, oldest first."""
    return fetch_all(
        db,
        """
        SELECT user_id, seq, owner_id
          FROM account_owners
         WHERE org_id = :org_id AND user_id = :user_id
         ORDER BY seq
        """,
        {"org_id": org_id, "user_id": user_id},
        OwnerRow,
    )


def list_of(db: apsw.Connection, org_id: str, user_ids: Iterable[str]) -> dict[str, list[OwnerRow]]:
    """Return for each of these that is, or was, a service account all its owners, oldest first."""
    rows = fetch_all(
        db,
        """
        SELECT user_id, seq, owner_id
          FROM account_owners
         WHERE org_id = :org_id AND user_id IN (SELECT value FROM json_each(:user_ids))
         ORDER BY user_id, seq
        """,
        {"org_id": org_id, "user_ids": json_list(user_ids)},
        OwnerRow,
    )

    found: dict[str, list[OwnerRow]] = {}
    for row in rows:
        found.setdefault(row.user_id, []).append(row)
    return found

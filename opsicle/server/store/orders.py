"""SQL of orders, as they were signed, and of the public keys by which they are verified."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all


class OrderRow(Row, frozen=True):
    """One order. `public_key` are the 32 bytes of the key under which it was signed."""

    job_id: str
    fence: int
    content: bytes
    signature: bytes
    public_key: bytes


class OrderKeyRow(Row, frozen=True):
    """A public key for orders.

    `org_id` is "" for one of this server's, else the org that came from where it was used. `mac`
    says that this server has written the row.
    """

    org_id: str
    public_key: bytes
    first_used_at: datetime
    mac: str


def insert(db: apsw.Connection, row: OrderRow) -> None:
    """Keep an order, in the transaction that gives the lease."""
    db.execute(
        """
        INSERT INTO orders (job_id, fence, content, signature, public_key)
        VALUES (?, ?, ?, ?, ?)
        """,
        (row.job_id, row.fence, row.content, row.signature, row.public_key),
    )


def list_of_jobs(db: apsw.Connection, automation_id: str) -> list[OrderRow]:
    """Return every order of an automation's jobs, those of each job in the order of its leases."""
    return fetch_all(
        db,
        """
        SELECT o.job_id, o.fence, o.content, o.signature, o.public_key
          FROM jobs j
          JOIN orders o ON o.job_id = j.id
         WHERE j.automation_id = :id
         ORDER BY j.fence, o.fence
        """,
        {"id": automation_id},
        OrderRow,
    )


def count_given(db: apsw.Connection, automation_id: str) -> dict[str, int]:
    """Return how many orders were given for each job of an automation since they are kept."""
    rows = db.execute("SELECT id, orders_kept FROM jobs WHERE automation_id = ?", (automation_id,))
    return {str(job_id): int(str(count)) for job_id, count in rows}


def put_key(db: apsw.Connection, row: OrderKeyRow) -> None:
    """Keep a public key, in the place of what there may be of it."""
    db.execute(
        """
        INSERT OR REPLACE INTO order_keys (org_id, public_key, first_used_at, mac)
        VALUES (?, ?, ?, ?)
        """,
        (row.org_id, row.public_key, to_text(row.first_used_at), row.mac),
    )


def list_keys(db: apsw.Connection, org_id: str) -> list[OrderKeyRow]:
    """Return this server's keys and those that an org has brought along, the oldest first."""
    return fetch_all(
        db,
        """
        SELECT org_id, public_key, first_used_at, mac
          FROM order_keys
         WHERE org_id IN ('', :org_id)
         ORDER BY first_used_at, org_id, public_key
        """,
        {"org_id": org_id},
        OrderKeyRow,
    )


def delete_keys(db: apsw.Connection) -> None:
    """Remove every key of a draft."""
    db.execute("DELETE FROM order_keys")

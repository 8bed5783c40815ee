"""SQL of triggers, beside what `documents.py` has of all documents: secrets and receipts."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed
from opsicle.server.store.secrets import SealedRow


class TriggerRow(Row, frozen=True):
    """A trigger beside what its versions say; `secret_made_at` is None while it has no secret."""

    id: str
    org_id: str
    name: str
    version: int
    is_paused: bool
    secret_made_at: datetime | None


_SELECT = """
    SELECT t.id, t.org_id, t.name, t.latest_version, t.is_paused, s.made_at
      FROM triggers t
      LEFT JOIN trigger_secrets s ON s.trigger_id = t.id
"""


def find(db: apsw.Connection, org_id: str, name: str) -> TriggerRow | None:
    """Return a trigger of this org, or None if it is absent or deleted."""
    where = "WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, TriggerRow)


def pause(db: apsw.Connection, trigger_id: str, is_paused: bool, at: datetime) -> bool:
    """Pause or resume a trigger. Return False if it was so already."""
    return has_changed(
        db,
        """
        UPDATE triggers
           SET is_paused = :is_paused, updated_at = :at
         WHERE id = :id AND is_paused <> :is_paused AND deleted_at IS NULL
        """,
        {"id": trigger_id, "is_paused": is_paused, "at": to_text(at)},
    )


def is_current(db: apsw.Connection, row: TriggerRow) -> bool:
    """Return whether a trigger is as it was read: neither deleted, paused nor pushed anew."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM triggers
                        WHERE id = :id AND latest_version = :version AND NOT is_paused
                          AND deleted_at IS NULL)
    """
    return bool(fetch_value(db, sql, {"id": row.id, "version": row.version}))


def put_secret(db: apsw.Connection, sealed: SealedRow, at: datetime) -> bool:
    """Give a trigger its next secret; the one before is gone. Return False if someone was first."""
    return has_changed(
        db,
        """
        INSERT INTO trigger_secrets (trigger_id, org_id, version, wrapped_key, ciphertext, made_at)
        VALUES (:trigger_id, :org_id, :version, :wrapped_key, :ciphertext, :at)
        ON CONFLICT (trigger_id) DO UPDATE
           SET version = excluded.version, wrapped_key = excluded.wrapped_key,
               ciphertext = excluded.ciphertext, made_at = excluded.made_at
         WHERE trigger_secrets.version = excluded.version - 1
        """,
        {
            "trigger_id": sealed.key,
            "org_id": sealed.org_id,
            "version": sealed.version,
            "wrapped_key": sealed.wrapped_key,
            "ciphertext": sealed.ciphertext,
            "at": to_text(at),
        },
    )


def delete_secret(db: apsw.Connection, trigger_id: str) -> None:
    """Forget a trigger's secret."""
    db.execute("DELETE FROM trigger_secrets WHERE trigger_id = :id", {"id": trigger_id})


_SEALED = "SELECT org_id, trigger_id, version, wrapped_key, ciphertext FROM trigger_secrets"


def find_sealed(db: apsw.Connection, trigger_id: str) -> SealedRow | None:
    """Return a trigger's encrypted secret, or None."""
    return fetch_one(db, f"{_SEALED} WHERE trigger_id = :id", {"id": trigger_id}, SealedRow)


def list_sealed(db: apsw.Connection) -> list[SealedRow]:
    """Return the encrypted secrets of every org's triggers."""
    return fetch_all(db, _SEALED, {}, SealedRow)


def rewrap(db: apsw.Connection, row: SealedRow) -> None:
    """Note the data key of a secret under a new master key."""
    db.execute(
        "UPDATE trigger_secrets SET wrapped_key = :wrapped_key WHERE trigger_id = :id",
        {"id": row.key, "wrapped_key": row.wrapped_key},
    )


class NewReceipt(Row, frozen=True):
    """What starts nothing again until it expires: the digest of what it is known by."""

    key: str
    expires_at: datetime


def put_receipt(
    db: apsw.Connection, trigger_id: str, receipt: NewReceipt, automation_id: str, now: datetime
) -> bool:
    """Note what an automation was started for. Return False if that has started one already."""
    return has_changed(
        db,
        """
        INSERT INTO trigger_receipts (trigger_id, key, automation_id, expires_at)
        VALUES (:trigger_id, :key, :automation_id, :expires_at)
        ON CONFLICT (trigger_id, key) DO UPDATE
           SET automation_id = excluded.automation_id, expires_at = excluded.expires_at
         WHERE trigger_receipts.expires_at <= :now
        """,
        {
            "trigger_id": trigger_id,
            "key": receipt.key,
            "automation_id": automation_id,
            "expires_at": to_text(receipt.expires_at),
            "now": to_text(now),
        },
    )


def find_receipt(db: apsw.Connection, trigger_id: str, key: str, now: datetime) -> str | None:
    """Return the id of the automation that was started for the same, None if there is none."""
    sql = """
        SELECT automation_id FROM trigger_receipts
         WHERE trigger_id = :trigger_id AND key = :key AND expires_at > :now
    """
    found = fetch_value(db, sql, {"trigger_id": trigger_id, "key": key, "now": to_text(now)})
    return None if found is None else str(found)


def delete_receipts_until(db: apsw.Connection, trigger_id: str, at: datetime) -> None:
    """Forget receipts of a trigger that have expired."""
    db.execute(
        "DELETE FROM trigger_receipts WHERE trigger_id = :id AND expires_at <= :at",
        {"id": trigger_id, "at": to_text(at)},
    )


def delete_receipts(db: apsw.Connection, trigger_id: str) -> None:
    """Forget all receipts of a trigger."""
    db.execute("DELETE FROM trigger_receipts WHERE trigger_id = :id", {"id": trigger_id})

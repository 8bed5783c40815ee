"""SQL of secrets and of the sealed values of automations. Nothing here is ever in clear."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_value,
    has_changed,
    json_list,
)


class SecretRow(Row, frozen=True):
    """One secret without its value. `version` counts its values from 1.

    `used_at` and `used_by`, an automation's id, say when it was handed out last; `used_in` is the
    template of that, None where the automation has been removed since.
    """

    name: str
    version: int
    description: str
    created_at: datetime
    updated_at: datetime
    updater_id: str
    updater_email: str
    updater_name: str
    used_at: datetime | None = None
    used_by: str | None = None
    used_in: str | None = None


class SealedRow(Row, frozen=True):
    """What is encrypted, and what it belongs to: `key` is a secret's name or an automation's id."""

    org_id: str
    key: str
    version: int
    wrapped_key: bytes
    ciphertext: bytes


_SELECT = """
    SELECT s.name, s.version, s.description, s.created_at, s.updated_at, u.id, u.email, u.name,
           used.used_at, a.id, a.template
      FROM secrets s
      JOIN users u ON u.id = s.updated_by
      LEFT JOIN secret_uses used ON used.org_id = s.org_id AND used.name = s.name
      LEFT JOIN automations a ON a.id = used.automation_id AND a.org_id = s.org_id
"""


def insert(db: apsw.Connection, org_id: str, row: SecretRow, sealed: SealedRow) -> bool:
    """Record a new secret. Return False if the org has one of that name."""
    return has_changed(
        db,
        """
        INSERT INTO secrets (org_id, name, version, description, wrapped_key, ciphertext,
                             created_at, updated_at, updated_by)
        VALUES (:org_id, :name, :version, :description, :wrapped_key, :ciphertext, :created_at,
                :updated_at, :by)
        ON CONFLICT DO NOTHING
        """,
        {
            "org_id": org_id,
            "name": row.name,
            "version": row.version,
            "description": row.description,
            "wrapped_key": sealed.wrapped_key,
            "ciphertext": sealed.ciphertext,
            "created_at": to_text(row.created_at),
            "updated_at": to_text(row.updated_at),
            "by": row.updater_id,
        },
    )


def replace(db: apsw.Connection, row: SecretRow, sealed: SealedRow) -> bool:
    """Put the next version in the place of the one before it, whose value is gone.

    Return False if someone was first.
    """
    return has_changed(
        db,
        """
        UPDATE secrets
           SET version = :version, description = :description, wrapped_key = :wrapped_key,
               ciphertext = :ciphertext, updated_at = :updated_at, updated_by = :by
         WHERE org_id = :org_id AND name = :name AND version = :version - 1
        """,
        {
            "org_id": sealed.org_id,
            "name": row.name,
            "version": row.version,
            "description": row.description,
            "wrapped_key": sealed.wrapped_key,
            "ciphertext": sealed.ciphertext,
            "updated_at": to_text(row.updated_at),
            "by": row.updater_id,
        },
    )


def note_use(
    db: apsw.Connection, org_id: str, names: Iterable[str], automation_id: str, at: datetime
) -> None:
    """Note which automation secrets were handed out to, in the place of the use before.

    Of one that was deleted meanwhile nothing is noted.
    """
    db.execute(
        """
        INSERT INTO secret_uses (org_id, name, used_at, automation_id)
        SELECT org_id, name, :at, :automation_id
          FROM secrets
         WHERE org_id = :org_id AND name IN (SELECT value FROM json_each(:names))
        ON CONFLICT (org_id, name) DO UPDATE
           SET used_at = excluded.used_at, automation_id = excluded.automation_id
        """,
        {
            "org_id": org_id,
            "names": json_list(names),
            "automation_id": automation_id,
            "at": to_text(at),
        },
    )


def delete(db: apsw.Connection, org_id: str, name: str) -> bool:
    """Remove a secret. Return False if there is none of that name."""
    return has_changed(
        db,
        "DELETE FROM secrets WHERE org_id = :org_id AND name = :name",
        {"org_id": org_id, "name": name},
    )


def find(db: apsw.Connection, org_id: str, name: str) -> SecretRow | None:
    """Return one secret of the org, or None."""
    parameters = {"org_id": org_id, "name": name}
    return fetch_one(
        db, _SELECT + "WHERE s.org_id = :org_id AND s.name = :name", parameters, SecretRow
    )


def list_by_name(db: apsw.Connection, org_id: str, after: str, limit: int) -> list[SecretRow]:
    """Return the org's secrets whose names stand after this one."""
    return fetch_all(
        db,
        _SELECT + "WHERE s.org_id = :org_id AND s.name > :after ORDER BY s.name LIMIT :limit",
        {"org_id": org_id, "after": after, "limit": limit},
        SecretRow,
    )


def list_names(db: apsw.Connection, org_id: str) -> set[str]:
    """Return the names of all of the org's secrets."""
    return set(
        fetch_column(db, "SELECT name FROM secrets WHERE org_id = :org_id", {"org_id": org_id})
    )


def find_sealed(db: apsw.Connection, org_id: str, name: str) -> SealedRow | None:
    """Return a secret's encrypted value, or None."""
    return fetch_one(
        db,
        """
        SELECT org_id, name, version, wrapped_key, ciphertext
          FROM secrets
         WHERE org_id = :org_id
           AND name = :name
        """,
        {"org_id": org_id, "name": name},
        SealedRow,
    )


def list_sealed(db: apsw.Connection) -> list[SealedRow]:
    """Return every org's secrets, encrypted."""
    return fetch_all(
        db, "SELECT org_id, name, version, wrapped_key, ciphertext FROM secrets", {}, SealedRow
    )


def rewrap(db: apsw.Connection, row: SealedRow) -> None:
    """Note the data key of a secret under a new master key."""
    db.execute(
        "UPDATE secrets SET wrapped_key = :wrapped_key WHERE org_id = :org_id AND name = :name",
        {"org_id": row.org_id, "name": row.key, "wrapped_key": row.wrapped_key},
    )


def insert_values(db: apsw.Connection, row: SealedRow, commitments: str) -> None:
    """Record an automation's encrypted secret values, and what its manifest says of each."""
    db.execute(
        """
        INSERT INTO sealed_values (automation_id, org_id, wrapped_key, ciphertext, commitments)
        VALUES (:automation_id, :org_id, :wrapped_key, :ciphertext, :commitments)
        """,
        {
            "automation_id": row.key,
            "org_id": row.org_id,
            "wrapped_key": row.wrapped_key,
            "ciphertext": row.ciphertext,
            "commitments": commitments,
        },
    )


def find_commitments(db: apsw.Connection, automation_id: str) -> str | None:
    """Return, as JSON, what an automation's manifest says of its secrets, or None."""
    sql = "SELECT commitments FROM sealed_values WHERE automation_id = :automation_id"
    value = fetch_value(db, sql, {"automation_id": automation_id})
    return None if value is None else str(value)


def find_values(db: apsw.Connection, automation_id: str) -> SealedRow | None:
    """Return the encrypted values of an automation's secret variables, or None."""
    return fetch_one(
        db,
        """
        SELECT org_id, automation_id, 1, wrapped_key, ciphertext
          FROM sealed_values
         WHERE automation_id = :automation_id
        """,
        {"automation_id": automation_id},
        SealedRow,
    )


def list_values(db: apsw.Connection) -> list[SealedRow]:
    """Return the encrypted values of all automations."""
    return fetch_all(
        db,
        "SELECT org_id, automation_id, 1, wrapped_key, ciphertext FROM sealed_values",
        {},
        SealedRow,
    )


def rewrap_values(db: apsw.Connection, row: SealedRow) -> None:
    """Note the data key of an automation's values under a new master key."""
    db.execute(
        "UPDATE sealed_values SET wrapped_key = :wrapped_key WHERE automation_id = :automation_id",
        {"automation_id": row.key, "wrapped_key": row.wrapped_key},
    )

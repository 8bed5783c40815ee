"""SQL of channels. A credential is never here in clear."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed
from opsicle.server.store.secrets import SealedRow


class ChannelRow(Row, frozen=True):
    """One channel without its credential.

    `config` is JSON; `credential_version` is 0 where there is none.
    """

    id: str
    org_id: str
    name: str
    kind: str
    config: str
    version: int
    credential_version: int
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    updater_id: str
    updater_email: str
    updater_name: str


_SELECT = """
    SELECT c.id, c.org_id, c.name, c.kind, c.config, c.version, c.credential_version, c.is_enabled,
           c.created_at, c.updated_at, u.id, u.email, u.name
      FROM channels c
      JOIN users u ON u.id = c.updated_by
"""


def insert(db: apsw.Connection, row: ChannelRow, sealed: SealedRow | None) -> bool:
    """Record a new channel. Return False if the org has one of that name."""
    return has_changed(
        db,
        """
        INSERT INTO channels (id, org_id, name, kind, config, version, credential_version,
                              wrapped_key, ciphertext, is_enabled, created_at, updated_at,
                              updated_by)
        VALUES (:id, :org_id, :name, :kind, :config, :version, :credential_version, :wrapped_key,
                :ciphertext, :is_enabled, :created_at, :updated_at, :by)
        ON CONFLICT DO NOTHING
        """,
        {
            "name": row.name,
            "kind": row.kind,
            "created_at": to_text(row.created_at),
            **_changeable(row, sealed),
        },
    )


def replace(db: apsw.Connection, row: ChannelRow) -> bool:
    """Put the next version in the place of the one before it; the credential stays.

    Return False if someone was first.
    """
    return has_changed(
        db,
        """
        UPDATE channels
           SET config = :config, version = :version, is_enabled = :is_enabled,
               updated_at = :updated_at, updated_by = :by
         WHERE org_id = :org_id AND id = :id AND version = :version - 1
           AND credential_version = :credential_version
        """,
        {
            key: value
            for key, value in _changeable(row, None).items()
            if key not in ("wrapped_key", "ciphertext")
        },
    )


def replace_credential(db: apsw.Connection, row: ChannelRow, sealed: SealedRow) -> bool:
    """Give a channel that has just got this version another credential.

    Return False if someone was first.
    """
    return has_changed(
        db,
        """
        UPDATE channels
           SET credential_version = credential_version + 1, wrapped_key = :wrapped_key,
               ciphertext = :ciphertext
         WHERE org_id = :org_id
           AND id = :id
           AND version = :version
           AND credential_version = :sealed_version - 1
        """,
        {
            "org_id": row.org_id,
            "id": row.id,
            "version": row.version,
            "sealed_version": sealed.version,
            "wrapped_key": sealed.wrapped_key,
            "ciphertext": sealed.ciphertext,
        },
    )


def _changeable(row: ChannelRow, sealed: SealedRow | None) -> dict[str, str | int | bytes | None]:
    return {
        "id": row.id,
        "org_id": row.org_id,
        "config": row.config,
        "version": row.version,
        "credential_version": row.credential_version,
        "wrapped_key": sealed.wrapped_key if sealed else None,
        "ciphertext": sealed.ciphertext if sealed else None,
        "is_enabled": row.is_enabled,
        "updated_at": to_text(row.updated_at),
        "by": row.updater_id,
    }


def find(db: apsw.Connection, org_id: str, id_or_name: str) -> ChannelRow | None:
    """Return one channel of an org by id or name, or None."""
    where = "WHERE c.org_id = :org_id AND (c.id = :key OR c.name = :key)"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "key": id_or_name}, ChannelRow)


def list_by_name(db: apsw.Connection, org_id: str, after: str, limit: int) -> list[ChannelRow]:
    """Return an org's channels by name, from the first one after `after`."""
    where = "WHERE c.org_id = :org_id AND c.name > :after ORDER BY c.name LIMIT :limit"
    return fetch_all(
        db, _SELECT + where, {"org_id": org_id, "after": after, "limit": limit}, ChannelRow
    )


def list_enabled(db: apsw.Connection, org_id: str) -> list[ChannelRow]:
    """Return an org's channels through which something goes out."""
    return fetch_all(
        db, _SELECT + "WHERE c.org_id = :org_id AND c.is_enabled", {"org_id": org_id}, ChannelRow
    )


def list_enabled_of_kind(db: apsw.Connection, kind: str) -> list[ChannelRow]:
    """Return every org's channels of one kind that are on."""
    return fetch_all(
        db, _SELECT + "WHERE c.kind = :kind AND c.is_enabled", {"kind": kind}, ChannelRow
    )


def delete(db: apsw.Connection, org_id: str, channel_id: str) -> bool:
    """Remove a channel of which nothing is left. Return False if there is none."""
    return has_changed(
        db,
        "DELETE FROM channels WHERE org_id = :org_id AND id = :id",
        {"org_id": org_id, "id": channel_id},
    )


_SEALED = """
    SELECT org_id, id, credential_version, wrapped_key, ciphertext
      FROM channels
     WHERE ciphertext IS NOT NULL
"""


def find_sealed(db: apsw.Connection, org_id: str, channel_id: str) -> SealedRow | None:
    """Return a channel's encrypted credential, or None."""
    return fetch_one(
        db,
        _SEALED + "AND org_id = :org_id AND id = :id",
        {"org_id": org_id, "id": channel_id},
        SealedRow,
    )


def list_sealed(db: apsw.Connection) -> list[SealedRow]:
    """Return every org's encrypted credentials."""
    return fetch_all(db, _SEALED, {}, SealedRow)


def rewrap(db: apsw.Connection, row: SealedRow) -> None:
    """Note the data key of a credential under a new master key."""
    db.execute(
        "UPDATE channels SET wrapped_key = :wrapped_key WHERE id = :id",
        {"id": row.key, "wrapped_key": row.wrapped_key},
    )

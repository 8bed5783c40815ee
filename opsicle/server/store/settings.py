"""SQL of settings: single values of the whole server, by name."""

from __future__ import annotations

import apsw

from opsicle.server.store.rows import fetch_value, has_changed

SETUP_TOKEN_HASH = "setup_token_hash"
REPLICA_BEAT = "replica_beat"


def find(db: apsw.Connection, name: str) -> str | None:
    """Return a setting's value, or None."""
    value = fetch_value(db, "SELECT value FROM settings WHERE name = :name", {"name": name})
    return None if value is None else str(value)


def put(db: apsw.Connection, name: str, value: str) -> None:
    """Set a setting, whatever it was before."""
    db.execute(
        """
        INSERT INTO settings (name, value)
        VALUES (:name, :value)
        ON CONFLICT (name) DO UPDATE SET value = :value
        """,
        {"name": name, "value": value},
    )


def take(db: apsw.Connection, name: str, value: str) -> bool:
    """Remove a setting that has this value.

    Return False if it has another or none: someone was first.
    """
    return has_changed(
        db,
        "DELETE FROM settings WHERE name = :name AND value = :value",
        {"name": name, "value": value},
    )

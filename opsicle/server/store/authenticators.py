"""SQL of authenticators: the app with which a person proves their presence, and recovery codes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_one, fetch_value, has_changed


class AuthenticatorRow(Row, frozen=True):
    """One person's app; it counts once `confirmed_at` is set."""

    user_id: str
    sealed_seed: bytes
    confirmed_at: datetime | None


def find(db: apsw.Connection, user_id: str) -> AuthenticatorRow | None:
    """Return a person's app, confirmed or not, or None."""
    sql = "SELECT user_id, sealed_seed, confirmed_at FROM authenticators WHERE user_id = :user_id"
    return fetch_one(db, sql, {"user_id": user_id}, AuthenticatorRow)


def is_confirmed(db: apsw.Connection, user_id: str) -> bool:
    """Return whether this person has an app that counts."""
    sql = """
        SELECT EXISTS (SELECT 1 FROM authenticators
                        WHERE user_id = :user_id AND confirmed_at IS NOT NULL)
    """
    return bool(fetch_value(db, sql, {"user_id": user_id}))


def put_unconfirmed(db: apsw.Connection, user_id: str, sealed_seed: bytes, at: datetime) -> bool:
    """Begin an enrolment in the place of one that was not confirmed.

    Return False if there is a confirmed one.
    """
    return has_changed(
        db,
        """
        INSERT INTO authenticators (user_id, sealed_seed, created_at)
        VALUES (:user_id, :sealed_seed, :at)
        ON CONFLICT (user_id) DO UPDATE SET sealed_seed = :sealed_seed, created_at = :at
         WHERE confirmed_at IS NULL
        """,
        {"user_id": user_id, "sealed_seed": sealed_seed, "at": to_text(at)},
    )


def confirm(db: apsw.Connection, user_id: str, step: int, at: datetime) -> bool:
    """Make an app count; the code of `step` is thereby used. Return False if it counts already."""
    return has_changed(
        db,
        """
        UPDATE authenticators
           SET confirmed_at = :at, last_step = :step
         WHERE user_id = :user_id AND confirmed_at IS NULL
        """,
        {"user_id": user_id, "step": step, "at": to_text(at)},
    )


def use_step(db: apsw.Connection, user_id: str, step: int) -> bool:
    """Use up the code of a step and all before it.

    Return False if it was used up before: somebody was first.
    """
    return has_changed(
        db,
        """
        UPDATE authenticators
           SET last_step = :step
         WHERE user_id = :user_id AND confirmed_at IS NOT NULL AND last_step < :step
        """,
        {"user_id": user_id, "step": step},
    )


def delete(db: apsw.Connection, user_id: str) -> bool:
    """Take a person's app and recovery codes away. Return False if there was no app."""
    delete_recovery_codes(db, user_id)
    return has_changed(
        db, "DELETE FROM authenticators WHERE user_id = :user_id", {"user_id": user_id}
    )


def insert_recovery_codes(db: apsw.Connection, user_id: str, hashes: Iterable[str]) -> None:
    """Keep a person's new recovery codes."""
    db.executemany(
        "INSERT INTO recovery_codes (user_id, code_hash) VALUES (?, ?)",
        [(user_id, each) for each in hashes],
    )


def delete_recovery_codes(db: apsw.Connection, user_id: str) -> None:
    """Forget a person's recovery codes."""
    db.execute("DELETE FROM recovery_codes WHERE user_id = :user_id", {"user_id": user_id})


def use_recovery_code(db: apsw.Connection, user_id: str, code_hash: str, at: datetime) -> bool:
    """Use up a recovery code.

    Return False if this person has no such code, or it was used before.
    """
    return has_changed(
        db,
        """
        UPDATE recovery_codes
           SET used_at = :at
         WHERE user_id = :user_id AND code_hash = :code_hash AND used_at IS NULL
        """,
        {"user_id": user_id, "code_hash": code_hash, "at": to_text(at)},
    )


def count_recovery_codes(db: apsw.Connection, user_id: str) -> int:
    """Return how many recovery codes a person has left."""
    sql = "SELECT count(*) FROM recovery_codes WHERE user_id = :user_id AND used_at IS NULL"
    return int(fetch_value(db, sql, {"user_id": user_id}))

"""SQL of login attempts: a row for each wrong password that was checked in the last minutes."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import fetch_column


def insert(db: apsw.Connection, account: str, address: str, at: datetime) -> int:
    """Note an attempt before its password is checked, and return its number."""
    db.execute(
        "INSERT INTO login_attempts (account, address, at) VALUES (:account, :address, :at)",
        {"account": account, "address": address, "at": to_text(at)},
    )
    return db.last_insert_rowid()


def delete(db: apsw.Connection, attempt_id: int) -> None:
    """Forget an attempt whose password was right."""
    db.execute("DELETE FROM login_attempts WHERE id = :id", {"id": attempt_id})


def times_of_account(db: apsw.Connection, account: str, since: datetime) -> list[str]:
    """Return when passwords of an account were checked, oldest first."""
    return fetch_column(
        db,
        "SELECT at FROM login_attempts WHERE account = :account AND at > :since ORDER BY at",
        {"account": account, "since": to_text(since)},
    )


def times_from_address(db: apsw.Connection, address: str, since: datetime) -> list[str]:
    """Return when an address had passwords checked, oldest first."""
    return fetch_column(
        db,
        "SELECT at FROM login_attempts WHERE address = :address AND at > :since ORDER BY at",
        {"address": address, "since": to_text(since)},
    )


def date_back(db: apsw.Connection, at: datetime) -> None:
    """Let attempts from before the clock was set back count as of now.

    Their time is still to come, so they would count for as long as that takes.
    """
    db.execute("UPDATE login_attempts SET at = :at WHERE at > :at", {"at": to_text(at)})


def delete_until(db: apsw.Connection, at: datetime) -> None:
    """Forget attempts that no longer count."""
    db.execute("DELETE FROM login_attempts WHERE at <= :at", {"at": to_text(at)})

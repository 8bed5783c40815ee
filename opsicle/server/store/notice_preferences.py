"""SQL of what people want to hear of, and through which channel."""

from __future__ import annotations

import apsw

from opsicle.domain.notices import CHOSEN_ONLY
from opsicle.server.store.rows import Row, fetch_all, fetch_value


class PreferenceRow(Row, frozen=True):
    """One choice that differs from, or repeats, what holds without one."""

    channel_id: str
    kind: str
    is_on: bool


def put(db: apsw.Connection, user_id: str, row: PreferenceRow) -> None:
    """Keep a person's choice."""
    db.execute(
        """
        INSERT INTO notice_preferences (user_id, channel_id, kind, is_on)
        VALUES (:user_id, :channel_id, :kind, :is_on)
        ON CONFLICT DO UPDATE SET is_on = :is_on
        """,
        {"user_id": user_id, "channel_id": row.channel_id, "kind": row.kind, "is_on": row.is_on},
    )


def list_of_user(db: apsw.Connection, user_id: str) -> list[PreferenceRow]:
    """Return all choices of one person, in all their orgs."""
    sql = "SELECT channel_id, kind, is_on FROM notice_preferences WHERE user_id = :user_id"
    return fetch_all(db, sql, {"user_id": user_id}, PreferenceRow)


def wants(db: apsw.Connection, user_id: str, channel_id: str, kind: str) -> bool:
    """Return whether a person wants to hear of this through this channel.

    `CHOSEN_ONLY` says what holds without a choice.
    """
    sql = """
        SELECT is_on
          FROM notice_preferences
         WHERE user_id = :user_id AND channel_id = :channel_id AND kind = :kind
    """
    value = fetch_value(db, sql, {"user_id": user_id, "channel_id": channel_id, "kind": kind})
    return kind not in CHOSEN_ONLY if value is None else bool(value)


def delete_of_channel(db: apsw.Connection, channel_id: str) -> None:
    """Forget all choices about a channel."""
    db.execute("DELETE FROM notice_preferences WHERE channel_id = :id", {"id": channel_id})

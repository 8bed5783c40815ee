"""SQL of chat links: which account stands behind a user of a chat service."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, has_changed


class LinkRow(Row, frozen=True):
    """One link. `chat_id` is where this person alone reads what is sent."""

    channel_id: str
    chat_user_id: str
    org_id: str
    user_id: str
    chat_id: str
    linked_at: datetime


_SELECT = "SELECT channel_id, chat_user_id, org_id, user_id, chat_id, linked_at FROM chat_links "


def put(db: apsw.Connection, row: LinkRow) -> None:
    """Keep a link, and end earlier ones of the same person or chat user on this channel."""
    keys = {"channel_id": row.channel_id, "chat_user_id": row.chat_user_id, "user_id": row.user_id}
    db.execute(
        """
        DELETE FROM chat_links
         WHERE channel_id = :channel_id AND (chat_user_id = :chat_user_id OR user_id = :user_id)
        """,
        keys,
    )
    db.execute(
        """
        INSERT INTO chat_links (channel_id, chat_user_id, org_id, user_id, chat_id, linked_at)
        VALUES (:channel_id, :chat_user_id, :org_id, :user_id, :chat_id, :at)
        """,
        {**keys, "org_id": row.org_id, "chat_id": row.chat_id, "at": to_text(row.linked_at)},
    )


def find_user(db: apsw.Connection, org_id: str, channel: str, chat_user_id: str) -> str | None:
    """Return the id of the one account of an org behind a chat user, or None.

    `channel` is a channel's id or a kind.
    """
    found = fetch_column(
        db,
        """
        SELECT DISTINCT l.user_id
          FROM chat_links l
          JOIN channels c ON c.id = l.channel_id
         WHERE l.org_id = :org_id
           AND l.chat_user_id = :chat_user_id
           AND (c.id = :channel OR c.kind = :channel)
        """,
        {"org_id": org_id, "channel": channel, "chat_user_id": chat_user_id},
    )
    return str(found[0]) if len(found) == 1 else None


def find(db: apsw.Connection, channel_id: str, user_id: str) -> LinkRow | None:
    """Return the link of a person on a channel, or None."""
    where = "WHERE channel_id = :channel_id AND user_id = :user_id"
    return fetch_one(db, _SELECT + where, {"channel_id": channel_id, "user_id": user_id}, LinkRow)


def list_of_user(db: apsw.Connection, org_id: str, user_id: str) -> list[LinkRow]:
    """Return a person's links in one org."""
    where = "WHERE org_id = :org_id AND user_id = :user_id"
    return fetch_all(db, _SELECT + where, {"org_id": org_id, "user_id": user_id}, LinkRow)


def delete(db: apsw.Connection, channel_id: str, user_id: str) -> bool:
    """End a person's link. Return False if there was none."""
    return has_changed(
        db,
        "DELETE FROM chat_links WHERE channel_id = :channel_id AND user_id = :user_id",
        {"channel_id": channel_id, "user_id": user_id},
    )


def delete_of_member(db: apsw.Connection, org_id: str, user_id: str) -> None:
    """End all links and codes of a person in one org."""
    keys = {"org_id": org_id, "user_id": user_id}
    db.execute("DELETE FROM chat_links WHERE org_id = :org_id AND user_id = :user_id", keys)
    db.execute(
        """
        DELETE FROM link_codes
         WHERE user_id = :user_id AND channel_id IN (SELECT id FROM channels WHERE org_id = :org_id)
        """,
        keys,
    )


def put_code(
    db: apsw.Connection, channel_id: str, user_id: str, code_hash: str, expires_at: datetime
) -> None:
    """Keep a person's code; an earlier one is good no longer."""
    db.execute(
        """
        INSERT INTO link_codes (channel_id, user_id, code_hash, expires_at)
        VALUES (:channel_id, :user_id, :code_hash, :expires_at)
        ON CONFLICT DO UPDATE SET code_hash = :code_hash, expires_at = :expires_at
        """,
        {
            "channel_id": channel_id,
            "user_id": user_id,
            "code_hash": code_hash,
            "expires_at": to_text(expires_at),
        },
    )


def use_link_code(db: apsw.Connection, channel_id: str, code_hash: str, at: datetime) -> str | None:
    """Use a code up, and return whose it was, or None if it is nobody's or too old."""
    found = db.execute(
        """
        DELETE FROM link_codes
         WHERE channel_id = :channel_id
           AND code_hash = :code_hash
           AND expires_at > :at
        RETURNING user_id
        """,
        {"channel_id": channel_id, "code_hash": code_hash, "at": to_text(at)},
    ).fetchall()
    return str(found[0][0]) if found else None


def delete_of_channel(db: apsw.Connection, channel_id: str) -> None:
    """End all links and codes of a channel."""
    db.execute("DELETE FROM chat_links WHERE channel_id = :id", {"id": channel_id})
    db.execute("DELETE FROM link_codes WHERE channel_id = :id", {"id": channel_id})

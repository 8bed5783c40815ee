"""SQL of notices: what people are told."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.domain.notices import Notice
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all


class NoticeRow(Row, frozen=True):
    """One notice; `recipients` and `chats` are JSON."""

    id: str
    org_id: str
    kind: str
    recipients: str
    chats: str
    subject: str
    approval_id: str
    automation_id: str
    created_at: datetime


def insert(db: apsw.Connection, notice_id: str, notice: Notice, at: datetime) -> None:
    """Record a notice."""
    db.execute(
        """
        INSERT INTO notices (id, org_id, kind, recipients, chats, subject, approval_id, automation_id, created_at)
        VALUES (:id, :org_id, :kind, :recipients, :chats, :subject, :approval_id, :automation_id, :at)
        """,
        {
            "id": notice_id,
            "org_id": notice.org_id,
            "kind": notice.kind,
            "recipients": msgspec.json.encode(notice.recipients).decode(),
            "chats": msgspec.json.encode(notice.chats).decode(),
            "subject": notice.subject,
            "approval_id": notice.approval_id,
            "automation_id": notice.automation_id,
            "at": to_text(at),
        },
    )


def delete_before(db: apsw.Connection, at: datetime, limit: int) -> int:
    """Forget up to `limit` notices of that time which are about no automation; how many there were.

    Those about one go with it (`retention.py`).
    """
    db.execute(
        """
        DELETE FROM notices
         WHERE id IN (SELECT id FROM notices WHERE automation_id = '' AND created_at < :at LIMIT :limit)
        """,
        {"at": to_text(at), "limit": limit},
    )
    return db.changes()


def list_of_org(db: apsw.Connection, org_id: str, after_id: str = "", limit: int = -1) -> list[NoticeRow]:
    """An org's notices, oldest first, from the one after `after_id`."""
    return fetch_all(
        db,
        """
        SELECT id, org_id, kind, recipients, chats, subject, approval_id, automation_id, created_at
          FROM notices WHERE org_id = :org_id AND id > :after ORDER BY id LIMIT :limit
        """,
        {"org_id": org_id, "after": after_id, "limit": limit},
        NoticeRow,
    )

"""SQL of deliveries: the durable queue of what goes out through channels."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

import apsw

from opsicle.domain.channels import DeliveryState
from opsicle.domain.notices import NoticeKind
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_value,
    has_changed,
    where,
)


class DeliveryRow(Row, frozen=True, kw_only=True):
    """One message to one recipient through one channel. `facts` is JSON."""

    id: str
    org_id: str
    channel_id: str
    channel: str
    kind: NoticeKind
    user_id: str | None
    target: str
    subject: str
    facts: str
    approval_id: str
    automation_id: str
    state: DeliveryState
    attempts: int = 0
    next_attempt_at: datetime | None
    give_up_at: datetime
    last_error: str = ""
    created_at: datetime
    finished_at: datetime | None = None


_SELECT = """
    SELECT d.id, d.org_id, d.channel_id, c.name, d.kind, d.user_id, d.target, d.subject, d.facts,
           d.approval_id, d.automation_id, d.state, d.attempts, d.next_attempt_at, d.give_up_at,
           d.last_error, d.created_at, d.finished_at
      FROM deliveries d
      JOIN channels c ON c.id = d.channel_id
"""


def insert(db: apsw.Connection, row: DeliveryRow) -> None:
    """Queue a delivery."""
    db.execute(
        """
        INSERT INTO deliveries (id, org_id, channel_id, kind, user_id, target, subject, facts,
                                approval_id, automation_id, state, next_attempt_at, give_up_at,
                                created_at)
        VALUES (:id, :org_id, :channel_id, :kind, :user_id, :target, :subject, :facts, :approval_id,
                :automation_id, 'queued', :created_at, :give_up_at, :created_at)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "channel_id": row.channel_id,
            "kind": row.kind,
            "user_id": row.user_id,
            "target": row.target,
            "subject": row.subject,
            "facts": row.facts,
            "approval_id": row.approval_id,
            "automation_id": row.automation_id,
            "give_up_at": to_text(row.give_up_at),
            "created_at": to_text(row.created_at),
        },
    )


def find(db: apsw.Connection, org_id: str, delivery_id: str) -> DeliveryRow | None:
    """Return one delivery of an org, or None."""
    where = "WHERE d.org_id = :org_id AND d.id = :id"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "id": delivery_id}, DeliveryRow)


def find_sending(db: apsw.Connection, delivery_id: str) -> DeliveryRow | None:
    """Return one delivery of any org whose attempt is under way, or None."""
    return fetch_one(
        db, _SELECT + "WHERE d.id = :id AND d.state = 'sending'", {"id": delivery_id}, DeliveryRow
    )


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """What a list of deliveries is narrowed to; an empty string means any.

    `kind`, and a part of the address of the `recipient`, stand in no index: many may be read.
    """

    channel_id: str = ""
    state: str = ""
    kind: str = ""
    recipient: str = ""


def list_newest(
    db: apsw.Connection, org_id: str, wanted: DeliveryFilter, before: str, limit: int
) -> list[DeliveryRow]:
    """Newest first, older than the delivery `before` (empty: from the newest)."""
    which = where(
        # A channel is one org's; where it is named, the index by channel is the one to use, hence
        # the `+`.
        "+d.org_id = :org_id" if wanted.channel_id else "d.org_id = :org_id",
        wanted.channel_id and "d.channel_id = :channel_id",
        wanted.state and "d.state = :state",
        wanted.kind and "d.kind = :kind",
        wanted.recipient and "instr(lower(d.target), lower(:recipient)) > 0",
        before and "d.id < :before",
    )
    given = {"org_id": org_id, "before": before, "limit": limit, **asdict(wanted)}
    return fetch_all(db, f"{_SELECT}{which} ORDER BY d.id DESC LIMIT :limit", given, DeliveryRow)


class AttemptRow(Row, frozen=True):
    """How the last attempt of a delivery ended."""

    state: DeliveryState
    last_error: str


def list_latest_tried(
    db: apsw.Connection, channel_id: str, left_out: Iterable[str], limit: int
) -> list[AttemptRow]:
    """Return a channel's newest deliveries of which an attempt has ended, newest first.

    They are looked for among its latest hundred; `left_out` are errors that do not count.
    """
    return fetch_all(
        db,
        """
        SELECT state, last_error
          FROM (SELECT id, state, last_error
                  FROM deliveries
                 WHERE channel_id = :channel_id
                 ORDER BY id DESC LIMIT 100)
         WHERE state = 'delivered'
            OR last_error <> '' AND last_error NOT IN (SELECT value FROM json_each(:left_out))
         ORDER BY id DESC LIMIT :limit
        """,
        {"channel_id": channel_id, "left_out": json.dumps([*left_out]), "limit": limit},
        AttemptRow,
    )


class ConcurrencyShare(NamedTuple):
    """How many attempts may be under way at once, through one channel and for one org."""

    of_channel: int
    of_org: int


def list_due(db: apsw.Connection, at: datetime, most: ConcurrencyShare, limit: int) -> list[str]:
    """Return the deliveries whose turn it is, one org after the other, the oldest of each first.

    No channel and no org has more than its share under way, and of each channel no more is looked
    at, however long its queue is.
    """
    return fetch_column(
        db,
        """
        WITH
        sending AS (
            SELECT org_id, channel_id, count(*) AS attempts
              FROM deliveries INDEXED BY deliveries_sending
             WHERE state = 'sending'
             GROUP BY org_id, channel_id
        ),
        due AS (
            SELECT d.id, d.org_id, d.channel_id, d.next_attempt_at,
                   row_number() OVER (PARTITION BY d.channel_id ORDER BY d.next_attempt_at, d.id)
                   + coalesce((SELECT sum(attempts)
                                 FROM sending s
                                WHERE s.channel_id = d.channel_id), 0) AS place
              FROM channels c
             CROSS JOIN deliveries d
                ON d.id IN (SELECT id
                              FROM deliveries INDEXED BY deliveries_open
                             WHERE channel_id = c.id
                               AND state IN ('queued', 'failed')
                               AND next_attempt_at <= :at
                             ORDER BY next_attempt_at, id LIMIT :of_channel)
             WHERE c.is_enabled
        ),
        ready AS (
            SELECT id, next_attempt_at,
                   row_number() OVER (PARTITION BY org_id ORDER BY next_attempt_at, id)
                   + coalesce((SELECT sum(attempts)
                                 FROM sending s
                                WHERE s.org_id = due.org_id), 0) AS place
              FROM due
             WHERE place <= :of_channel
        )
        SELECT id
          FROM ready
         WHERE place <= :of_org
         ORDER BY place, next_attempt_at, id LIMIT :limit
        """,
        {"at": to_text(at), "of_channel": most.of_channel, "of_org": most.of_org, "limit": limit},
    )


def has_open(db: apsw.Connection) -> bool:
    """Return whether anything of any channel is still to be sent."""
    sql = """
        SELECT EXISTS (SELECT 1
                         FROM deliveries INDEXED BY deliveries_open
                        WHERE state IN ('queued', 'failed'))
    """
    return bool(fetch_value(db, sql, {}))


def begin(db: apsw.Connection, delivery_id: str) -> bool:
    """Begin an attempt. Return False if it is not this one's turn any more."""
    return has_changed(
        db,
        """
        UPDATE deliveries
           SET state = 'sending', attempts = attempts + 1, next_attempt_at = NULL
         WHERE id = :id AND state IN ('queued', 'failed')
        """,
        {"id": delivery_id},
    )


def deliver(db: apsw.Connection, row: DeliveryRow, at: datetime) -> bool:
    """Note that the attempt under way went well. Return False if it is no longer under way."""
    return has_changed(
        db,
        """
        UPDATE deliveries
           SET state = 'delivered', finished_at = :at, last_error = ''
         WHERE id = :id AND state = 'sending' AND attempts = :attempts
        """,
        {"id": row.id, "attempts": row.attempts, "at": to_text(at)},
    )


def fail(db: apsw.Connection, row: DeliveryRow, error: str, next_attempt_at: datetime) -> bool:
    """Note that the attempt under way was in vain. Return False if it is no longer under way."""
    return has_changed(
        db,
        """
        UPDATE deliveries
           SET state = 'failed', last_error = :error, next_attempt_at = :next
         WHERE id = :id AND state = 'sending' AND attempts = :attempts
        """,
        {"id": row.id, "attempts": row.attempts, "error": error, "next": to_text(next_attempt_at)},
    )


def give_up(db: apsw.Connection, row: DeliveryRow, error: str, at: datetime) -> bool:
    """Note that the attempt under way was the last. Return False if it is no longer under way."""
    return has_changed(
        db,
        """
        UPDATE deliveries
           SET state = 'gave_up', last_error = :error, finished_at = :at
         WHERE id = :id AND state = 'sending' AND attempts = :attempts
        """,
        {"id": row.id, "attempts": row.attempts, "error": error, "at": to_text(at)},
    )


def retry(
    db: apsw.Connection, org_id: str, delivery_id: str, at: datetime, give_up_at: datetime
) -> bool:
    """Let a delivery that failed be tried again now. Return False if it did not fail."""
    return has_changed(
        db,
        """
        UPDATE deliveries
           SET state = 'queued', next_attempt_at = :at, give_up_at = :give_up_at, finished_at = NULL
         WHERE org_id = :org_id AND id = :id AND state IN ('failed', 'gave_up')
        """,
        {"org_id": org_id, "id": delivery_id, "at": to_text(at), "give_up_at": to_text(give_up_at)},
    )


def make_due(db: apsw.Connection, channel_id: str, at: datetime) -> None:
    """Let all that failed through a channel be tried again now, as it may have been put right."""
    db.execute(
        """
        UPDATE deliveries
           SET next_attempt_at = :at
         WHERE channel_id = :channel_id
           AND state = 'failed'
        """,
        {"channel_id": channel_id, "at": to_text(at)},
    )


def requeue_all(db: apsw.Connection, at: datetime) -> int:
    """Let wait again what was under way when the server ended; nobody knows whether it arrived."""
    db.execute(
        "UPDATE deliveries SET state = 'queued', next_attempt_at = :at WHERE state = 'sending'",
        {"at": to_text(at)},
    )
    return db.changes()


def extend(db: apsw.Connection, at: datetime, latest: datetime, give_up_at: datetime) -> int:
    """Extend open deliveries to `give_up_at`, and bring those behind `latest` to `at`.

    Return how many deliveries that changed.
    """
    db.execute(
        """
        UPDATE deliveries
           SET give_up_at = max(give_up_at, :give_up_at),
               next_attempt_at = iif(next_attempt_at > :latest, :at, next_attempt_at)
         WHERE finished_at IS NULL AND (give_up_at < :give_up_at OR next_attempt_at > :latest)
        """,
        {"at": to_text(at), "latest": to_text(latest), "give_up_at": to_text(give_up_at)},
    )
    return db.changes()


def count_open(db: apsw.Connection, channel_id: str) -> int:
    """Return how much of a channel is still to be delivered."""
    sql = """
        SELECT count(*)
          FROM deliveries
         WHERE channel_id = :id
           AND state IN ('queued', 'failed', 'sending')
    """
    return int(fetch_column(db, sql, {"id": channel_id})[0])


def count_by_state(db: apsw.Connection) -> dict[str, int]:
    """Return how many deliveries of the whole server are in each state."""
    rows = db.execute("SELECT state, count(*) FROM deliveries GROUP BY state")
    return {str(state): int(str(count)) for state, count in rows}


def delete_of_channel(db: apsw.Connection, channel_id: str) -> None:
    """Forget all deliveries of a channel."""
    db.execute("DELETE FROM deliveries WHERE channel_id = :id", {"id": channel_id})


def delete_finished_until(db: apsw.Connection, at: datetime, limit: int) -> int:
    """Delete up to `limit` deliveries that ended until then; return how many there were."""
    db.execute(
        """
        DELETE FROM deliveries
         WHERE id IN (SELECT id FROM deliveries
                       WHERE finished_at <= :at
                       ORDER BY finished_at LIMIT :limit)
        """,
        {"at": to_text(at), "limit": limit},
    )
    return db.changes()

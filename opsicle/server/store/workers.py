"""SQL of workers."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import apsw
import msgspec

from opsicle.domain.errors import NotFound, required
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_one,
    fetch_value,
    has_changed,
    sorted_json,
)

WorkerState = Literal["active", "draining", "revoked"]


class WorkerRow(Row, frozen=True, kw_only=True):
    """One worker.

    `labels` and `runtimes` are JSON, as it said them last; `granted_labels` as people granted them.
    `copied_from` are the addresses (JSON) of two processes that use its identity at once, or None.
    """

    id: str
    org_id: str
    org_code: str
    name: str
    state: WorkerState
    labels: str
    runtimes: str
    slots: int
    version: str
    boot_id: str
    certificate_serial: str
    certificate_expires_at: datetime
    created_at: datetime
    last_seen_at: datetime | None
    busy: int
    is_shared: bool
    granted_labels: str
    copied_from: str | None
    is_ephemeral: bool


class SilentRow(Row, frozen=True, kw_only=True):
    """An ephemeral worker that has not been heard of for long."""

    id: str
    org_id: str
    name: str
    is_shared: bool
    last_seen_at: datetime | None


class LastSeenRow(Row, frozen=True, kw_only=True):
    """What a worker was last known to be. `labels`, `granted_labels` and `runtimes` are JSON."""

    id: str
    name: str
    labels: str
    granted_labels: str
    runtimes: str
    slots: int
    last_seen_at: datetime | None


_SELECT = """
    SELECT w.id, w.org_id, o.code, w.name, w.state, w.labels, w.runtimes, w.slots, w.version,
           w.boot_id, w.certificate_serial, w.certificate_expires_at, w.created_at, w.last_seen_at,
           (SELECT count(*) FROM jobs j
             WHERE j.worker_id = w.id
               AND j.finished_at IS NULL
               AND j.state IN ('leased', 'running')),
           w.is_shared, w.granted_labels, w.copied_from, w.is_ephemeral
      FROM workers w
      JOIN orgs o ON o.id = w.org_id
"""


class NewWorker(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker that enrols says of itself, and the labels that it is granted.

    Where the join token is for many workers, also which it is, and the digest of the worker's key.
    """

    id: str
    org_id: str
    name: str
    labels: dict[str, str]
    granted_labels: dict[str, str]
    slots: int
    certificate_serial: str
    certificate_expires_at: datetime
    is_shared: bool = False
    join_token_id: str | None = None
    enrolled_key: str | None = None
    is_ephemeral: bool = False


def _whose(org_id: str | None) -> str:
    """Return the condition that a worker is the org's, or (None) shared."""
    return "w.is_shared" if org_id is None else "w.org_id = :org_id AND NOT w.is_shared"


def has_enrolled(db: apsw.Connection) -> bool:
    """Return whether the server has any worker that is not revoked."""
    return bool(
        fetch_value(db, "SELECT EXISTS (SELECT 1 FROM workers WHERE state <> 'revoked')", {})
    )


def insert(db: apsw.Connection, new: NewWorker, at: datetime) -> None:
    """Record a worker that has just been given its identity."""
    db.execute(
        """
        INSERT INTO workers (id, org_id, name, state, labels, runtimes, slots, version, boot_id,
                             certificate_serial, certificate_expires_at, created_at, is_shared,
                             granted_labels, join_token_id, enrolled_key, is_ephemeral)
        VALUES (:id, :org_id, :name, 'active', :labels, '[]', :slots, '', '', :serial, :expires_at,
                :at, :is_shared, :granted_labels, :join_token_id, :enrolled_key, :is_ephemeral)
        """,
        {
            "id": new.id,
            "org_id": new.org_id,
            "name": new.name,
            "labels": sorted_json(new.labels),
            "slots": new.slots,
            "serial": new.certificate_serial,
            "expires_at": to_text(new.certificate_expires_at),
            "at": to_text(at),
            "is_shared": new.is_shared,
            "granted_labels": sorted_json(new.granted_labels),
            "join_token_id": new.join_token_id,
            "enrolled_key": new.enrolled_key,
            "is_ephemeral": new.is_ephemeral,
        },
    )


def find_by_id(db: apsw.Connection, worker_id: str) -> WorkerRow | None:
    """Return one worker of any org, or None."""
    return fetch_one(db, _SELECT + "WHERE w.id = :id", {"id": worker_id}, WorkerRow)


def find_enrolled(db: apsw.Connection, join_token_id: str, key: str) -> WorkerRow | None:
    """Return the worker that has enrolled by a join token for many with this key, or None."""
    return fetch_one(
        db,
        _SELECT + "WHERE w.join_token_id = :join_token_id AND w.enrolled_key = :key",
        {"join_token_id": join_token_id, "key": key},
        WorkerRow,
    )


def find(db: apsw.Connection, org_id: str | None, id_or_name: str) -> WorkerRow | None:
    """Return a worker by id or name, or None. `org_id` None: a shared one, which no org has.

    A name is a revoked worker's only if no other bears it.
    """
    # The plus keeps SQLite from the index by org, which would read all that an org ever had; those
    # by id and by name find a few.
    whose = _whose(org_id).replace("w.org_id", "+w.org_id")
    where = f"""
     WHERE {whose} AND (w.id = :key OR w.name = :key)
     ORDER BY w.id = :key DESC, w.state = 'revoked', w.id DESC LIMIT 1
    """
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "key": id_or_name}, WorkerRow)


def get(db: apsw.Connection, org_id: str | None, id_or_name: str) -> WorkerRow:
    """Return a worker as `find` does. Raises NotFound for an absent and another org's alike."""
    return required(find(db, org_id, id_or_name), NotFound(f"there is no worker {id_or_name}"))


def list_workers(
    db: apsw.Connection, org_id: str | None, after_id: str, limit: int
) -> list[WorkerRow]:
    """Return the workers in the order of enrolment, after `after_id`; `org_id` as in `find`."""
    return fetch_all(
        db,
        f"{_SELECT} WHERE {_whose(org_id)} AND w.id > :after ORDER BY w.id LIMIT :limit",
        {"org_id": org_id, "after": after_id, "limit": limit},
        WorkerRow,
    )


def list_in_service(
    db: apsw.Connection, org_id: str | None, after_id: str, limit: int
) -> list[WorkerRow]:
    """Return the workers as `list_workers` does, without those that were revoked."""
    return fetch_all(
        db,
        f"""
        {_SELECT}
         WHERE {_whose(org_id)}
           AND w.id > :after
           AND w.state <> 'revoked'
         ORDER BY w.id LIMIT :limit
        """,
        {"org_id": org_id, "after": after_id, "limit": limit},
        WorkerRow,
    )


def list_longest_unseen(db: apsw.Connection, org_id: str, limit: int) -> list[LastSeenRow]:
    """Return an org's workers that are not revoked, those unseen for longest first."""
    return fetch_all(
        db,
        """
        SELECT id, name, labels, granted_labels, runtimes, slots, last_seen_at
          FROM workers
         WHERE org_id = :org_id AND NOT is_shared AND state <> 'revoked'
         ORDER BY last_seen_at LIMIT :limit
        """,
        {"org_id": org_id, "limit": limit},
        LastSeenRow,
    )


def is_name_taken(db: apsw.Connection, org_id: str | None, name: str) -> bool:
    """Return whether a worker in service, of the org or (None) shared, bears this name."""
    sql = f"""
        SELECT EXISTS (SELECT 1
                         FROM workers w
                        WHERE {_whose(org_id)} AND w.name = :name AND w.state <> 'revoked')
    """  # noqa: S608 - literals
    return bool(fetch_value(db, sql, {"org_id": org_id, "name": name}))


def has_shared(db: apsw.Connection) -> bool:
    """Return whether there is any shared worker that is not revoked."""
    return bool(
        fetch_value(
            db, "SELECT EXISTS (SELECT 1 FROM workers WHERE is_shared AND state <> 'revoked')", {}
        )
    )


def grant_labels(db: apsw.Connection, worker_id: str, labels: dict[str, str]) -> bool:
    """Put these labels in the place of those that a worker was granted.

    Return False if it has been revoked.
    """
    return has_changed(
        db,
        "UPDATE workers SET granted_labels = :labels WHERE id = :id AND state <> 'revoked'",
        {"id": worker_id, "labels": sorted_json(labels)},
    )


def change_state(db: apsw.Connection, worker_id: str, old: WorkerState, new: WorkerState) -> bool:
    """Move a worker from one state to another. Return False if it was not in the old one."""
    return has_changed(
        db,
        "UPDATE workers SET state = :new WHERE id = :id AND state = :old",
        {"id": worker_id, "old": old, "new": new},
    )


def list_silent(db: apsw.Connection, before: datetime, limit: int) -> list[SilentRow]:
    """Return ephemeral workers without a job of which nothing was heard since `before`."""
    return fetch_all(
        db,
        """
        SELECT w.id, w.org_id, w.name, w.is_shared, w.last_seen_at
          FROM workers w INDEXED BY workers_ephemeral
         WHERE w.is_ephemeral AND w.state <> 'revoked'
           AND coalesce(w.last_seen_at, w.created_at) < :before
           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.worker_id = w.id AND j.finished_at IS NULL)
         LIMIT :limit
        """,
        {"before": to_text(before), "limit": limit},
        SilentRow,
    )


def end_ephemeral(db: apsw.Connection, worker_id: str) -> bool:
    """End an ephemeral worker. Return False for another one, and while it has a job."""
    return has_changed(
        db,
        """
        UPDATE workers
           SET state = 'revoked'
         WHERE id = :id AND is_ephemeral AND state <> 'revoked'
           AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.worker_id = :id AND j.finished_at IS NULL)
        """,
        {"id": worker_id},
    )


def renew(db: apsw.Connection, worker_id: str, serial: str, expires_at: datetime) -> bool:
    """Record a worker's new certificate. Return False if the worker has been revoked."""
    return has_changed(
        db,
        """
        UPDATE workers
           SET certificate_serial = :serial, certificate_expires_at = :expires_at
         WHERE id = :id AND state <> 'revoked'
        """,
        {"id": worker_id, "serial": serial, "expires_at": to_text(expires_at)},
    )

"""SQL of how the newest automations of a template, or on a target or worker, went."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.automations import AutomationState, JobState
from opsicle.server.store.rows import Row, fetch_all, where


class RunRow(Row, frozen=True):
    """One automation, with no more than what says whose it is and how it went."""

    id: str
    template_id: str
    template: str
    version: int
    requester_id: str
    state: AutomationState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class WorkerJobRow(Row, frozen=True):
    """One attempt of a worker, and what says whose automation it is of."""

    job_id: str
    id: str
    template_id: str
    template: str
    version: int
    requester_id: str
    state: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def list_newest(
    db: apsw.Connection, org_id: str, template: str, limit: int, before: str = "", since: str = ""
) -> list[RunRow]:
    """Return the newest automations of the templates of that name, newest first.

    Those whose ids are below `before` and not below `since`, if any: ids grow with time. One that
    runs on several machines is one: its parts are left out, and so is what tried a draft.
    """
    wanted = where(
        "org_id = :org_id AND template = :template",
        before and "id < :before",
        since and "id >= :since",
        "member_of = '' AND version > 0",
    )
    return fetch_all(
        db,
        f"""
        SELECT id, template_id, template, version, requester_id, state, created_at, started_at,
               finished_at
          FROM automations {wanted}
         ORDER BY id DESC LIMIT :limit
        """,  # noqa: S608 - literals of this file
        {"org_id": org_id, "template": template, "limit": limit, "before": before, "since": since},
        RunRow,
    )


def list_on_target(
    db: apsw.Connection, org_id: str, target: str, before: str, limit: int
) -> list[RunRow]:
    """Return what ran on a target of that name, newest first, older than `before`, if any.

    What ran on a worker of that name is not among it.
    """
    older = "AND m.automation_id < :before" if before else ""
    return fetch_all(
        db,
        f"""
        SELECT a.id, a.template_id, a.template, a.version, a.requester_id, a.state, a.created_at,
               a.started_at, a.finished_at
          FROM fan_out_members m
          JOIN automations a ON a.id = m.automation_id
         WHERE m.org_id = :org_id AND m.name = :name AND m.automation_id IS NOT NULL {older}
           AND json_extract(a.member_of, '$.member.target') IS NOT NULL
         ORDER BY m.automation_id DESC LIMIT :limit
        """,  # noqa: S608 - a literal of this file
        {"org_id": org_id, "name": target, "before": before, "limit": limit},
        RunRow,
    )


def list_on_worker(
    db: apsw.Connection, org_id: str, worker_id: str, before: str, limit: int
) -> list[WorkerJobRow]:
    """Return what a worker was handed for an org, newest first, older than `before`, if any."""
    older = "AND j.id < :before" if before else ""
    return fetch_all(
        db,
        f"""
        SELECT j.id, a.id, a.template_id, a.template, a.version, a.requester_id, j.state,
               j.leased_at, j.started_at, j.finished_at
          FROM jobs j
          JOIN automations a ON a.id = j.automation_id
         WHERE j.org_id = :org_id AND j.worker_id = :worker_id {older}
         ORDER BY j.id DESC LIMIT :limit
        """,  # noqa: S608 - a literal of this file
        {"org_id": org_id, "worker_id": worker_id, "before": before, "limit": limit},
        WorkerJobRow,
    )

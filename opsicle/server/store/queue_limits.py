"""SQL of how many automations of an org, or of a template, may be triggered, run and wait."""

from __future__ import annotations

import apsw

from opsicle.domain.automations import UNFINISHED
from opsicle.server.store.rows import Row, fetch_column, fetch_one, fetch_value, index_condition

_OPEN = index_condition(UNFINISHED)
"""To the letter as in the index of what is open."""


class QueueLimits(Row, frozen=True):
    """How many of an org's automations run, wait, and come in an hour at most; None: any number.

    All that bounds an org stands here, so that it is asked once and not for each of them.
    """

    max_running: int | None = None
    max_waiting: int | None = None
    hourly_quota: int | None = None
    is_suspended: bool = False


def find(db: apsw.Connection, org_id: str) -> QueueLimits:
    """Return an org's limits."""
    sql = """
        SELECT max_running, max_waiting, hourly_quota, suspended_at IS NOT NULL
          FROM orgs
         WHERE id = :org_id
    """
    return fetch_one(db, sql, {"org_id": org_id}, QueueLimits) or QueueLimits()


def set_max_running(db: apsw.Connection, org_id: str, most: int | None) -> None:
    """Bound how many of an org's automations run at once, or no longer."""
    sql = "UPDATE orgs SET max_running = :most WHERE id = :org_id"
    db.execute(sql, {"org_id": org_id, "most": most})


def set_max_waiting(db: apsw.Connection, org_id: str, most: int | None) -> None:
    """Bound how many of an org's automations wait, or no longer."""
    sql = "UPDATE orgs SET max_waiting = :most WHERE id = :org_id"
    db.execute(sql, {"org_id": org_id, "most": most})


def list_limited(db: apsw.Connection) -> list[str]:
    """Return the ids of the orgs that bound how many of their automations run."""
    return fetch_column(db, "SELECT id FROM orgs WHERE max_running IS NOT NULL", {})


def count_running(db: apsw.Connection, org_id: str, most: int) -> int:
    """Return how many jobs of an org are on lease, started or not, at most `most`."""
    sql = """
        SELECT count(*)
          FROM (SELECT 1
                  FROM jobs
                 WHERE org_id = :org_id AND finished_at IS NULL AND state IN ('leased', 'running')
                 LIMIT :most)
    """
    return int(fetch_value(db, sql, {"org_id": org_id, "most": most}))


def count_waiting(db: apsw.Connection, org_id: str, most: int) -> int:
    """Return how many automations of an org wait, for people or a worker, at most `most`."""
    sql = f"""
        SELECT count(*)
          FROM (SELECT 1
                  FROM automations
                 WHERE org_id = :org_id AND state IN ('planning', 'awaiting_approval', 'queued')
                   AND {_OPEN}
                 LIMIT :most)
    """  # noqa: S608 - a literal
    return int(fetch_value(db, sql, {"org_id": org_id, "most": most}))


def count_waiting_of_template(db: apsw.Connection, org_id: str, template_id: str, most: int) -> int:
    """Return how many of a template wait that bounds them, at most `most`."""
    sql = """
        SELECT count(*)
          FROM (SELECT 1
                  FROM automations
                 WHERE org_id = :org_id AND template_id = :template_id
                   AND max_waiting IS NOT NULL
                   AND state IN ('planning', 'awaiting_approval', 'queued')
                 LIMIT :most)
    """
    given = {"org_id": org_id, "template_id": template_id, "most": most}
    return int(fetch_value(db, sql, given))

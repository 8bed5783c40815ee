"""SQL of concurrency groups: who holds one, who waits in it, and who may begin.

What stands in a row may have been altered; before anything runs it is compared with what was
triggered.

An automation holds its group from its lease to its end; one whose end is unknown holds it until it
is released.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.automations import Turn
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value

_HOLDING = """
    org_id = :org_id AND concurrency_key = :key
       AND job_id IS NOT NULL AND concurrency_released_at IS NULL
       AND state IN ('queued', 'running', 'paused', 'unknown')
"""
_WAITING = "org_id = :org_id AND concurrency_key = :key AND state = 'queued' AND job_id IS NULL"
"""Said to the letter as in the indexes."""


class ConcurrencyChange(Row, frozen=True):
    """An automation through which its group may look different than when it was advanced last."""

    org_id: str
    concurrency_key: str
    automation_id: str


class GroupHolders(Row, frozen=True):
    """How many hold a group, and the smallest limit that one of them has; None if nobody does."""

    count: int
    limit: int | None


class GroupQueue(Row, frozen=True):
    """What waits in a group with the same turn, `onLimit` and requirements."""

    turn: Turn
    on_limit: str
    requirements: str


class QueuedMember(Row, frozen=True):
    """An automation that waits in a group."""

    id: str
    rank: str
    turn: Turn
    requirements: str
    concurrency_limit: int | None


_MEMBER = "SELECT id, rank, turn, requirements, concurrency_limit FROM automations"


def list_changes(db: apsw.Connection, limit: int) -> list[ConcurrencyChange]:
    """Return what has changed in groups that were not advanced since, by org and group."""
    return fetch_all(
        db,
        """
        SELECT org_id, concurrency_key, automation_id
          FROM concurrency_changes
         ORDER BY org_id, concurrency_key, automation_id LIMIT :limit
        """,
        {"limit": limit},
        ConcurrencyChange,
    )


def insert_change(db: apsw.Connection, change: ConcurrencyChange) -> None:
    """Note that a group is to be advanced again; harmless if it is noted."""
    db.execute(
        "INSERT OR IGNORE INTO concurrency_changes VALUES (:org_id, :key, :id)",
        {"org_id": change.org_id, "key": change.concurrency_key, "id": change.automation_id},
    )


def delete_change(db: apsw.Connection, change: ConcurrencyChange) -> None:
    """Forget a change, as its group is advanced."""
    db.execute(
        """
        DELETE FROM concurrency_changes
         WHERE org_id = :org_id AND concurrency_key = :key AND automation_id = :id
        """,
        {"org_id": change.org_id, "key": change.concurrency_key, "id": change.automation_id},
    )


def count_holders(db: apsw.Connection, org_id: str, key: str) -> GroupHolders:
    """Return how many hold a group, which are at most as many as its limit."""
    sql = f"SELECT count(*), min(concurrency_limit) FROM automations WHERE {_HOLDING}"  # noqa: S608
    holders = fetch_one(db, sql, {"org_id": org_id, "key": key}, GroupHolders)
    assert holders is not None
    return holders


def list_holders(db: apsw.Connection, org_id: str, key: str, limit: int) -> list[str]:
    """Return the automations that hold a group."""
    sql = f"SELECT id FROM automations WHERE {_HOLDING} LIMIT :limit"  # noqa: S608 - a literal
    given = {"org_id": org_id, "key": key, "limit": limit}
    return [row[0] for row in db.execute(sql, given)]


def list_first_waiting(db: apsw.Connection, org_id: str, key: str, limit: int) -> list[str]:
    """Return automations that wait in a group, in no certain order."""
    sql = f"SELECT id FROM automations WHERE {_WAITING} LIMIT :limit"  # noqa: S608 - a literal
    given = {"org_id": org_id, "key": key, "limit": limit}
    return [row[0] for row in db.execute(sql, given)]


def find_unknown_holder(db: apsw.Connection, org_id: str, key: str) -> str | None:
    """Return an automation that holds a group although nobody can say how it ended, or None."""
    sql = f"SELECT id FROM automations WHERE {_HOLDING} AND state = 'unknown' LIMIT 1"  # noqa: S608
    found: str | None = fetch_value(db, sql, {"org_id": org_id, "key": key})
    return found


class NewMember(Row, frozen=True):
    """An automation at which its group has not looked since it was queued."""

    id: str
    on_limit: str
    concurrency_limit: int | None


def find_new(db: apsw.Connection, org_id: str, automation_id: str) -> NewMember | None:
    """Return an automation if it waits and its group has not looked at it yet, else None."""
    return fetch_one(
        db,
        """
        SELECT id, on_limit, concurrency_limit
          FROM automations
         WHERE id = :id AND org_id = :org_id
           AND state = 'queued' AND job_id IS NULL AND turn = 'new'
        """,
        {"id": automation_id, "org_id": org_id},
        NewMember,
    )


def find_next_queue(
    db: apsw.Connection, org_id: str, key: str, turn: Turn, after: GroupQueue | None
) -> GroupQueue | None:
    """Return what else waits in a group with this turn, `after` what was found before, or None.

    It takes one step in the index, however much waits.
    """
    sql = f"""
        SELECT turn, on_limit, requirements
          FROM automations
         WHERE {_WAITING} AND turn = :turn AND (on_limit, requirements) > (:on_limit, :requirements)
         ORDER BY on_limit, requirements LIMIT 1
    """  # noqa: S608 - a literal
    given = {
        "org_id": org_id,
        "key": key,
        "turn": turn,
        "on_limit": after.on_limit if after else "",
        "requirements": after.requirements if after else "",
    }
    return fetch_one(db, sql, given, GroupQueue)


def count_waiting(db: apsw.Connection, org_id: str, key: str, most: int) -> int:
    """Return how many wait in a group that it has looked at, at most `most`."""
    sql = f"""
        SELECT count(*)
          FROM (SELECT 1
                  FROM automations
                 WHERE {_WAITING} AND turn IN ('behind', 'ready')
                 LIMIT :most)
    """  # noqa: S608 - a literal
    return int(fetch_value(db, sql, {"org_id": org_id, "key": key, "most": most}))


def list_replaceable(db: apsw.Connection, org_id: str, key: str, limit: int) -> list[str]:
    """Return those that wait in a group and let newer ones replace them."""
    sql = f"""
        SELECT id
          FROM automations
         WHERE {_WAITING} AND turn IN ('behind', 'new', 'ready') AND on_limit = 'replace'
         LIMIT :limit
    """  # noqa: S608 - a literal
    return [row[0] for row in db.execute(sql, {"org_id": org_id, "key": key, "limit": limit})]


def list_first(
    db: apsw.Connection, org_id: str, key: str, queue: GroupQueue, limit: int
) -> list[QueuedMember]:
    """Return the first of those that wait alike in a group."""
    sql = f"""
        {_MEMBER}
         WHERE {_WAITING}
           AND turn = :turn AND on_limit = :on_limit AND requirements = :requirements
         ORDER BY rank LIMIT :limit
    """
    return fetch_all(db, sql, _alike(org_id, key, queue) | {"limit": limit}, QueuedMember)


def count_before(
    db: apsw.Connection, org_id: str, key: str, queue: GroupQueue, rank: str, most: int
) -> int:
    """Return how many of those that wait alike in a group come before a rank, at most `most`."""
    sql = f"""
        SELECT count(*)
          FROM (SELECT 1
                  FROM automations
                 WHERE {_WAITING}
                   AND turn = :turn AND on_limit = :on_limit AND requirements = :requirements
                   AND rank < :rank
                 LIMIT :most)
    """  # noqa: S608 - a literal
    return int(fetch_value(db, sql, _alike(org_id, key, queue) | {"rank": rank, "most": most}))


def set_turn(db: apsw.Connection, automation_id: str, turn: Turn) -> bool:
    """Say whether a waiting automation may begin. Return False if it waits no more."""
    db.execute(
        """
        UPDATE automations
           SET turn = :turn
         WHERE id = :id AND state = 'queued' AND job_id IS NULL
        """,
        {"id": automation_id, "turn": turn},
    )
    return db.changes() == 1


def release(db: apsw.Connection, automation_id: str, at: datetime) -> bool:
    """Let an automation whose end is unknown hold its group no more.

    Return False if it does not hold one.
    """
    db.execute(
        """
        UPDATE automations
           SET concurrency_released_at = :at
         WHERE id = :id AND state = 'unknown'
           AND concurrency_key IS NOT NULL AND concurrency_released_at IS NULL
        """,
        {"id": automation_id, "at": to_text(at)},
    )
    return db.changes() == 1


def count_behind(db: apsw.Connection) -> int:
    """Return how many automations of the whole server wait for others of their groups."""
    return int(
        fetch_value(
            db,
            """
            SELECT count(*)
              FROM automations
             WHERE concurrency_key IS NOT NULL AND state = 'queued' AND job_id IS NULL
               AND turn IN ('behind', 'new')
            """,
            {},
        )
    )


def _alike(org_id: str, key: str, queue: GroupQueue) -> dict[str, object]:
    return {
        "org_id": org_id,
        "key": key,
        "turn": queue.turn,
        "on_limit": queue.on_limit,
        "requirements": queue.requirements,
    }

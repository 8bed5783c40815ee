"""SQL of what waits for a worker, by what it asks for."""

from __future__ import annotations

from collections.abc import Callable

import apsw

from opsicle.server.store.rows import Row, fetch_all


def waits(row: str = "automations") -> str:
    """Return the condition that an automation waits for a worker, to the letter as in the index.

    `row` is what the statement calls it. It waits for nothing else: neither for a job's end nor for
    others of its concurrency group.
    """
    return (
        f"{row}.state IN ('planning', 'queued') AND {row}.job_id IS NULL AND {row}.turn = 'ready'"
    )


class WaitingKindRow(Row, frozen=True):
    """What some waiting automations of an org require, to the letter, and the rank of the first."""

    org_id: str
    requirements: str
    first_rank: str


def list_kinds(db: apsw.Connection) -> list[WaitingKindRow]:
    """Return all that waits for a worker, of all orgs. Goes through the whole queue."""
    return fetch_all(
        db,
        f"""
        SELECT org_id, requirements, min(rank)
          FROM automations
         WHERE {waits()}
         GROUP BY org_id, requirements
        """,  # noqa: S608 - literals
        {},
        WaitingKindRow,
    )


def watch(db: apsw.Connection, note: Callable[[str, str, str], None]) -> None:
    """Call `note` for each automation that begins to wait through this connection.

    It gets the org, the requirements and the rank, by whatever statement that happens, and within
    its transaction: `note` has been called even if that is rolled back.
    """
    db.create_scalar_function("note_waiting", lambda *given: note(*map(str, given)), 3)
    for when in ("INSERT", "UPDATE OF state, job_id, turn"):
        db.execute(
            f"""
            CREATE TEMP TRIGGER waiting_after_{when[:6].lower()} AFTER {when} ON main.automations
            WHEN {waits("NEW")}
            BEGIN
                SELECT note_waiting(NEW.org_id, NEW.requirements, NEW.rank);
            END
            """
        )


class WaitingGroup(Row, frozen=True):
    """How many automations of an org wait for a worker with just these requirements."""

    org_id: str
    requirements: str
    count: int


def count_waiting(db: apsw.Connection) -> list[WaitingGroup]:
    """Return what waits for a worker on the whole server, the largest group first."""
    return fetch_all(
        db,
        f"""
        SELECT org_id, requirements, count(*) AS waiting
          FROM automations
         WHERE {waits()}
         GROUP BY org_id, requirements
         ORDER BY waiting DESC
        """,  # noqa: S608 - literals
        {},
        WaitingGroup,
    )

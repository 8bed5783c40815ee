"""SQL of automations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum

import apsw
import msgspec

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.automations import FINAL, UNFINISHED, AutomationState, is_final
from opsicle.domain.concurrency import QueuePlace
from opsicle.domain.errors import NotFound, required
from opsicle.domain.run_windows import RunWindow
from opsicle.domain.templates import DEFAULT_PRIORITY
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, index_condition, where
from opsicle.server.store.waiting import waits


class Turn(StrEnum):
    """Whether the concurrency group of a queued automation lets it begin.

    `early`: the window in which it may begin has not opened, so it does not stand in its group yet.
    `new`: the group has not looked at it since it was queued; `behind`: others come first; `ready`,
    and without a group: it waits for a worker only.
    """

    EARLY = "early"
    NEW = "new"
    BEHIND = "behind"
    READY = "ready"


class AutomationRow(Row, frozen=True, kw_only=True):
    """One automation with the names shown with it, and for whom it waits before it may run."""

    id: str
    org_id: str
    template_id: str
    template: str
    version: int
    values_json: str
    requirements: str
    on_worker_lost: str
    state: AutomationState
    fence: int = 0
    job_id: str | None = None
    requester_id: str
    requester_email: str
    requester_name: str
    reason: str
    rerun_of: str | None = None
    manifest_digest: str = ""
    manifest_format: int = 1
    principal_id: str = ""
    mac: str = ""
    exit_code: int | None = None
    explanation: str = ""
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    worker_id: str | None = None
    worker_name: str | None = None
    approval_id: str | None = None
    waiting_for: str | None = None
    priority: int = DEFAULT_PRIORITY
    concurrency_key: str | None = None
    concurrency_limit: int | None = None
    on_limit: str | None = None
    turn: Turn = Turn.READY
    concurrency_released_at: datetime | None = None
    max_waiting: int | None = None
    pause_id: str | None = None
    pause_state: ApprovalState | None = None
    pause_waiting_for: str | None = None
    is_job_leased: bool = False
    is_worker_revoked: bool = False
    started_by_kind: str = ""
    started_by_name: str = ""
    started_by_id: str | None = None
    depth: int = 0
    resumed_from: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    calls: str = ""
    called_by: str = ""
    evidence: str = ""
    fan_out: str = ""
    member_of: str = ""
    only_worker: str = ""
    start_at: datetime | None = None

    @property
    def planned_window(self) -> RunWindow:
        """From when on whoever asked lets it begin, before anybody else has said anything."""
        return RunWindow.of(self.start_at, None, self.requester_email)

    @property
    def rank(self) -> str:
        """By which it is sorted: as the column, so the highest priority first, then the oldest."""
        return f"{9 - self.priority}{self.id}"

    @property
    def queue_place(self) -> QueuePlace:
        """Where its row says that it stands."""
        return QueuePlace(
            self.priority,
            self.max_waiting,
            self.concurrency_key,
            self.concurrency_limit,
            self.on_limit,
        )


SELECT = """
    SELECT a.id, a.org_id, a.template_id, a.template, a.version, a.values_json, a.requirements,
           a.on_worker_lost, a.state, a.fence, a.job_id, a.requester_id,
           coalesce(u.former_email, u.email), u.name, a.reason, a.rerun_of, a.manifest_digest,
           a.manifest_format, a.principal_id, a.mac, a.exit_code, a.explanation, a.created_at,
           a.queued_at, a.started_at, a.finished_at, a.cancel_requested_at, w.id, w.name, p.id,
           p.waiting_for, a.priority, a.concurrency_key, a.concurrency_limit, a.on_limit, a.turn,
           a.concurrency_released_at, a.max_waiting,
           q.id, q.state, q.waiting_for, j.state IS 'leased', w.state IS 'revoked',
           a.started_by_kind, a.started_by_name, a.started_by_id, a.depth, a.resumed_from,
           a.not_before, a.not_after, a.calls, a.called_by, a.evidence,
           a.fan_out, a.member_of, a.only_worker, a.start_at
      FROM automations a
      JOIN users u ON u.id = a.requester_id
      LEFT JOIN jobs j ON j.id = a.job_id
      LEFT JOIN workers w ON w.id = j.worker_id
      LEFT JOIN approvals p ON p.automation_id = a.id AND p.kind = 'run'
      LEFT JOIN approvals q ON q.id = j.pause_id
"""


def insert(db: apsw.Connection, row: AutomationRow, resume_point: str | None = None) -> None:
    """Record a new automation.

    `fence` and `job_id` are set if a worker is given it in the same transaction. `resume_point` is
    the JSON of where it goes on that another one has left.
    """
    db.execute(
        """
        INSERT INTO automations (id, org_id, template_id, template, version, values_json,
                                 requirements, on_worker_lost, state, fence, job_id, requester_id,
                                 reason, rerun_of, manifest_digest, manifest_format, principal_id,
                                 mac, created_at, queued_at, priority, concurrency_key,
                                 concurrency_limit, on_limit, turn, max_waiting,
                                 started_by_kind, started_by_name, started_by_id, depth,
                                 resumed_from, resume_point, calls, called_by, fan_out,
                                 member_of, only_worker, start_at, not_before)
        VALUES (:id, :org_id, :template_id, :template, :version, :values_json, :requirements,
                :on_worker_lost, :state, :fence, :job_id, :requester_id, :reason, :rerun_of,
                :manifest_digest, :manifest_format, :principal_id, :mac, :created_at, :queued_at,
                :priority, :concurrency_key, :concurrency_limit, :on_limit, :turn, :max_waiting,
                :started_by_kind, :started_by_name, :started_by_id, :depth,
                :resumed_from, :resume_point, :calls, :called_by, :fan_out, :member_of,
                :only_worker, :start_at, :not_before)
        """,
        {
            **msgspec.structs.asdict(row),
            "created_at": to_text(row.created_at),
            "queued_at": to_text(row.queued_at) if row.queued_at else None,
            "start_at": to_text(row.start_at) if row.start_at else None,
            "not_before": to_text(row.not_before) if row.not_before else None,
            "resume_point": resume_point,
        },
    )


def find_resume_point(db: apsw.Connection, automation_id: str) -> str | None:
    """Return, as JSON, where an automation goes on that another one has left; None: it begins."""
    value = fetch_value(
        db, "SELECT resume_point FROM automations WHERE id = :id", {"id": automation_id}
    )
    return None if value is None else str(value)


class Successor(Row, frozen=True):
    """An automation that goes on from another one, and its state."""

    id: str
    state: AutomationState


def find_successor(db: apsw.Connection, automation_id: str) -> Successor | None:
    """Return what goes on from an automation, has done so, or may have: not what ended badly."""
    return fetch_one(
        db,
        """
        SELECT id, state
          FROM automations
         WHERE resumed_from = :id
           AND state IN ('planning', 'awaiting_approval', 'queued', 'running', 'paused',
                         'succeeded', 'unknown')
         ORDER BY id DESC LIMIT 1
        """,
        {"id": automation_id},
        Successor,
    )


def list_without_mac(db: apsw.Connection, after_id: str, limit: int) -> list[AutomationRow]:
    """Return automations of all orgs, by id, that may still be handed out and have no MAC.

    They were bound to their manifest by a version that made none.
    """
    return fetch_all(
        db,
        SELECT
        + f"""
         WHERE {index_condition(UNFINISHED, "a.state")}
           AND a.mac = ''
           AND a.manifest_digest <> ''
           AND a.id > :after_id
         ORDER BY a.id LIMIT :limit
        """,
        {"after_id": after_id, "limit": limit},
        AutomationRow,
    )


def authenticate(db: apsw.Connection, automation_id: str, principal_id: str, mac: str) -> None:
    """Give an automation its MAC that has none, for good."""
    db.execute(
        """
        UPDATE automations
           SET principal_id = :principal_id, mac = :mac
         WHERE id = :id
           AND mac = ''
        """,
        {"id": automation_id, "principal_id": principal_id, "mac": mac},
    )


def find(db: apsw.Connection, org_id: str, automation_id: str) -> AutomationRow | None:
    """Return one automation of this org, or None."""
    where = "WHERE a.org_id = :org_id AND a.id = :id"
    return fetch_one(db, SELECT + where, {"org_id": org_id, "id": automation_id}, AutomationRow)


def get(db: apsw.Connection, org_id: str, automation_id: str) -> AutomationRow:
    """Return one automation of this org.

    Raises NotFound for an absent and for another org's one alike.
    """
    return required(
        find(db, org_id, automation_id), NotFound(f"there is no automation {automation_id}")
    )


@dataclass(frozen=True, slots=True)
class AutomationFilter:
    """What a list of automations is narrowed to; an empty string means any.

    `requester` is an id or an address, `since_id` the lowest id that counts: they grow with time.
    `state` is one; people may ask for several (see `automations/filters.py`).
    """

    state: str = ""
    template: str = ""
    requester: str = ""
    since_id: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the search may go through all that one person has asked for."""
        return bool(self.requester and self.template)


_REQUESTED = "requester_id = (SELECT id FROM users WHERE id = :requester OR email = :requester)"
_OPEN, _ENDED = index_condition(UNFINISHED), index_condition(FINAL)
"""Said beside `state = :state`, to the letter as in the indexes of what is open and what has ended.
"""


def list_newest(
    db: apsw.Connection, org_id: str, wanted: AutomationFilter, before: str, limit: int
) -> list[AutomationRow]:
    """Return a page of automations, newest first, older than `before` (empty: from the newest).

    The page is found in an index alone: one that has each condition as a column, or the one of what
    is open, which does not grow with the past (hence the `+`, which keeps SQLite from the others).
    Only a person's runs of one template are looked for among all of theirs: see
    `AutomationFilter.is_long`.
    """
    is_open = bool(wanted.state) and not is_final(AutomationState(wanted.state))
    plus = "+" if is_open else ""
    of_person = "+" if wanted.requester else plus

    page = where(
        "org_id = :org_id",
        wanted.requester and plus + _REQUESTED,
        wanted.template and of_person + "template = :template",
        wanted.state and "state = :state",
        wanted.state and (_OPEN if is_open else _ENDED),
        before and "id < :before",
        wanted.since_id and "id >= :since_id",
    )
    sql = f"""
        {SELECT}
         WHERE a.id IN (SELECT id FROM automations {page} ORDER BY id DESC LIMIT :limit)
         ORDER BY a.id DESC
    """  # noqa: S608 - literals of this file

    given = {"org_id": org_id, "before": before, "limit": limit, **asdict(wanted)}
    return fetch_all(db, sql, given, AutomationRow)


class AutomationOwner(Row, frozen=True):
    """The org of an automation, its state, and its newest job."""

    org_id: str
    state: AutomationState
    job_id: str | None


def find_owner(db: apsw.Connection, automation_id: str) -> AutomationOwner | None:
    """Return whose an automation of any org is, and how far it is, or None."""
    return fetch_one(
        db,
        "SELECT org_id, state, job_id FROM automations WHERE id = :id",
        {"id": automation_id},
        AutomationOwner,
    )


def list_waiting(
    db: apsw.Connection, org_id: str, requirements: str, limit: int
) -> list[AutomationRow]:
    """Return what waits for a worker with just these requirements, in the order of the queue.

    What waits for others of its concurrency group is not among it.
    """
    return fetch_all(
        db,
        SELECT
        + f"""
         WHERE a.org_id = :org_id AND a.requirements = :requirements AND {waits("a")}
         ORDER BY a.rank LIMIT :limit
        """,
        {"org_id": org_id, "requirements": requirements, "limit": limit},
        AutomationRow,
    )


def count_by_state(db: apsw.Connection) -> dict[str, int]:
    """Return how many automations of the whole server are in each open state."""
    rows = db.execute(
        f"""
        SELECT state, count(*)
          FROM automations
         WHERE {_OPEN}
         GROUP BY state
        """  # noqa: S608 - a literal
    )
    return {str(state): int(str(count)) for state, count in rows}

"""What automations wait for, by the queue and the fleet of this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.automations import WAITS_FOR_WORKER, AutomationState
from opsicle.domain.waiting_reasons import absence, unsupported_reason, waiting_reason
from opsicle.domain.workers import SHARED, Candidate
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.dispatch.concurrency_groups import queues_of
from opsicle.server.dispatch.queue_limits import running_limit_reason
from opsicle.server.dispatch.run_windows import window_of
from opsicle.server.fleet.fleet import Fleet, absent
from opsicle.server.store import concurrency, orgs, workers
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.database import Connection, Database

MOST_ABSENT_WORKERS = 100
"""More than anybody wants to read of in one reason for waiting."""

_MOST_COUNTED = 100
"""Of those that come before one in its group: the last of 50,000 would have to count them all."""


class QueueView(NamedTuple):
    """Who could take what waits, why nobody is handed anything, and whom a group puts first.

    `behind` has the reason by the automation's id. `org_limit` says that as many run as may.
    """

    candidates: Sequence[Candidate] = ()
    held: str = ""
    behind: Mapping[str, str] = {}
    org_limit: str = ""


def queue_view(
    db: Connection, fleet: Fleet, org_id: str, rows: Sequence[AutomationRow]
) -> QueueView:
    """Return what there is to say of why some of an org's automations wait, or are paused."""
    waiting = [row for row in rows if row.state in WAITS_FOR_WORKER]
    has_paused = any(row.state is AutomationState.PAUSED for row in rows)
    if not (waiting or has_paused):
        return QueueView(held=fleet.held)
    behind = {
        row.id: _out_of_turn(db, row)
        for row in waiting
        if row.turn is not Turn.READY and row.job_id is None
    }
    org_limit = running_limit_reason(db, org_id)
    return QueueView(candidates_of(db, fleet, org_id), fleet.held, behind, org_limit)


def view_of_new(database: Database, fleet: Fleet, row: AutomationRow) -> QueueView:
    """Return what is known at once of why an automation waits that was just triggered."""
    if row.job_id:
        return QueueView()

    def query(db: Connection) -> QueueView:
        behind = {} if row.turn is Turn.READY else {row.id: _out_of_turn(db, row)}
        org_limit = running_limit_reason(db, row.org_id)
        known: Sequence[Candidate] = fleet.candidates(row.org_id)
        if not any(one.is_connected for one in known):
            known = candidates_of(db, fleet, row.org_id)
        return QueueView(known, fleet.held, behind, org_limit)

    return database.read(query)


def _out_of_turn(db: Connection, row: AutomationRow) -> str:
    """Say what an automation waits for before any worker could have it."""
    if row.turn is Turn.EARLY:
        return window_of(db, row.approval_id, row.planned_window).opening_text
    return group_reason(db, row)


def group_reason(db: Connection, row: AutomationRow) -> str:
    """Say whom of its concurrency group an automation waits for; "" if it may begin."""
    org_id, key = row.org_id, row.concurrency_key or ""
    if unknown := concurrency.find_unknown_holder(db, org_id, key):
        return (
            f"group {key} is held by {unknown}, and nobody can say how that ended: "
            f"look at its target, then `opsicle automations release {unknown}`"
        )

    count = concurrency.count_holders(db, org_id, key).count
    for turn in (Turn.NEW, Turn.BEHIND, Turn.READY):
        for queue in queues_of(db, org_id, key, turn):
            most = max(0, _MOST_COUNTED + 1 - count)
            count += concurrency.count_before(db, org_id, key, queue, row.rank, most)
    if count > _MOST_COUNTED:
        return f"behind more than {_MOST_COUNTED} others of group {key}"
    return f"behind {count} other{'' if count == 1 else 's'} of group {key}" if count else ""


def candidates_of(db: Connection, fleet: Fleet, org_id: str) -> list[Candidate]:
    """Return who serves the org.

    Those who have not polled since the server started are among them.
    """
    known = fleet.candidates(org_id)
    away = workers.list_longest_unseen(db, org_id, MOST_ABSENT_WORKERS)
    known += [absent(row) for row in away if fleet.find(row.id) is None]
    if not known and orgs.allows_shared_workers(db, org_id) and workers.has_shared(db):
        known.append(Candidate(name=SHARED, is_connected=False, is_shared=True))
    return known


def reason_for_waiting(row: AutomationRow, queue: QueueView, known: dict[str, str]) -> str:
    """Return what an automation waits for, "" if it does not; `known` as in `views.summary`."""
    if row.state == AutomationState.AWAITING_APPROVAL:
        return f"it waits for approval: {row.waiting_for}"
    if row.state == AutomationState.PAUSED:
        return _paused_reason(row, queue)
    if row.state not in WAITS_FOR_WORKER:
        return ""
    if row.job_id:
        return _leased_reason(row, queue)
    if queue.held:
        return f"{queue.held}: whoever runs the server must release the queue"
    if behind := queue.behind.get(row.id):
        return behind
    return _workers_reason(row, queue, known) or queue.org_limit or _put_off_reason(row, queue)


def _workers_reason(row: AutomationRow, queue: QueueView, known: dict[str, str]) -> str:
    """Return why no worker takes it; `known` has that by what it asks for."""
    if any(row.id in one.unsupported for one in queue.candidates):
        asked = stored_requirements(row.requirements)
        return unsupported_reason(asked, queue.candidates, row.id, row.manifest_format)
    if row.requirements not in known:
        asked = stored_requirements(row.requirements)
        known[row.requirements] = waiting_reason(asked, queue.candidates)
    return known[row.requirements]


def _put_off_reason(row: AutomationRow, queue: QueueView) -> str:
    return next((one.put_off[row.id] for one in queue.candidates if row.id in one.put_off), "")


def _leased_reason(row: AutomationRow, queue: QueueView) -> str:
    """Return what a worker does with what it was given; "" while it runs its plan."""
    if row.state is AutomationState.PLANNING and not row.is_job_leased:
        return ""
    worker = next((one for one in queue.candidates if one.name == row.worker_name), None)
    is_gone = worker is not None and not worker.is_connected
    text = f"was given it, but {absence(worker)}" if worker and is_gone else "is about to start it"
    return f"{row.worker_name} {text}"


def _paused_reason(row: AutomationRow, queue: QueueView) -> str:
    """Return whom or what a paused automation waits for, and whether its worker is there for it."""
    if row.is_worker_revoked:
        return f"{row.worker_name}, which holds it, was revoked, so it cannot go on: cancel it"
    worker = next((one for one in queue.candidates if one.name == row.worker_name), None)
    away = absence(worker) if worker and not worker.is_connected else ""
    if row.pause_state is None:
        besides = f"; {row.worker_name}, which holds it, {away}" if away else ""
        return f"it waits for what it has called, or to go on after that{besides}"
    if row.pause_state is ApprovalState.PENDING:
        besides = f"; {row.worker_name}, which holds it, {away}" if away else ""
        return f"it is paused, and waits for {row.pause_waiting_for}{besides}"
    if away:
        return f"it was decided, and waits for {row.worker_name}, which holds it and {away}"
    if queue.held:
        return f"{queue.held}: whoever runs the server must release the queue"
    if row.is_job_leased:
        return f"{row.worker_name} is about to go on with it"
    if worker and worker.is_draining:
        return f"it was decided, and waits for {row.worker_name}, which holds it and is draining"
    return f"it was decided, and waits for a free slot of {row.worker_name}, which holds it"

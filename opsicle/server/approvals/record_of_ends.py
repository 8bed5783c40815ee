"""What the record says against an automation that waits to be handed out.

A code shows that a row is as it was written, not that it is the newest of its kind: whoever writes
to the database can put back what had been cancelled, refused or carried out, or take a decision
away. The record is a chain, from which nothing can be taken without a trace; so it is asked too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState
from opsicle.domain.automations import AutomationState
from opsicle.kit.ids import lowest_id
from opsicle.server.access.actor import SystemActor
from opsicle.server.approvals.bindings import AlteredManifest
from opsicle.server.approvals.cases import Case
from opsicle.server.store import audit, jobs
from opsicle.server.store.audit import LifecycleEntry
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import PhaseReport, outputs_digest, phases_digest

_ENDS = {
    "cancel": "was cancelled",
    "expire": "expired",
    "finish": "was carried out",
    "lose": "was lost with its worker",
    "refuse": "was refused",
    "refuse_order": "was refused by a worker",
    "withdraw": "was withdrawn",
}


_MOVES = (_ENDS.keys() - {"cancel"}) | {"pause", "plan", "start", "requeue"}
"""What an automation's own entries say of where it is; a running one may have been told to stop."""

_GIVEN_BACK = frozenset({"return", "requeue", "plan"})


class _ReturnedJob(msgspec.Struct):
    """The job that is over, as the entries of `return`, `requeue` and `plan` name it."""

    job: str = ""


class _Paused(msgspec.Struct):
    """What a job waits for in its midst, as the entry of `pause` names it."""

    approval: str = ""
    call: str = ""


class _RecordedEnd(msgspec.Struct):
    """How it ended, and digests of what it has left, as the entry of `finish` or `pause` says."""

    state: str = ""
    outputs: str = ""
    job: str = ""
    phases: str = ""


class _DecisionCodes(msgspec.Struct):
    """The codes of decisions, as the entries of `approve`, `reject` and `bind` hold them."""

    codes: dict[str, str] = {}
    decisions: list[str] = []


_UNREADABLE = _DecisionCodes(decisions=["of an entry that cannot be read"])
"""Is no stored decision's."""


def contradiction(db: Connection, row: AutomationRow, case: Case | None = None) -> str:
    """Return why the record does not let an automation that is stored as queued be handed out.

    Return "" if it does.

    `case` is its approval, if there is one.
    """
    entries = audit.list_decisive(db, row.org_id, f"automations/{row.id}")
    if case:
        entries += audit.list_decisive(db, row.org_id, f"approvals/{case.row.id}")
    verbs = [entry.verb for entry in entries]
    if ends := [verb for verb in verbs if verb in _ENDS]:
        return f"by the record it {_ENDS[ends[0]]} before"
    if "plan" in verbs and row.state is AutomationState.PLANNING:
        return "by the record its plan was carried out before"
    moves = [verb for verb in verbs if verb in {"start", "requeue", "plan"}]
    if moves and moves[-1] == "start":
        return "by the record it has begun already"
    if not _are_leases_explained(db, row, entries):
        return "by the record it was never given back, though it had been handed out"
    if case and not _codes(entries) <= {each.mac for each in case.decisions}:
        return "by the record there is a decision that is no longer stored"
    return ""


def pause_contradiction(db: Connection, row: AutomationRow, case: Case) -> str:
    """Return why the record does not let a job go on that is stored as paused; "" if it does.

    Its last step must be this very pause, and not one after it.
    """
    if reason := wait_contradiction(db, row, case.row.id):
        return reason

    entries = audit.list_decisive(db, row.org_id, f"approvals/{case.row.id}")
    ended = [_ENDS[entry.verb] for entry in entries if entry.verb == "expire"]
    if case.row.state is ApprovalState.APPROVED and ended:
        return f"by the record its pause {ended[0]}"
    if not _codes(entries) <= {each.mac for each in case.decisions}:
        return "by the record there is a decision that is no longer stored"
    return ""


def wait_contradiction(db: Connection, row: AutomationRow, wait_id: str) -> str:
    """Return why a job does not wait for just this approval or call by the record; "" if it does.

    Its last step must be this very pause, and not one after it.
    """
    steps = audit.list_decisive(db, row.org_id, f"automations/{row.id}")
    if row.cancel_requested_at is None and any(step.verb == "cancel" for step in steps):
        return "by the record somebody has cancelled it"
    moves = [step for step in steps if step.verb in _MOVES]
    last = moves[-1] if moves else None
    if last and last.verb in _ENDS:
        return f"by the record it {_ENDS[last.verb]} before"
    if last is not None and last.verb == "pause":
        recorded = stored_json.read_or(last.data, _Paused, _Paused())
        if wait_id in {recorded.approval, recorded.call}:
            return ""
    return "by the record it does not wait at this pause"


def require_ended(db: Connection, row: AutomationRow) -> None:
    """Raise AlteredManifest unless the record says that an automation ended as its row does.

    What the record has forgotten is believed.
    """
    last = _last_move(db, row)
    if last is None and _is_forgotten(db, row):
        return
    if last is None or last.verb != "finish" or _read_end(last).state != row.state:
        raise AlteredManifest(f"by the record {row.template} has not ended {row.state}")


def require_not_ended(db: Connection, row: AutomationRow) -> None:
    """Raise AlteredManifest for a running automation that the record calls ended, or cancelled."""
    entries = audit.list_decisive(db, row.org_id, f"automations/{row.id}")
    if ends := [entry.verb for entry in entries if entry.verb in _ENDS]:
        raise AlteredManifest(f"by the record {row.template} {_ENDS[ends[0]]} before")


def require_waiting(db: Connection, row: AutomationRow, wait_id: str) -> None:
    """Raise AlteredManifest unless the record says that a job waits for just this call.

    Nor may anybody have cancelled it since it came to wait.
    """
    if reason := wait_contradiction(db, row, wait_id):
        raise AlteredManifest(reason)
    if audit.list_decisive(db, row.org_id, f"automations/{row.id}")[-1].verb == "cancel":
        raise AlteredManifest("by the record somebody has cancelled it since")


def recorded_reports(db: Connection, row: AutomationRow, job: JobRow | None) -> list[PhaseReport]:
    """Return what the phases of a job have left that has ended, or waits for what it called.

    Raises AlteredManifest for outputs that are not those that its worker has sent, Unreadable.
    """
    reports = stored_json.read(job.phases, list[PhaseReport], "its outputs") if job else []
    moves = _list_moves(db, row)
    if not moves and _is_forgotten(db, row):
        return reports
    # What has ended while it waited had left its outputs when it came to wait: its end only repeats
    # what is stored.
    has_ended_waiting = [each.verb for each in moves[-2:]] == ["pause", "finish"]
    last = moves[-2 if has_ended_waiting else -1] if moves else None
    if _read_end(last).outputs != outputs_digest(reports):
        raise AlteredManifest(f"by the record {row.template} has left other outputs")
    return reports


def require_recorded(db: Connection, row: AutomationRow, job: JobRow) -> None:
    """Raise AlteredManifest where the record says otherwise of how the phases of a job went.

    It says nothing of a job that ended before it was told that.
    """
    recorded = _read_end(_last_move(db, row))
    if recorded.job != job.id or not recorded.phases:
        return
    if recorded.phases != phases_digest(stored_json.read_or(job.phases, list[PhaseReport], [])):
        raise AlteredManifest(f"by the record the phases of {row.template} went otherwise")


def recorded_outputs(reports: Iterable[PhaseReport]) -> dict[str, str]:
    """Return what the entry of `finish` or `pause` says of a job's outputs; nothing of none."""
    outputs = outputs_digest(reports)
    return {"outputs": outputs} if outputs else {}


def record_start(
    db: Connection, org_id: str, resource: str, automation_id: str, now: datetime
) -> None:
    """Record that something was started for a call, or for the end of an automation.

    Raises AlteredManifest if that was done before, whatever the rows say.
    """
    if audit.list_decisive(db, org_id, resource):
        raise AlteredManifest("by the record it was started before")
    data = {"automation": automation_id}
    audit.append(db, now, org_id, SystemActor(), "start", resource, data)


def _read_end(entry: LifecycleEntry | None) -> _RecordedEnd:
    """Return what an entry says of an end, nothing if it is missing or about something else."""
    nothing = _RecordedEnd()
    return stored_json.read_or(entry.data, _RecordedEnd, nothing) if entry else nothing


def _last_move(db: Connection, row: AutomationRow) -> LifecycleEntry | None:
    moves = _list_moves(db, row)
    return moves[-1] if moves else None


def _list_moves(db: Connection, row: AutomationRow) -> list[LifecycleEntry]:
    steps = audit.list_decisive(db, row.org_id, f"automations/{row.id}")
    return [step for step in steps if step.verb in _MOVES]


def _are_leases_explained(
    db: Connection, row: AutomationRow, entries: list[LifecycleEntry]
) -> bool:
    """Return whether the record says of every lease of a waiting automation that it was given back.

    So that taking an entry about a beginning or an end out of the record is not enough to have a
    job run again: the fence and the rows of jobs would have to be set back as well. An automation
    that is older than the oldest entry is not asked about, because retention may have removed what
    explains it.
    """
    leased = jobs.list_ids(db, row.id)
    if not leased and row.fence == 0:
        return True
    given_back = {
        msgspec.json.decode(entry.data, type=_ReturnedJob).job
        for entry in entries
        if entry.verb in _GIVEN_BACK
    }
    if given_back and given_back.issuperset(leased):
        return True
    return _is_forgotten(db, row)


def _is_forgotten(db: Connection, row: AutomationRow) -> bool:
    """Return whether an automation is older than the oldest entry, so that some may be removed."""
    oldest = audit.find_first(db, row.org_id)
    return oldest is not None and oldest[0] > 1 and row.id < lowest_id(oldest[1])


def _codes(entries: list[LifecycleEntry]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        recorded = stored_json.read_or(entry.data, _DecisionCodes, _UNREADABLE)
        found.update(recorded.codes.values(), recorded.decisions)
    return found

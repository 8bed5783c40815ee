"""How an automation that runs on several machines ends, by how it went on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_fan_outs import BoundFanOut, MemberState
from opsicle.domain.manifests import Manifest
from opsicle.domain.problems import first_names
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.ended_parts import ended_part
from opsicle.server.store import approvals, fan_outs
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.fan_outs import FanOutMemberRow
from opsicle.wire.jobs import MAX_EXPLANATION

NOT_BEGUN = "more machines have failed than its template allows"
CANCELLED = "the automation was cancelled"
TIME_OVER = "the time that its template gives to all of its machines is over"
OTHER_MACHINES = "what is stored of its machines is not what it was bound to"

_ENDED = {
    AutomationState.FAILED: "failed",
    AutomationState.CANCELLED: "was cancelled",
    AutomationState.TIMED_OUT: "timed out",
    AutomationState.REJECTED: "was rejected",
    AutomationState.EXPIRED: "expired",
}
"""What it says of a machine whose automation ended so."""

_MOST_NAMED = 20
"""Machines that are named for each way in which it went."""


def whole_manifest(db: Connection, bindings: Bindings, row: AutomationRow) -> Manifest:
    """Return what an automation on several machines was bound to. Raises AlteredManifest."""
    template = template_of(db, row.template_id, row.version)
    approval = approvals.find_of_automation(db, row.id) if row.approval_id else None
    return bindings.check(db, row, template, approval).manifest


def cut_off_reason(row: AutomationRow, fan_out: BoundFanOut, now: datetime) -> str:
    """Return why an automation is to end on all of its machines, "" if it goes on."""
    if row.cancel_requested_at is not None:
        return CANCELLED
    until = row.started_at + timedelta(seconds=fan_out.timeout) if row.started_at else None
    return TIME_OVER if until and until <= now else ""


def ending_of(db: Connection, bindings: Bindings, row: AutomationRow, now: datetime) -> Ending:
    """Return how an automation ends all of whose machines are over.

    A success on one of them counts by the record only.
    """
    members = fan_outs.list_of(db, row.id)
    problems = [*_how_it_went(members), *_contradictions(db, bindings, members)]
    cut_off = ""
    try:
        fan_out = whole_manifest(db, bindings, row).fan_out
        bound = [each.name for each in fan_out.members] if fan_out else []
        if [each.name for each in members] != bound:
            problems.append(OTHER_MACHINES)
        if fan_out and any(map(_may_be_cut_off, members)):
            cut_off = cut_off_reason(row, fan_out, now)
    except AlteredManifest as altered:
        problems.append(str(altered))

    state = AutomationState.FAILED if problems else AutomationState.SUCCEEDED
    if problems and row.cancel_requested_at is not None:
        state = AutomationState.CANCELLED
    elif problems and cut_off:
        state = AutomationState.TIMED_OUT
        problems.insert(0, TIME_OVER)
    explanation = "; ".join(dict.fromkeys(problems))
    return Ending(state, now, None, explanation[:MAX_EXPLANATION])


def _may_be_cut_off(member: FanOutMemberRow) -> bool:
    if member.automation_state is None:
        return member.state is MemberState.SKIPPED
    return member.automation_state == AutomationState.CANCELLED


def _contradictions(
    db: Connection, bindings: Bindings, members: Sequence[FanOutMemberRow]
) -> Iterator[str]:
    for member in members:
        if member.automation_state == AutomationState.SUCCEEDED:
            try:
                ended_part(db, bindings, member)
            except AlteredManifest as altered:
                yield f"on {member.name}: {altered}"


def _how_it_went(members: Sequence[FanOutMemberRow]) -> Iterator[str]:
    """Yield each way in which it has not succeeded, with the names of the machines."""
    ways: dict[tuple[str, str], list[str]] = {}
    for member in members:
        if member.automation_state != AutomationState.SUCCEEDED:
            ways.setdefault(_way(member), []).append(member.name)
    for (verb, reason), names in ways.items():
        yield f"it {verb} on {first_names(names, _MOST_NAMED)}" + (f": {reason}" if reason else "")


def _way(member: FanOutMemberRow) -> tuple[str, str]:
    """Return what became of a machine, and why unless its own automation says that."""
    if (state := member.automation_state) is not None:
        return _ENDED.get(state, f"ended {state}"), ""
    verb = "did not begin" if member.state is MemberState.SKIPPED else "could not start"
    return verb, member.reason

"""Going on with an automation that runs on several machines: on those where it did not succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict, InvalidInput, Problem
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import Template
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.ended_parts import ended_part
from opsicle.server.approvals.manifests import member_of
from opsicle.server.automations.resumed_runs import bound_manifest, require_ended
from opsicle.server.store import fan_outs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.fan_outs import FanOutMemberRow
from opsicle.wire.starts import ResumeRequest


def resumed_fan_out(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    wanted: ResumeRequest,
) -> ResumePoint:
    """Return where an automation on several machines is gone on with: at the first phase of each.

    Raises Conflict if it cannot be, InvalidInput for a phase.
    """
    if of := member_of(row):
        raise Conflict(
            f"{row.id} is the part of {of.automation_id} on {of.member.name}",
            hint=f"`opsicle automations resume {of.automation_id}` goes on wherever that has not "
            f"succeeded; `opsicle automations rerun {row.id}` runs it on {of.member.name} again.",
        )
    require_ended(row)
    bound_manifest(db, bindings, row, template)
    if wanted.phase_from:
        raise InvalidInput(
            "what runs on several machines begins at the first phase on each of them",
            problems=(Problem("phase_from", "is not for it"),),
        )
    members = fan_outs.list_of(db, row.id)
    if not members:
        raise Conflict(
            f"nothing of {row.id} has run, so there is nothing to go on with",
            hint=f"Run it again: `opsicle automations rerun {row.id}`.",
        )
    unknown = [m.name for m in members if m.automation_state == AutomationState.UNKNOWN]
    if unknown and not wanted.accept_unknown:
        raise Conflict(
            f"nobody can say how it ended on {', '.join(unknown)}, or whether it still runs there: "
            "it might run twice",
            hint="Look at these first, "
            f"then `opsicle automations resume {row.id} --accept-unknown`.",
        )
    return ResumePoint(automation_id=row.id, first_phase=0, outputs={}, answers={})


def machines_left(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> frozenset[str]:
    """Return the machines that an automation was bound to, and on which it has not succeeded.

    A success counts by the record only. Raises Conflict if it is not as triggered.
    """
    fan_out = bound_manifest(db, bindings, row, template).fan_out
    bound = {member.name for member in fan_out.members} if fan_out else set()
    return frozenset(bound - {each.name for each in _succeeded(db, bindings, row)})


def _succeeded(db: Connection, bindings: Bindings, row: AutomationRow) -> Iterator[FanOutMemberRow]:
    for member in fan_outs.list_of(db, row.id):
        if member.automation_state == AutomationState.SUCCEEDED:
            with suppress(AlteredManifest):
                ended_part(db, bindings, member)
                yield member

"""The calls of a job that have ended well, whatever its worker says of them.

As with pauses (`passed_pauses.py`): a worker is believed in how its own commands went. That it has
called what it was to call, and that this has succeeded, the server knows itself.
"""

from __future__ import annotations

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.automations import AutomationState
from opsicle.domain.calls import CalledBy
from opsicle.domain.pauses import ApprovalKind, Choice
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Phase, Template, When
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.cases import load_unaltered
from opsicle.server.approvals.ended_parts import ended_part
from opsicle.server.approvals.manifests import called_by_of, fan_out_of
from opsicle.server.approvals.passed_pauses import require_pauses_passed
from opsicle.server.approvals.pauses import answer_of, require_decided
from opsicle.server.approvals.record_of_ends import require_ended
from opsicle.server.store import approvals, automations, calls, fan_outs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.calls import CalledRow, CallWaitRow
from opsicle.server.store.database import Connection


def require_passed(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    first: int,
    until: int | None = None,
) -> None:
    """Raise AlteredManifest unless an automation has passed its pauses and calls before a phase.

    Without a phase: all of them. It began at its phase `first`. One that runs on several machines
    has passed them once all its parts have.
    """
    if row.fan_out:
        members, bound = fan_outs.list_of(db, row.id), fan_out_of(row)
        if not bound or [each.name for each in members] != [each.name for each in bound.members]:
            raise AlteredManifest("what is stored of its machines is not what it was bound to")
        for member in members:
            part = ended_part(db, bindings, member)
            require_passed(db, bindings, part.row, part.template, part.manifest.first_phase)
        return
    require_pauses_passed(db, bindings, row, template, first, until)
    require_calls_passed(db, bindings, row, template, first, until)


def require_calls_passed(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    first: int,
    until: int | None = None,
) -> None:
    """Raise AlteredManifest unless all that an automation calls before a phase has succeeded.

    Or people have chosen to go on without. As `require_passed`.
    """
    for index, phase in enumerate(template.phases[:until]):
        if index < first or not phase.calls or phase.when is not When.SUCCESS:
            continue
        if not has_passed_call(db, bindings, row, index, phase):
            name = quoted(phase.name)
            raise AlteredManifest(f"what {row.template} calls at {name} has not succeeded")


def has_passed_call(
    db: Connection, bindings: Bindings, row: AutomationRow, index: int, phase: Phase
) -> bool:
    """Return whether a job may go on behind a phase that calls. Raises AlteredManifest."""
    return _has_succeeded(db, bindings, row, index, phase) or _was_skipped(db, bindings, row, index)


def require_call_ended(
    db: Connection, bindings: Bindings, wait: CallWaitRow, call: CalledRow
) -> AutomationRow:
    """Return a called automation, once it is sure that it is that, and has ended as it says.

    Raises AlteredManifest where it is not.
    """
    row = automations.get(db, wait.org_id, call.automation_id or "")
    template = template_of(db, row.template_id, row.version)
    manifest = bindings.check(db, row, template, None).manifest
    if called_by_of(row) != CalledBy(
        automation_id=wait.automation_id,
        fence=wait.fence,
        phase=wait.phase,
        position=call.position,
    ):
        raise AlteredManifest("an automation that it has called was called by another one")
    require_ended(db, row)
    require_passed(db, bindings, row, template, manifest.first_phase)
    return row


def _has_succeeded(
    db: Connection, bindings: Bindings, row: AutomationRow, index: int, phase: Phase
) -> bool:
    """Return whether all succeeded that was called when the phase was last come to."""
    called = [each for each in calls.list_of_automation(db, row.id) if each.phase == index]
    wait = calls.find_wait(db, called[-1].wait_id) if called else None
    newest = [each for each in called if wait and each.wait_id == wait.id]
    if wait is None or wait.job_id != row.job_id or len(newest) != len(phase.calls):
        return False
    if any(each.automation_state != AutomationState.SUCCEEDED for each in newest):
        return False
    for each in newest:
        require_call_ended(db, bindings, wait, each)
    return True


def _was_skipped(db: Connection, bindings: Bindings, row: AutomationRow, index: int) -> bool:
    """Return whether people, asked after the phase had failed, have let the job go on behind it."""
    for asked in reversed(approvals.list_pauses(db, row.id, row.job_id or "")):
        if asked.phase == index and asked.kind is ApprovalKind.FAILURE:
            case = load_unaltered(db, bindings, asked)
            if asked.state is not ApprovalState.APPROVED:
                return False
            require_decided(case)
            return answer_of(case).choice is Choice.SKIP
    return False

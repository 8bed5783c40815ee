"""What an automation will do, as its rows say.

Made when it is triggered, and again whenever that is compared.
"""

from __future__ import annotations

import msgspec

from opsicle.domain.automations import AutomationState, WorkerLost
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember, MemberOf
from opsicle.domain.calls import CalledBy
from opsicle.domain.errors import Unreadable
from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.files import input_files
from opsicle.domain.manifests import NO_POLICY, Manifest, PolicyAsked
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.secrets import named_secrets
from opsicle.domain.stored_json import read
from opsicle.domain.template_parser import digest as template_digest
from opsicle.domain.templates import Template, VariableType
from opsicle.domain.workers import Requirements, requirements
from opsicle.server.access.stored_values import read_values
from opsicle.server.approvals.evidence import plan_job
from opsicle.server.store import automations, secrets
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.wire.jobs import PhaseReport, outputs_of


def build(
    row: AutomationRow,
    template: Template,
    approval: ApprovalRow | None,
    commitments: dict[str, str],
    resume_point: ResumePoint | None = None,
    plan_outputs: dict[str, str] | None = None,
) -> Manifest:
    """Return an automation's whole manifest, in the newest format.

    `commitments` is what it says of each secret variable. Raises ValueError, as Unreadable is one,
    for rows that no trigger could have written.
    """
    elsewhere = {
        variable.id
        for variable in template.variables
        if variable.type in {VariableType.SECRET, VariableType.FILE}
    }
    values, of = read_values(row.values_json), member_of(row)
    fan_out = fan_out_of(row)
    member = machine_of(of, fan_out)
    is_on_target = member is not None and member.target is not None
    return Manifest(
        org_id=row.org_id,
        automation_id=row.id,
        template=row.template,
        version=row.version,
        template_digest=template_digest(template),
        phases=template.phases,
        values={name: value for name, value in values.items() if name not in elsewhere},
        files=input_files(template.variables, values),
        secret_variables=commitments,
        secrets=tuple(named_secrets(template.phases)),
        volume_mounts=template.volume_mounts,
        runs_on=member.labels if member and is_on_target else template.runs_on,
        runs_on_where=member.where if member and is_on_target else template.runs_on_where,
        priority=template.priority,
        concurrency=template.concurrency,
        timeout=template.timeout,
        on_worker_lost=WorkerLost(row.on_worker_lost),
        requester_id=row.requester_id,
        requester=row.requester_email,
        reason=row.reason,
        principal_id=row.principal_id,
        policy=_policy_digest(approval, row.manifest_format),
        resumed_from=resume_point,
        keep_workspace=None if of else template.keep_workspace,
        calls=calls_of(row),
        called_by=called_by_of(row),
        plan=() if of else template.plan,
        plan_outputs=of.plan_outputs if of else plan_outputs or {},
        evidence=row.evidence,
        fan_out=fan_out,
        member_of=of,
        target=member.target if member else None,
        only_worker=only_worker_of(row),
        start_at=row.start_at,
    )


def calls_of(row: AutomationRow) -> tuple[BoundCall, ...]:
    """Return what an automation calls, as its row says. Raises Unreadable."""
    return read(row.calls, tuple[BoundCall, ...], f"what {row.id} calls") if row.calls else ()


def called_by_of(row: AutomationRow) -> CalledBy | None:
    """Return where an automation was called, None if it was not. Raises Unreadable."""
    return read(row.called_by, CalledBy, f"what has called {row.id}") if row.called_by else None


def fan_out_of(row: AutomationRow) -> BoundFanOut | None:
    """Return on which machines an automation runs one by one. Raises Unreadable."""
    return read(row.fan_out, BoundFanOut, f"the machines of {row.id}") if row.fan_out else None


def member_of(row: AutomationRow) -> MemberOf | None:
    """Return of what an automation is a part, None if it is none. Raises Unreadable."""
    what = f"what {row.id} is a part of"
    return read(row.member_of, MemberOf, what) if row.member_of else None


def only_worker_of(row: AutomationRow) -> BoundMember | None:
    """Return the worker that was chosen for an automation, None if any may take it that fits.

    Raises Unreadable.
    """
    what = f"the worker chosen for {row.id}"
    return read(row.only_worker, BoundMember, what) if row.only_worker else None


def machines_of(row: AutomationRow) -> tuple[BoundMember, ...]:
    """Return the machines on which an automation runs one by one, or of a part its own.

    Raises Unreadable.
    """
    if of := member_of(row):
        return (of.member,)
    fan_out = fan_out_of(row)
    return fan_out.members if fan_out else ()


def requirements_of(manifest: Manifest, template: Template, state: AutomationState) -> Requirements:
    """Return what an automation asks of its worker; while it plans, one for its plan."""
    point = manifest.resumed_from
    return requirements(
        template,
        point.workspace if point else None,
        machine_of(manifest.member_of, manifest.fan_out) or manifest.only_worker,
        is_fan_out=manifest.fan_out is not None and state is not AutomationState.PLANNING,
    )


def machine_of(of: MemberOf | None, fan_out: BoundFanOut | None) -> BoundMember | None:
    """Return the machine that an automation's phases are for, None if any worker will do.

    A part has one. Of an automation on several targets it is the first, for its plan.
    """
    if of:
        return of.member
    is_on_targets = fan_out is not None and fan_out.kind is FanOutKind.TARGETS
    return fan_out.members[0] if fan_out and is_on_targets else None


def rebuild(
    db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None
) -> Manifest:
    """Return the manifest of a stored automation. Raises as `build`."""
    has_hidden = any(variable.type is VariableType.SECRET for variable in template.variables)
    commitments = secrets.find_commitments(db, row.id) if has_hidden else None
    stored = read(commitments, dict[str, str], f"secret values of {row.id}") if commitments else {}
    outputs = find_plan_outputs(db, row)
    return build(row, template, approval, stored, find_resume_point(db, row), outputs)


def find_plan_outputs(db: Connection, row: AutomationRow) -> dict[str, str]:
    """Return what the plan of a stored automation hands on to its other phases.

    Raises Unreadable for rows that no plan could have written.
    """
    job = plan_job(db, row) if row.evidence else None
    what = f"what the plan of {row.id} has handed on"
    return outputs_of(read(job.phases, list[PhaseReport], what)) if job else {}


def find_resume_point(db: Connection, row: AutomationRow) -> ResumePoint | None:
    """Return where a stored automation goes on that another one has left; None: it begins.

    Raises Unreadable for rows that no resume could have written.
    """
    if row.resumed_from is None:
        return None
    stored = automations.find_resume_point(db, row.id)
    point = read(stored or "", ResumePoint, f"where {row.id} goes on")
    return msgspec.structs.replace(point, automation_id=row.resumed_from)


def shown_resume_point(
    db: Connection, row: AutomationRow, template: Template
) -> ResumePoint | None:
    """Return the same for showing it; None too where what is stored makes no sense."""
    try:
        point = find_resume_point(db, row)
    except Unreadable:
        return None
    return point if point and 0 <= point.first_phase < len(template.phases) else None


def _policy_digest(approval: ApprovalRow | None, number: int) -> str:
    if approval is None:
        return NO_POLICY
    asked = PolicyAsked(
        org_id=approval.org_id,
        approval_id=approval.id,
        policy_id=approval.policy_id,
        policy_name=approval.policy_name,
        policy_version=approval.policy_version,
        policy_digest=approval.policy_digest,
        policy=approval.policy,
        requester_id=approval.requester_id,
        asked_at=approval.asked_at,
        asked_seq=approval.asked_seq,
    )
    return asked.digest_in(number)

"""Messages about approvals, and what an approver is shown."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.approvals import ApprovalState, GateState, Verdict
from opsicle.domain.automations import WorkerLost
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.bounds import GivenValues, Moment, Reason, Word
from opsicle.domain.calls import Call
from opsicle.domain.pauses import ApprovalKind, Choice
from opsicle.domain.policies import GateOrder
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import DEFAULT_PRIORITY, Phase, Value, Variable, VolumeMount
from opsicle.wire.file_api import AutomationFile
from opsicle.wire.jobs import StepState
from opsicle.wire.user_api import Person


class DecisionRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A decision. `totp` is a fresh code of the authenticator app, where a gate asks for one.

    `values` are what a pause asks for, `choice` what becomes of a failure. With an approval to run,
    `not_before` and `not_after` say when it may begin, `evidence_digest` is that of
    what of its plan one was shown.
    """

    reason: Reason = ""
    totp: Word = ""
    values: GivenValues = {}
    choice: Choice | None = None
    not_before: Moment | None = None
    not_after: Moment | None = None
    evidence_digest: Word = ""

    def __repr__(self) -> str:
        return f"DecisionRequest(reason={self.reason!r})"


class Decision(msgspec.Struct, kw_only=True):
    """One person's decision on one gate."""

    gate: str
    person: Person
    verdict: Verdict
    reason: str
    with_mfa: bool
    decided_at: datetime
    choice: Choice | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


class GateView(msgspec.Struct, kw_only=True):
    """One gate: what it demands, how it stands, who has decided, and who else may."""

    name: str
    state: GateState
    required: int
    rejections_to_end: int
    require_reason: bool
    require_mfa: bool
    opened_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    decisions: list[Decision]
    waits_for: list[Person]


class ApprovalSummary(msgspec.Struct, kw_only=True):
    """An approval in a list.

    `phase` is the name of the one at which a job waits, "" where it is asked whether to run.
    `may_decide`: the caller may, now. `expires_at`: when the first open gate expires. `stuck`: why
    nobody can give it now, and who can mend that; empty while somebody can.
    """

    id: str
    state: ApprovalState
    automation_id: str
    template: str
    version: int
    requester: Person
    reason: str
    asked_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    explanation: str
    waiting_for: str
    stuck: str
    may_decide: bool
    kind: ApprovalKind = ApprovalKind.RUN
    phase: str = ""


class ValueChange(msgspec.Struct, kw_only=True):
    """One value that differs from the last approved run; None is no value."""

    id: str
    before: Value | None
    after: Value | None


class Comparison(msgspec.Struct, kw_only=True):
    """How this differs from the last automation of the template that was approved and run.

    `diff` is unified.
    """

    automation_id: str
    version: int
    diff: str
    changed_values: list[ValueChange]


class Approval(ApprovalSummary, kw_only=True):
    """All that an approver needs to see: who asks and why, what will run, and who else must agree.

    `is_intact` is false if what is stored is no longer what was asked for: it cannot be approved
    any more. `policy_change`: what is asked today beyond what was asked then, so that it would not
    run; empty if nothing is.
    `may_withdraw`: the caller has asked for it, or owns the service account that did, and it is
    pending. `message` and `asked_variables` are what a pause asks, `given` the values with which
    somebody has let it go on. `resume_point`: it does not begin, but goes on from another one.
    `window` is when it may begin by what its approvers have said so far, in words; "" for any time.
    `files` are those among the values, which may be looked at. `fan_out` are the machines on which
    it runs one by one, and how. `on_success` and `on_failure` are started once it has ended so.
    """

    policy: str
    policy_version: int
    policy_digest: str
    manifest_digest: str
    is_intact: bool
    policy_change: str
    order: GateOrder
    gates: list[GateView]
    display_name: str
    phases: list[Phase]
    values: dict[str, Value]
    variables: list[Variable]
    runs_on: dict[str, str]
    runs_on_where: str = ""
    priority: int = DEFAULT_PRIORITY
    concurrency_group: str | None = None
    concurrency_limit: int | None = None
    workers: list[str]
    timeout: int | None
    keep_workspace: int | None = None
    on_worker_lost: WorkerLost = WorkerLost.UNKNOWN
    on_success: list[Call] = []
    on_failure: list[Call] = []
    compared: Comparison | None
    needs_totp: bool
    needs_reason: bool
    may_withdraw: bool = False
    volume_mounts: list[VolumeMount] = []
    message: str = ""
    asked_variables: list[Variable] = []
    given: dict[str, Value] = {}
    window: str = ""
    evidence: ShownEvidence | None = None
    resume_point: ResumePoint | None = None
    calls: list[BoundCall] = []
    fan_out: BoundFanOut | None = None
    files: list[AutomationFile] = []


class PlannedPhase(msgspec.Struct, kw_only=True):
    """How a phase of a plan ended."""

    name: str
    state: StepState
    commands: list[str]
    exit_code: int | None = None
    explanation: str = ""


class ShownEvidence(msgspec.Struct, kw_only=True):
    """What a plan has shown, which is part of what is agreed to by its `digest`.

    `log` is the end of it as text, all of it unless `is_log_cut`.
    """

    digest: str
    phases: list[PlannedPhase]
    outputs: dict[str, str]
    summary: str
    log: str
    log_bytes: int
    is_log_cut: bool = False


class GateNeed(msgspec.Struct, kw_only=True):
    """A gate that running a template would meet.

    `is_conditional`: only for certain values or targets.
    """

    name: str
    required: int
    require_mfa: bool
    is_conditional: bool
    people: list[Person]


class ApprovalNeed(msgspec.Struct, kw_only=True):
    """What running a template would ask of others, said before it is run.

    `problem` is why it could not be given. `is_default`: the template names no policy; one of the
    org applies by itself.
    """

    is_needed: bool
    policy: str = ""
    is_default: bool = False
    order: GateOrder = GateOrder.SEQUENTIAL
    gates: list[GateNeed] = []
    problem: str = ""

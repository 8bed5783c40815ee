"""All that decides about one approval, as one transaction sees it."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import msgspec

from opsicle.domain import approvals as engine
from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, ApprovalStatus, GateStatus, Verdict, Vote
from opsicle.domain.approvers import ApprovalRequester, ApproverPerson, deciders, may_decide
from opsicle.domain.conditions import Facts, asked_gates
from opsicle.domain.errors import NotFound
from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.places import places_of
from opsicle.domain.policies import Gate, Policy
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.run_windows import RunWindow, common_window
from opsicle.domain.templates import Phase, Template
from opsicle.server.access.stored_values import read_values
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.bindings import UNREADABLE, AlteredManifest, Bindings
from opsicle.server.approvals.manifests import machines_of, shown_resume_point
from opsicle.server.store import approvals, automations
from opsicle.server.store.approvals import ApprovalRow, DecisionRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


class Case(msgspec.Struct, frozen=True, dict=True):
    """One approval with the policy as it was asked, the decisions so far, and the people of now.

    Good for the transaction that it was read in, no longer. `problem` says why it counts for
    nothing: what is stored is not what was asked for, or a decision is not as it was taken down; ""
    if all is as it was. `resume_point`: where the automation goes on that another one has left.
    """

    row: ApprovalRow
    policy: Policy
    gates: tuple[Gate, ...]
    automation: AutomationRow
    template: Template
    decisions: list[DecisionRow]
    requester: ApprovalRequester
    directory: ApproverDirectory
    problem: str = ""
    resume_point: ResumePoint | None = None

    @cached_property
    def people(self) -> dict[str, ApproverPerson]:
        """The members whom its gates can name, by id; read when they are first asked for."""
        return self.directory.people(self.policy, self.template, self.requester)

    @property
    def phase(self) -> Phase | None:
        """The phase at which its job waits; None of an approval to run."""
        index = self.row.phase
        has_phase = index is not None and index < len(self.template.phases)
        return self.template.phases[index or 0] if has_phase else None

    @property
    def votes(self) -> list[Vote]:
        """The decisions as the engine wants them."""
        return [_vote(decision) for decision in self.decisions]

    def status(self, now: datetime) -> ApprovalStatus:
        """Return how it stands.

        What was altered stands as its row says, and has no gate on which anybody could decide.
        """
        if self.problem:
            return ApprovalStatus(state=self.row.state, gates=())
        return engine.status(self.gates, self.policy.order, self.votes, self.row.asked_at, now)

    @property
    def window(self) -> RunWindow:
        """When whoever asked, and those who have agreed so far, let it begin."""
        agreed = [each.window for each in self.decisions if each.verdict is Verdict.APPROVE]
        return common_window([self.automation.planned_window, *agreed])

    def may_decide(self, status: GateStatus, person: ApproverPerson, now: datetime) -> bool:
        """Return whether a person may decide on a gate, now or once it opens."""
        return may_decide(status.gate, person, self.requester, status.elapsed(now))

    def pending_deciders(self, status: GateStatus, now: datetime) -> list[ApproverPerson]:
        """Return who may decide on a gate and has not."""
        decided = {
            decision.principal for decision in self.decisions if decision.gate == status.gate.name
        }
        able = deciders(status.gate, self.people.values(), self.requester, status.elapsed(now))
        return [person for person in able if person.principal not in decided]

    def with_new_decisions(self, db: Connection) -> Case:
        """Return this case with the decisions that this transaction has recorded."""
        return msgspec.structs.replace(self, decisions=approvals.list_decisions(db, self.row.id))

    def ended(self, state: ApprovalState, explanation: str) -> Case:
        """Return this case as its row says after it has ended in this transaction."""
        return msgspec.structs.replace(
            self, row=msgspec.structs.replace(self.row, state=state, explanation=explanation)
        )

    def has_decided(self, person: ApproverPerson, gate: str) -> bool:
        """Return whether a person, or another account of theirs, has decided on a gate."""
        return any(
            each.gate == gate and each.principal == person.principal for each in self.decisions
        )


def load(
    db: Connection,
    bindings: Bindings,
    row: ApprovalRow,
    *,
    directory: ApproverDirectory | None = None,
) -> Case:
    """Read everything about an approval.

    Whoever reads several in one transaction hands in one directory for all.
    """
    case = load_unchecked(db, row, directory=directory)
    if case.problem:
        return case
    is_pause = row.kind is not ApprovalKind.RUN
    try:
        before = approvals.find_of_automation(db, row.automation_id) if is_pause else row
        bindings.check(db, case.automation, case.template, before)
    except AlteredManifest as altered:
        return msgspec.structs.replace(case, problem=str(altered))
    if is_pause and not bindings.is_pause_signed(row):
        return msgspec.structs.replace(
            case, problem="what is stored of its pause is not what was asked"
        )
    return msgspec.structs.replace(case, problem=forged(bindings, row, case.decisions))


def load_unaltered(db: Connection, bindings: Bindings, row: ApprovalRow) -> Case:
    """Load as `load` does. Raises AlteredManifest where what is stored has a problem."""
    case = load(db, bindings, row)
    if case.problem:
        raise AlteredManifest(case.problem)
    return case


def load_unchecked(
    db: Connection, row: ApprovalRow, *, directory: ApproverDirectory | None = None
) -> Case:
    """Load as `load` does, believing what is stored. Only for what warns, and lets nothing run."""
    automation = automations.get(db, row.org_id, row.automation_id)
    requester = requester_of(db, row.org_id, automation.requester_id, row.asked_seq).with_principal(
        automation.principal_id
    )

    case = Case(
        row=row,
        policy=Policy(name=row.policy_name, gates=()),
        gates=(),
        automation=automation,
        template=Template(name=automation.template, phases=()),
        decisions=approvals.list_decisions(db, row.id),
        requester=requester,
        directory=directory or ApproverDirectory(db, row.org_id),
        problem=UNREADABLE,
    )

    try:
        template = template_of(db, automation.template_id, automation.version)
        policy = stored_json.read(row.policy, Policy, "the policy")
        gates = gates_for(policy, template, automation)
    except (NotFound, ValueError):
        return case
    return msgspec.structs.replace(
        case,
        policy=policy,
        gates=gates,
        template=template,
        problem="",
        resume_point=shown_resume_point(db, automation, template),
    )


def forged(bindings: Bindings, row: ApprovalRow, decisions: list[DecisionRow]) -> str:
    """Say which stored decision nobody has made in just this way; "" if all were."""
    for each in decisions:
        if not bindings.is_signed(row, each):
            return f"the decision of {each.email} on gate {each.gate} is not as it was made"
    return ""


def gates_for(policy: Policy, template: Template, automation: AutomationRow) -> tuple[Gate, ...]:
    """Return the gates of a policy that an automation has to pass."""
    values = read_values(automation.values_json)
    asked = [
        asked_gates(policy, Facts(template.variables, values, labels))
        for labels in places_of(template, machines_of(automation))
    ]
    return tuple(gate for gate in policy.gates if any(gate in gates for gates in asked))


def _vote(decision: DecisionRow) -> Vote:
    return Vote(
        gate=decision.gate,
        user_id=decision.user_id,
        principal=decision.principal,
        verdict=decision.verdict,
        at=decision.decided_at,
        with_mfa=decision.with_mfa,
        has_reason=bool(decision.reason),
        elapsed=decision.elapsed_seconds,
    )

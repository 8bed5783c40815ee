"""Asking for approval, in the transaction that triggers an automation."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.approvers import gates_problem
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict
from opsicle.domain.policies import Gate, Policy
from opsicle.domain.policy_parser import digest
from opsicle.domain.templates import Template
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.called import with_called
from opsicle.server.approvals.cases import gates_for
from opsicle.server.approvals.manifests import machines_of
from opsicle.server.approvals.pauses import require_passable
from opsicle.server.approvals.progress import Progress
from opsicle.server.policies.in_force import in_force
from opsicle.server.store import approvals, audit
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


class ApplicablePolicy(msgspec.Struct, frozen=True):
    """The policy that an automation falls under, and which of its gates are asked.

    `policy_id` is "" for an own one.
    """

    policy: Policy
    gates: tuple[Gate, ...]
    policy_id: str = ""
    version: int = 0


class ApprovalRequests:
    """Finds out whether approval is needed and from whom, and asks for it."""

    def __init__(self, progress: Progress, clock: Clock) -> None:
        self._progress = progress
        self._clock = clock

    def policy_to_ask(
        self, db: Connection, row: AutomationRow, template: Template, first_phase: int
    ) -> ApplicablePolicy | None:
        """Return under which policy people are asked about a new automation now.

        None for nobody, or not yet: what plans is asked about after that, if it could be given.
        Raises as `applicable_policy`.
        """
        if row.called_by or row.member_of:  # it was asked together with what has made it
            return None
        applicable = self.applicable_policy(db, row, template, first_phase)
        return None if row.state is AutomationState.PLANNING else applicable

    def applicable_policy(
        self, db: Connection, row: AutomationRow, template: Template, first_phase: int = 0
    ) -> ApplicablePolicy | None:
        """Return what an automation falls under; None if no approval is asked for.

        Raises Conflict for a policy that is not there, and for a gate that nobody could ever pass,
        be it one in the midst of the job, which begins at `first_phase`.
        """
        require_passable(db, row, template, first_phase)
        own = in_force(db, row.org_id, template, row.requester_id, machines_of(row))
        found = with_called(db, row, own, first_phase)
        if found is None:
            return None
        policy = found.policy
        applicable = ApplicablePolicy(
            policy, gates_for(policy, template, row), found.policy_id, found.version
        )
        requester = requester_of(db, row.org_id, row.requester_id, audit.last_seq(db, row.org_id))
        people = ApproverDirectory(db, row.org_id).people(policy, template, requester)
        if problem := gates_problem(applicable.gates, people.values(), requester):
            raise Conflict(
                f"the approval of {template.name} could never be given: {problem}",
                hint="An admin changes the policy, or who is whose manager, role and group.",
            )
        return applicable

    def draft(
        self, db: Connection, row: AutomationRow, applicable: ApplicablePolicy, now: datetime
    ) -> ApprovalRow:
        """Return the request for an automation, before that has been bound to it.

        If no gate's conditions hold, the approval is given from the beginning.
        """
        return ApprovalRow(
            id=new_id(now),
            org_id=row.org_id,
            automation_id=row.id,
            state=ApprovalState.PENDING if applicable.gates else ApprovalState.APPROVED,
            policy_id=applicable.policy_id,
            policy_name=applicable.policy.name,
            policy_version=applicable.version,
            policy_digest=digest(applicable.policy),
            policy=msgspec.json.encode(applicable.policy).decode(),
            manifest_digest="",
            requester_id=row.requester_id,
            asked_at=now,
            asked_seq=audit.last_seq(db, row.org_id),
            ended_at=None if applicable.gates else now,
        )

    def ask(self, db: Connection, row: AutomationRow, draft: ApprovalRow) -> None:
        """Record the request for an automation, and tell those who are asked."""
        approval = msgspec.structs.replace(draft, manifest_digest=row.manifest_digest)
        approvals.insert(db, approval)
        self._progress.advance(db, self._progress.load(db, approval), draft.asked_at)

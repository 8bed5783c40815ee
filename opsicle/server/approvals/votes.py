"""Taking down what somebody decides, inside the transaction of whoever brings it."""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.approvals import ApprovalOutcome, ApprovalState, ApprovalStatus
from opsicle.domain.errors import Conflict
from opsicle.domain.pauses import ApprovalKind
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.cases import Case
from opsicle.server.approvals.deciding import (
    DecisionTerms,
    PendingDecision,
    answer_for,
    decision_row,
    has_same_decision,
    recorded_window,
    require_same_evidence,
    voter,
    window_for,
)
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.views import Viewer, votable
from opsicle.server.approvals.waiting import outcome_of
from opsicle.server.store import approvals, audit
from opsicle.server.store.database import Connection


class Votes:
    """Takes decisions, once from each person and gate."""

    def __init__(self, progress: Progress, bindings: Bindings, clock: Clock) -> None:
        self._progress = progress
        self._bindings = bindings
        self._clock = clock

    def take(
        self, db: Connection, actor: Actor, case: Case, decision: PendingDecision
    ) -> ApprovalOutcome | Conflict:
        """Take down a decision, and return how the approval stands then.

        A Conflict is returned where what was found is to be kept, and so not raised yet. Raises as
        `Approvals.decide`.
        """
        now, row = self._clock.now(), case.row
        status = case.status(now)
        if row.state is ApprovalState.PENDING and case.problem:
            self._progress.advance(db, case, now)
            return Conflict(
                f"nobody can decide on this: {case.problem}", hint="Run the template anew."
            )
        if row.state is ApprovalState.PENDING and status.state is not ApprovalState.PENDING:
            return self._progress.advance(db, case, now)
        if has_same_decision(case, actor, decision) and not votable(
            case, status, Viewer(actor.user_id, now)
        ):
            return outcome_of(case, status, now)
        if row.state is not ApprovalState.PENDING:
            raise Conflict(f"this approval is over: it is {row.state}")

        require_same_evidence(case, decision)
        self._record(db, actor, case, status, decision, now)
        return self._progress.advance(db, case.with_new_decisions(db), now)

    def _record(
        self,
        db: Connection,
        actor: Actor,
        case: Case,
        status: ApprovalStatus,
        decision: PendingDecision,
        now: datetime,
    ) -> None:
        """Write down what was decided, on each gate on which it counts, and put it on record."""
        row = case.row
        me, gates = voter(db, case, status, Viewer(actor.user_id, now), decision)
        terms = DecisionTerms(answer_for(case, decision), window_for(case, me, decision, now))
        codes: dict[str, str] = {}
        for gate in gates:
            made = decision_row(row, me, gate, decision, now, terms)
            signed = self._bindings.sign(row, made)
            approvals.insert_decision(db, row.org_id, signed)
            codes[signed.gate] = signed.mac

        data = {
            "automation": row.automation_id,
            "gates": [gate.gate.name for gate in gates],
            "principal": me.principal,
            "reason": decision.reason,
            "with_mfa": decision.with_mfa,
            "manifest_digest": row.manifest_digest,
            "codes": codes,
        }
        data |= recorded_window(terms.window)
        if row.kind is not ApprovalKind.RUN:
            data |= {"job": row.job_id, "phase": row.phase, "answer": terms.answer}
        audit.append(db, now, row.org_id, actor, decision.verdict, f"approvals/{row.id}", data)

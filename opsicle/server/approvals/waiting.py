"""How an approval stands in one line: its outcome, and who has to agree before it goes on."""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.approvals import (
    ApprovalOutcome,
    ApprovalState,
    ApprovalStatus,
    GateStatus,
    Verdict,
)
from opsicle.domain.approvers import ApproverPerson
from opsicle.domain.problems import first_names
from opsicle.server.approvals.cases import Case
from opsicle.server.approvals.stuck import explanation_of, stuck_gates_of

_MOST_NAMES = 5
"""More than that nobody reads in one line."""


def outcome_of(case: Case, status: ApprovalStatus, now: datetime) -> ApprovalOutcome:
    """Return how an approval stands.

    What its row says once it is over, else what follows from its gates.
    """
    state = status.state if case.row.state is ApprovalState.PENDING else case.row.state
    waiting = waiting_for(case, status, now) if state is ApprovalState.PENDING else ""
    return ApprovalOutcome(state=state, template=case.automation.template, waiting_for=waiting)


def waiting_for(case: Case, status: ApprovalStatus, now: datetime) -> str:
    """Return who has to agree before it goes on, in one line."""
    stuck = explanation_of(case, stuck_gates_of(case, status))
    return stuck or "; ".join(_line(case, gate, now) for gate in status.open_gates)


def _line(case: Case, gate: GateStatus, now: datetime) -> str:
    votes = [
        each
        for each in case.decisions
        if each.gate == gate.gate.name and each.verdict is Verdict.APPROVE
    ]
    missing = gate.gate.required - len(votes)
    return f"{gate.gate.name}: {missing} of {_names(case.pending_deciders(gate, now)) or 'nobody'}"


def _names(people: list[ApproverPerson]) -> str:
    return first_names([person.email for person in people], _MOST_NAMES)

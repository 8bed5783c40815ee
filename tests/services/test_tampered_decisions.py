"""A decision that nobody made, or that was altered or removed, lets nothing run."""

from __future__ import annotations

import pytest

from tests.services.tampering import MALLORY, UNDECIDED, require_refused, team
from tests.services.team import Team

__all__ = ["team"]

FORGED = {
    "one that nobody made": """
        INSERT INTO approval_decisions (approval_id, gate, user_id, org_id, principal, verdict,
                                        reason, with_mfa, elapsed_seconds, decided_at)
        SELECT p.id, 'boss', b.id, p.org_id, b.id, 'approve', '', 1, 0, p.asked_at
          FROM approvals p, users b WHERE b.name = 'bob' AND p.automation_id = :id;
        UPDATE approvals SET state = 'approved' WHERE automation_id = :id
    """,
    "one that was made on another approval": f"""
        {UNDECIDED}
        UPDATE approval_decisions
           SET approval_id = (SELECT id FROM approvals WHERE automation_id = :id);
        UPDATE approvals SET state = 'approved' WHERE automation_id = :id
    """,
}


@pytest.mark.parametrize("script", FORGED.values(), ids=FORGED)
def test_a_decision_that_nobody_made_on_it_lets_nothing_run(team: Team, script: str) -> None:
    other, asked = team.ask(), team.ask()
    team.approve("bob", other)

    for statement in script.split(";"):
        team.tamper(statement.replace(":id", f"'{asked.id}'"))

    assert [work.automation_id for work in team.core.worker(team.org_id, "v").poll().work] in (
        [],
        [other.id],
    )
    require_refused(team, asked)
    assert "is not as it was made" in team.why(asked)


CHANGED = {
    "the verdict": "verdict = 'reject'",
    "who decided": f"user_id = {MALLORY}",
    "who stands behind": f"principal = {MALLORY}",
    "the reason": "reason = 'other'",
    "with a code": "with_mfa = 1",
    "when": "decided_at = '2000-01-01T00:00:00.000000Z'",
    "how long the gate had been open": "elapsed_seconds = 100000",
    "on which gate": "gate = 'other'",
    "the code": "mac = ''",
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_decision_that_was_changed_counts_for_nothing(team: Team, change: str) -> None:
    asked = team.ask()
    team.approve("bob", asked)

    team.tamper(f"{UNDECIDED} UPDATE approval_decisions SET {change}")

    require_refused(team, asked)
    assert "is not as it was made" in team.why(asked)


def test_a_rejection_that_was_turned_round_lets_nothing_run(team: Team) -> None:
    asked = team.ask()
    team.reject("bob", asked)

    team.tamper(f"{UNDECIDED} UPDATE approval_decisions SET verdict = 'approve'")
    team.tamper("UPDATE approvals SET state = 'approved'; UPDATE automations SET state = 'queued'")

    require_refused(team, asked)


def test_a_rejection_that_was_removed_lets_nothing_run(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [manager, approver, admin]}, rejectionsToEnd: 2}")
    asked = team.ask()
    team.reject("dave", asked)
    team.tamper(f"{UNDECIDED} DELETE FROM approval_decisions")
    team.approve("bob", asked)

    require_refused(team, asked)
    assert "a decision that is no longer stored" in team.why(asked)

"""What was carried out runs no second time, though its row and its audit entries are altered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.security.audit_key import AuditKey
from opsicle.server.audit.checkpoints import AuditCheckpoints
from tests.services.tampering import carried_out, require_refused, team
from tests.services.team import Team, template_source

__all__ = ["team"]

FORGET = """
    DROP TRIGGER audit_entries_are_immutable;
    UPDATE audit_entries SET verb = 'view' WHERE verb IN ('start', 'finish', 'return')
"""
REQUEUE = (
    "UPDATE automations SET state = 'queued', job_id = NULL, started_at = NULL, finished_at = NULL"
)

LEFT_BEHIND = {
    "its fence": "DROP TRIGGER orders_stay; DELETE FROM orders;"
    " PRAGMA defer_foreign_keys = 1; DELETE FROM jobs",
    "its job": "UPDATE automations SET fence = 0; UPDATE jobs SET state = 'returned'",
    "both": "UPDATE jobs SET state = 'returned'",
}


@pytest.mark.parametrize("left", LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_what_was_carried_out_runs_no_second_time_though_its_entries_were_altered_too(
    team: Team, left: str
) -> None:
    asked = team.ask()
    carried_out(team, asked)

    team.tamper(f"{REQUEUE}; {FORGET}")
    team.tamper(left)

    require_refused(team, asked)
    assert "never given back, though it had been handed out" in team.why(asked)


def test_that_an_earlier_lease_was_given_back_explains_no_later_one(team: Team) -> None:
    asked = team.ask()
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "first")
    worker.poll()
    worker.held.clear()  # the answer was lost on the way
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    team.tamper(f"{REQUEUE}; {FORGET}".replace(", 'return'", ""))
    team.tamper("UPDATE jobs SET state = 'returned'")

    require_refused(team, asked)
    assert "never given back, though it had been handed out" in team.why(asked)


def test_what_was_given_back_runs_though_retention_has_removed_the_entry_that_says_so(
    team: Team,
) -> None:
    core = team.core
    core.push(
        team.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    worker = core.worker(team.org_id, "first")
    asked = core.run(team.people["alice"], "plain")
    worker.refuse_for_its_time(*worker.poll().work)

    core.clock.advance(timedelta(days=40).total_seconds())
    core.database.write(team.note)
    assert (
        AuditCheckpoints(core.database, AuditKey.create(), core.clock).prune(timedelta(days=30)) > 0
    )

    assert [work.automation_id for work in worker.poll().work] == [asked.id]

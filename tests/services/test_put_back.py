"""What had ended does not run when it is put back into the queue."""

from __future__ import annotations

import pytest

from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import RefuseRequest
from tests.services.tampering import Tamper, carried_out, require_refused, team
from tests.services.team import Team, template_source

__all__ = ["team"]


def cancelled(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    team.core.automations.cancel(team.people["alice"], asked.id)


def cancelled_before_it_was_approved(team: Team, asked: Automation) -> None:
    team.core.automations.cancel(team.people["alice"], asked.id)
    team.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    team.approve("bob", asked)


def withdrawn(team: Team, asked: Automation) -> None:
    team.core.approvals.withdraw(team.people["alice"], asked.approval_id or "")
    team.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    team.approve("bob", asked)


def begun(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)


def lost(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work, "unknown", None)


def refused_by_a_worker(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    worker = team.core.worker(team.org_id, "first")
    (work,) = worker.poll().work
    team.core.jobs.refuse(worker.actor, work.job_id, RefuseRequest(work.fence, "no"))


ENDED = [
    cancelled,
    cancelled_before_it_was_approved,
    withdrawn,
    carried_out,
    begun,
    lost,
    refused_by_a_worker,
]


@pytest.mark.parametrize("end", ENDED, ids=lambda end: end.__name__)
def test_what_had_ended_and_is_put_back_does_not_run(team: Team, end: Tamper) -> None:
    asked = team.ask()
    end(team, asked)

    team.tamper(
        "DROP TRIGGER orders_stay; DELETE FROM orders; PRAGMA defer_foreign_keys = 1;"
        "UPDATE automations SET job_id = NULL; DELETE FROM jobs"
    )
    team.tamper("""
        UPDATE automations
           SET state = 'queued', fence = 0, finished_at = NULL, explanation = '',
               exit_code = NULL, started_at = NULL, cancel_requested_at = NULL,
               cancel_requested_by = NULL;
        UPDATE approvals SET state = 'approved'
    """)

    require_refused(team, asked)
    assert "by the record it " in team.why(asked)


def test_what_nobody_had_to_approve_runs_no_second_time(team: Team) -> None:
    team.core.push(
        team.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = team.core.run(team.people["alice"], "plain")
    worker = team.core.worker(team.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    team.tamper("UPDATE automations SET state = 'queued', job_id = NULL, finished_at = NULL")

    require_refused(team, asked)
    assert team.why(asked) == "it was not run: by the record it was carried out before"

"""What had ended does not run when it is put back into the queue."""

from __future__ import annotations

import pytest

from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import RefuseRequest
from tests.services.approving import Office, template_source
from tests.services.tampering import Tamper, carried_out, office, require_refused

__all__ = ["office"]


def cancelled(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    office.core.automations.cancel(office.people["alice"], asked.id)


def cancelled_before_it_was_approved(office: Office, asked: Automation) -> None:
    office.core.automations.cancel(office.people["alice"], asked.id)
    office.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    office.approve("bob", asked)


def withdrawn(office: Office, asked: Automation) -> None:
    office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "")
    office.tamper(
        "UPDATE approvals SET state = 'pending'; UPDATE automations SET state = 'awaiting_approval'"
    )
    office.approve("bob", asked)


def begun(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)


def lost(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work, "unknown", None)


def refused_by_a_worker(office: Office, asked: Automation) -> None:
    office.approve("bob", asked)
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    office.core.jobs.refuse(worker.actor, work.job_id, RefuseRequest(work.fence, "no"))


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
def test_what_had_ended_and_is_put_back_does_not_run(office: Office, end: Tamper) -> None:
    asked = office.ask()
    end(office, asked)

    office.tamper(
        "PRAGMA defer_foreign_keys = 1; UPDATE automations SET job_id = NULL; DELETE FROM jobs"
    )
    office.tamper("""
        UPDATE automations
           SET state = 'queued', fence = 0, finished_at = NULL, explanation = '',
               exit_code = NULL, started_at = NULL, cancel_requested_at = NULL,
               cancel_requested_by = NULL;
        UPDATE approvals SET state = 'approved'
    """)

    require_refused(office, asked)
    assert "by the record it " in office.why(asked)


def test_what_nobody_had_to_approve_runs_no_second_time(office: Office) -> None:
    office.core.push(
        office.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = office.core.run(office.people["alice"], "plain")
    worker = office.core.worker(office.org_id, "first")
    (work,) = worker.poll().work
    worker.start(work)
    worker.finish(work)

    office.tamper("UPDATE automations SET state = 'queued', job_id = NULL, finished_at = NULL")

    require_refused(office, asked)
    assert office.why(asked) == "it was not run: by the record it was carried out before"

"""Whoever alters the database, but has no key file, gets nothing to run that nobody asked for."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import OpsicleError
from opsicle.wire.user_api import RunRequest
from tests.services.approving import Office, template_source
from tests.services.tampering import ALTERED, Tamper, digest_alike, office, require_refused

__all__ = ["office"]


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_before_anybody_decided_can_be_agreed_to_by_nobody(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)

    for who in ("bob", "alice", "mallory"):
        with pytest.raises(OpsicleError):
            office.approve(who, asked)
    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_runs_not_when_its_time_comes_either(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)
    office.tamper("UPDATE approvals SET next_at = '2000-01-01T00:00:00.000000Z'")
    office.core.approvals.keep_time()

    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_after_it_was_approved_does_not_run(
    office: Office, tamper: Tamper
) -> None:
    asked = office.ask(password="hunter2-hunter2")
    office.approve("bob", asked)

    tamper(office, asked)

    require_refused(office, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_one_altered_approval_holds_up_no_list(office: Office, tamper: Tamper) -> None:
    asked = office.ask(password="hunter2-hunter2")

    tamper(office, asked)
    other = office.ask("other")

    shown = office.core.approvals.inbox(office.people["bob"], "", 50)
    assert [each.id for each in shown.items] == [other.approval_id]


def test_a_policy_that_cannot_be_read_any_more_keeps_no_worker_from_its_answer(
    office: Office,
) -> None:
    office.policy()
    asked = office.ask()
    office.approve("bob", asked)
    office.tamper(
        "DROP TRIGGER policy_versions_are_immutable; UPDATE policy_versions SET document = '{}'"
    )

    require_refused(office, asked)
    assert "is not what was pushed" in office.why(asked)


def test_what_nobody_had_to_approve_is_bound_as_well(office: Office) -> None:
    """The automation and its digest are altered alike: the database alone would fit together."""
    office.core.push(
        office.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = office.core.run(office.people["alice"], "plain")

    digest_alike(office, asked)

    require_refused(office, asked)


def test_an_approval_cannot_be_taken_away_where_an_older_version_had_none(office: Office) -> None:
    office.core.push(
        office.people["alice"],
        template_source("two").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    office.core.push_again(office.people["carol"], template_source("two", command="echo two"))
    asked = office.core.automations.create(
        office.people["alice"], RunRequest(template="two", version=1)
    )
    assert asked.state == "awaiting_approval"

    ALTERED["the row of the approval"](office, asked)

    require_refused(office, asked)

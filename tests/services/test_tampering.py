"""Whoever alters the database, but has no key file, gets nothing to run that nobody asked for."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import OpsicleError
from opsicle.wire.user_api import RunRequest
from tests.services.tampering import ALTERED, Tamper, digest_alike, require_refused, team
from tests.services.team import Team, template_source

__all__ = ["team"]


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_before_anybody_decided_can_be_agreed_to_by_nobody(
    team: Team, tamper: Tamper
) -> None:
    asked = team.ask(password="hunter2-hunter2")

    tamper(team, asked)

    for who in ("bob", "alice", "mallory"):
        with pytest.raises(OpsicleError):
            team.approve(who, asked)
    require_refused(team, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_runs_not_when_its_time_comes_either(team: Team, tamper: Tamper) -> None:
    asked = team.ask(password="hunter2-hunter2")

    tamper(team, asked)
    team.tamper("UPDATE approvals SET next_at = '2000-01-01T00:00:00.000000Z'")
    team.core.approvals.keep_time()

    require_refused(team, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_what_was_altered_after_it_was_approved_does_not_run(team: Team, tamper: Tamper) -> None:
    asked = team.ask(password="hunter2-hunter2")
    team.approve("bob", asked)

    tamper(team, asked)

    require_refused(team, asked)


@pytest.mark.parametrize("tamper", ALTERED.values(), ids=ALTERED)
def test_one_altered_approval_holds_up_no_list(team: Team, tamper: Tamper) -> None:
    asked = team.ask(password="hunter2-hunter2")

    tamper(team, asked)
    other = team.ask("other")

    shown = team.core.approvals.inbox(team.people["bob"], "", 50)
    assert [each.id for each in shown.items] == [other.approval_id]


def test_a_policy_that_cannot_be_read_any_more_keeps_no_worker_from_its_answer(
    team: Team,
) -> None:
    team.policy()
    asked = team.ask()
    team.approve("bob", asked)
    team.tamper(
        "DROP TRIGGER policy_versions_are_immutable; UPDATE policy_versions SET document = '{}'"
    )

    require_refused(team, asked)
    assert "is not what was pushed" in team.why(asked)


def test_what_nobody_had_to_approve_is_bound_as_well(team: Team) -> None:
    """The automation and its digest are altered alike: the database alone would fit together."""
    team.core.push(
        team.people["alice"],
        template_source("plain").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    asked = team.core.run(team.people["alice"], "plain")

    digest_alike(team, asked)

    require_refused(team, asked)


def test_an_approval_cannot_be_taken_away_where_an_older_version_had_none(team: Team) -> None:
    team.core.push(
        team.people["alice"],
        template_source("two").replace("  approvalPolicy: {policyRef: p}\n", ""),
    )
    team.core.push_again(team.people["carol"], template_source("two", command="echo two"))
    asked = team.core.automations.create(
        team.people["alice"], RunRequest(template="two", version=1)
    )
    assert asked.state == "awaiting_approval"

    ALTERED["the row of the approval"](team, asked)

    require_refused(team, asked)

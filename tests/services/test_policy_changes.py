"""What became stricter since it was approved.

The template's own policy, its name, one that applies by itself (P1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.core import Core
from tests.services.document_pushes import ADMINS, EVERYTHING, OWN, default, push
from tests.services.team import MANAGER, Team


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    team = Team(Core(tmp_path))
    yield team
    team.core.close()


STRICTER = {
    "its own policy": (
        OWN.format(MANAGER),
        OWN.format(f"{MANAGER}, {ADMINS}"),
        "policy of its template was changed",
    ),
    "its own policy, looser": (
        OWN.format(MANAGER),
        OWN.format("{name: boss, approvers: {manager: true, roles: [admin]}}"),
        "",
    ),
    "another policy": (
        "approvalPolicy: {policyRef: p}",
        "approvalPolicy: {policyRef: q}",
        "asks for approval by the",
    ),
    "one of its own in place of the org's": (
        "approvalPolicy: {policyRef: p}",
        OWN.format(ADMINS),
        "asks for approval by a policy of its own since",
    ),
    "none in place of one": ("approvalPolicy: {policyRef: p}", "approvalPolicy: none", ""),
}


@pytest.mark.parametrize(("before", "after", "why"), STRICTER.values(), ids=STRICTER)
def test_what_a_template_asks_for_since_counts_if_it_is_stricter(
    team: Team, before: str, after: str, why: str
) -> None:
    team.policy(MANAGER, name="p")
    team.policy(ADMINS, name="q")
    push(team, "carol", more=before)
    asked = team.ask("job")
    team.approve("bob", asked)

    push(team, "carol", more=after)

    assert bool(team.core.worker(team.org_id, "w").poll().work) is not bool(why)
    assert why in team.why(asked)
    assert bool(why) is team.why(asked).startswith("it was not run: ")


def test_an_approval_that_a_template_asks_for_since_counts_for_what_is_queued(
    team: Team,
) -> None:
    team.policy(MANAGER, name="p")
    push(team)
    queued = team.ask("job")

    push(team, more="approvalPolicy: {policyRef: p}")

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert "asks for approval by the policy p since (version 1), and nobody was asked" in team.why(
        queued
    )


def test_a_policy_that_applies_by_itself_since_counts_for_what_is_queued(team: Team) -> None:
    push(team)
    queued, fine = team.ask("job"), team.ask("job", "carol")
    default(team, "{requesters: {roles: [operator]}}")

    worker = team.core.worker(team.org_id, "w", slots=2)

    assert [work.automation_id for work in worker.poll().work] == [fine.id]
    assert "the policy baseline applies to it since (version 1), and nobody was asked" in team.why(
        queued
    )


def test_a_default_that_was_tightened_since_counts_and_one_that_was_deleted_does_not(
    team: Team,
) -> None:
    push(team)
    default(team, EVERYTHING)
    first, second = team.ask("job"), team.ask("job")
    team.approve("bob", first)
    default(team, EVERYTHING, f"{MANAGER}, {ADMINS}")

    worker = team.core.worker(team.org_id, "w")

    assert worker.poll().work == ()
    assert "the policy baseline was tightened since (version 2)" in team.why(first)

    team.approve("bob", second)
    team.core.policies.delete(team.people["carol"], "baseline")

    assert [work.automation_id for work in worker.poll().work] == [second.id]


def test_a_default_that_was_deleted_keeps_nothing_from_running_that_its_template_has_a_name_for_now(
    team: Team,
) -> None:
    team.policy(MANAGER, name="p")
    push(team)
    default(team, EVERYTHING)
    asked = team.ask("job")
    team.approve("bob", asked)
    team.core.policies.delete(team.people["carol"], "baseline")

    push(team, more="approvalPolicy: {policyRef: p}")

    assert [work.automation_id for work in team.core.worker(team.org_id, "w").poll().work] == [
        asked.id
    ]

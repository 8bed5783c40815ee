"""What became stricter since it was approved.

The template's own policy, its name, one that applies by itself (P1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.approving import MANAGER, Office
from tests.services.core import Core
from tests.services.pushing import ADMINS, EVERYTHING, OWN, default, push


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(Core(tmp_path))
    yield office
    office.core.close()


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
    office: Office, before: str, after: str, why: str
) -> None:
    office.policy(MANAGER, name="p")
    office.policy(ADMINS, name="q")
    push(office, "carol", more=before)
    asked = office.ask("job")
    office.approve("bob", asked)

    push(office, "carol", more=after)

    assert bool(office.core.worker(office.org_id, "w").poll().work) is not bool(why)
    assert why in office.why(asked)
    assert bool(why) is office.why(asked).startswith("it was not run: ")


def test_an_approval_that_a_template_asks_for_since_counts_for_what_is_queued(
    office: Office,
) -> None:
    office.policy(MANAGER, name="p")
    push(office)
    queued = office.ask("job")

    push(office, more="approvalPolicy: {policyRef: p}")

    assert office.core.worker(office.org_id, "w").poll().work == ()
    assert (
        "asks for approval by the policy p since (version 1), and nobody was asked"
        in office.why(queued)
    )


def test_a_policy_that_applies_by_itself_since_counts_for_what_is_queued(office: Office) -> None:
    push(office)
    queued, fine = office.ask("job"), office.ask("job", "carol")
    default(office, "{requesters: {roles: [operator]}}")

    worker = office.core.worker(office.org_id, "w", slots=2)

    assert [work.automation_id for work in worker.poll().work] == [fine.id]
    assert (
        "the policy baseline applies to it since (version 1), and nobody was asked"
        in office.why(queued)
    )


def test_a_default_that_was_tightened_since_counts_and_one_that_was_deleted_does_not(
    office: Office,
) -> None:
    push(office)
    default(office, EVERYTHING)
    first, second = office.ask("job"), office.ask("job")
    office.approve("bob", first)
    default(office, EVERYTHING, f"{MANAGER}, {ADMINS}")

    worker = office.core.worker(office.org_id, "w")

    assert worker.poll().work == ()
    assert "the policy baseline was tightened since (version 2)" in office.why(first)

    office.approve("bob", second)
    office.core.policies.delete(office.people["carol"], "baseline")

    assert [work.automation_id for work in worker.poll().work] == [second.id]


def test_a_default_that_was_deleted_keeps_nothing_from_running_that_its_template_has_a_name_for_now(
    office: Office,
) -> None:
    office.policy(MANAGER, name="p")
    push(office)
    default(office, EVERYTHING)
    asked = office.ask("job")
    office.approve("bob", asked)
    office.core.policies.delete(office.people["carol"], "baseline")

    push(office, more="approvalPolicy: {policyRef: p}")

    assert [work.automation_id for work in office.core.worker(office.org_id, "w").poll().work] == [
        asked.id
    ]

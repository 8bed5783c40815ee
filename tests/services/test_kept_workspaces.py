"""Resuming in the workspace that a worker keeps: by that worker alone, while it keeps it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.domain.errors import Conflict
from opsicle.wire.user_api import Automation
from tests.services.resuming import PLAIN, Failed, begun
from tests.services.team import Team

KEEPS = PLAIN.replace("  template:", "  keepWorkspace: 3600\n  template:")
STATES = ["succeeded", "skipped", "failed", "succeeded"]


def failed_with(team: Team, kept_for: int | None, source: str = KEEPS) -> Failed:
    """Return one that has failed, and whose worker says for how long it keeps its workspace."""
    case, work = begun(team, source)
    case.report(work, STATES, "failed", kept_for=kept_for)
    return case


def shown(case: Failed, automation: Automation) -> Automation:
    return case.core.automations.get(case.alice, automation.id)


def test_only_the_worker_that_keeps_the_workspace_gets_what_goes_on_in_it(team: Team) -> None:
    case = failed_with(team, 3600)
    other = team.core.worker(team.org_id, "w2", slots=4)
    assert case.worker.poll().work == ()

    made = case.resume()

    assert other.poll().work == ()
    work = case.take()
    kept = work.resumed_from.workspace
    old = shown(case, case.automation).jobs[-1]
    assert (kept.job_id, kept.worker_id, kept.kept_until) == (
        old.id,
        case.worker.actor.worker_id,
        old.workspace_kept_until,
    )
    assert (work.keep_workspace, work.automation_id) == (3600, made.id)


def test_what_waits_for_the_worker_that_keeps_its_workspace_says_so(team: Team) -> None:
    case = failed_with(team, 3600)
    busy = team.core.run(case.alice, "restore", pin="123456")
    [work] = case.worker.poll().work
    assert work.automation_id == busy.id
    team.core.worker(team.org_id, "w2").poll()

    made = case.resume()

    reason = shown(case, made).waiting_reason
    assert reason.startswith("it waits for w1, which keeps its workspace until 20")
    assert "w1 is busy (its only slot)" in reason

    team.core.services.workers.revoke(team.people["carol"], "w1")
    case.core.automations.cancel(case.alice, made.id)
    with pytest.raises(Conflict, match="w1, which kept its workspace, was revoked"):
        case.resume()


@pytest.mark.parametrize(
    ("kept_for", "later", "why"),
    [
        (None, 0, "its workspace was not kept"),
        (60, 61, "its workspace was kept until .* only"),
        (999_999, 3601, "its workspace was kept until .* only"),  # for longer than is asked for
    ],
)
def test_what_is_not_kept_is_gone_on_with_elsewhere_only_by_an_explicit_word(
    team: Team, kept_for: int | None, later: int, why: str
) -> None:
    case = failed_with(team, kept_for)
    case.core.clock.advance(later)

    with pytest.raises(Conflict, match=why):
        case.resume()

    case.resume(fresh_workspace=True)
    assert case.take().resumed_from.workspace is None


def test_a_template_that_keeps_none_is_resumed_in_an_empty_workspace(team: Team) -> None:
    case = failed_with(team, 3600, PLAIN)

    case.resume()

    assert shown(case, case.automation).jobs[-1].workspace_kept_until is None
    assert case.take().resumed_from.workspace is None


def test_one_that_never_ran_leaves_the_workspace_to_the_next(team: Team) -> None:
    case = failed_with(team, 3600)
    second = case.resume()
    case.core.automations.cancel(case.alice, second.id)
    first, case.automation = case.automation, second

    case.resume()

    kept = case.take().resumed_from.workspace
    assert kept.job_id == shown(case, first).jobs[-1].id


@pytest.mark.parametrize(
    "altered",
    [
        "resume_point = json_remove(resume_point, '$.workspace')",
        "resume_point = json_set(resume_point, '$.workspace.job_id', 'another')",
        "requirements = json_remove(requirements, '$.workspace')",
        "requirements = json_set(requirements, '$.workspace.worker_id', 'another')",
    ],
)
def test_nothing_runs_in_a_workspace_that_was_altered(team: Team, altered: str) -> None:
    case = failed_with(team, 3600)
    made = case.resume()
    team.tamper(f"UPDATE automations SET {altered} WHERE id = :id", id=made.id)
    team.restart()
    case.worker.core = team.core

    assert case.worker.poll().work == ()
    other = team.core.worker(team.org_id, "w2")
    assert other.poll().work == ()

    assert team.core.state(case.alice, made) in {"cancelled", "queued"}


def test_the_clock_of_the_server_bounds_how_long_a_workspace_is_kept(team: Team) -> None:
    case = failed_with(team, 999_999)

    kept_until = shown(case, case.automation).jobs[-1].workspace_kept_until

    assert kept_until == case.core.clock.now() + timedelta(seconds=3600)

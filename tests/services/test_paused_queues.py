"""What a job that waits for people holds meanwhile: its concurrency group, but no room of its org.

And how what people chose after a failure goes together with resuming.
"""

from __future__ import annotations

import msgspec

from opsicle.domain.pauses import Choice, ResumeVerdict
from opsicle.wire.jobs import Outcome, PhaseReport
from opsicle.wire.org_api import UpdateOrgRequest
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.worker_api import FinishRequest
from tests.services.pausing import ASKS, Paused, paused, source
from tests.services.queueing import given, reason
from tests.services.resuming import states
from tests.services.team import Team

GROUPED = source().replace("  template:", "  concurrency: {group: db}\n  template:")


def limit_running(team: Team, most: int | None) -> None:
    carol = msgspec.structs.replace(team.people["carol"], org_code="acme")
    team.core.services.orgs.update(carol, "acme", UpdateOrgRequest(max_running=most))


def test_a_pause_holds_its_concurrency_group_until_its_job_has_ended(team: Team) -> None:
    case = paused(team, GROUPED)
    alice = team.people["alice"]

    second = team.core.run(alice, "paused")

    assert case.worker.poll().work == ()
    assert reason(team.core, alice, second) == "behind 1 other of group db"
    case.approve()
    assert case.go_on().verdict == ResumeVerdict.CONTINUE
    case.worker.start(case.work)
    assert reason(team.core, alice, second) == "behind 1 other of group db"

    case.worker.finish(case.work)
    assert given(case.worker) == [second.id]


def test_what_is_rejected_at_a_pause_leaves_its_group_to_the_next(team: Team) -> None:
    case = paused(team, GROUPED)
    second = team.core.run(team.people["alice"], "paused")

    case.reject()

    assert case.now.state == "rejected"
    assert given(case.worker) == [second.id]


def test_a_pause_takes_no_room_of_its_org_and_needs_some_to_go_on(team: Team) -> None:
    limit_running(team, 1)
    case = paused(team, source())
    alice = team.people["alice"]
    team.core.push(alice, source(name="other"))
    others = [team.core.run(alice, "other") for _ in range(2)]
    second_worker = team.core.worker(team.org_id, "w2", slots=4)

    assert given(second_worker) == [others[0].id]
    assert reason(team.core, alice, others[1]) == "org limit of 1 running reached"

    case.approve()
    assert case.worker.poll().work == ()

    second_worker.finish(next(iter(second_worker.held.values())))
    assert case.go_on().verdict == ResumeVerdict.CONTINUE
    assert second_worker.poll().work == ()


def after_choice(team: Team, choice: Choice, *states: str) -> Paused:
    """Return a job that asked after its failure, and ended once somebody had chosen."""
    case = paused(team, ASKS, 0)
    case.decide("alice", "approve", choice=choice)
    if choice is Choice.ABORT:  # with no clean-up left that is its end
        case.worker.paused.clear()
        return case
    case.go_on()
    case.worker.start(case.work)
    phases = tuple(
        PhaseReport(name=phase.name, state=state)
        for phase, state in zip(case.work.phases, states, strict=True)
    )
    request = FinishRequest(
        fence=case.work.fence,
        outcome=Outcome(state="failed", phases=phases, exit_code=1),
        log_bytes=0,
    )
    case.core.jobs.finish(case.worker.actor, case.work.job_id, request)
    case.worker.held.clear()
    case.worker.paused.clear()
    return case


def test_a_failure_that_somebody_skipped_is_where_the_automation_is_resumed(team: Team) -> None:
    case = after_choice(team, Choice.SKIP, "failed", "succeeded")

    made = team.core.services.resumes.resume(
        team.people["alice"], case.automation.id, ResumeRequest()
    )

    assert states(made) == ["pending", "pending"]


def test_a_resumed_job_asks_anew_what_becomes_of_a_failure(team: Team) -> None:
    case = after_choice(team, Choice.ABORT)
    alice = team.people["alice"]
    made = team.core.services.resumes.resume(alice, case.automation.id, ResumeRequest())
    [work] = case.worker.poll().work
    case.worker.start(work)

    assert case.worker.pause(work, 0) == "paused"

    again = Paused(team, case.worker, made, work)
    again.decide("alice", "approve", choice=Choice.RETRY)
    assert again.go_on().verdict == ResumeVerdict.RETRY

"""Resumed automations whose rows were altered behind the server's back, and pauses before them."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict
from opsicle.server.dispatch.lease_store import LEASE_SECONDS
from opsicle.wire.jobs import PhaseOutput, PhaseReport
from opsicle.wire.worker_api import LogRequest, PauseRequest
from tests.services.resuming import DECISION_REQUESTS, Failed, asking, begun, states
from tests.services.tampering import UNDECIDED
from tests.services.team import Team

HANDED = [
    "json_set(resume_point, '$.outputs.copy.path', '/etc')",
    "json_set(resume_point, '$.first_phase', 3)",
    "json_set(resume_point, '$.first_phase', 99)",
    "json_set(resume_point, '$.answers', json('{\"target\":\"x\"}'))",
    "'nonsense'",
    "NULL",
]


@pytest.mark.parametrize("altered", HANDED)
def test_nothing_runs_of_what_was_altered_after_it_was_resumed(
    failed: Failed, altered: str
) -> None:
    made = failed.resume()
    failed.team.tamper(
        f"UPDATE automations SET resume_point = {altered} WHERE id = :id", id=made.id
    )

    assert failed.worker.poll().work == ()

    shown = failed.core.automations.get(failed.alice, made.id)
    assert shown.state == "cancelled"
    assert "altered" in shown.explanation or "cannot be read" in shown.explanation
    failed.automation = made
    with pytest.raises(Conflict, match="cannot be gone on with"):
        failed.resume()


def test_outputs_that_were_altered_before_it_is_resumed_are_not_handed_over(
    failed: Failed,
) -> None:
    failed.team.tamper("UPDATE jobs SET phases = json_set(phases, '$[0].outputs[0].value', '/etc')")

    with pytest.raises(Conflict, match="by the record restore has left other outputs"):
        failed.resume()


def expired_at_its_pause(team: Team, *tampering: str) -> Failed:
    """Return one that expired while it waited, when somebody had written to the database."""
    case, work = begun(
        team, DECISION_REQUESTS.replace("      - {name: tidy", "      # {name: tidy")
    )
    states = ("succeeded", "skipped", "pending", "pending")
    reports = tuple(
        PhaseReport(
            name=phase.name,
            state=state,
            outputs=(PhaseOutput(name="path", value="/b/1"),) if phase.name == "copy" else (),
        )
        for phase, state in zip(work.phases, states, strict=True)
    )
    request = PauseRequest(fence=work.fence, phase=2, phases=reports, log_bytes=0)
    assert case.core.jobs.pause(case.worker.actor, work.job_id, request).state == "paused"
    for sql in tampering:
        team.tamper(sql)
    case.worker.held.clear()
    case.core.clock.advance(2 * 86_400)
    case.core.approvals.keep_time()
    assert case.core.state(case.alice, case.automation) == "expired"
    return case


def test_one_that_expired_at_its_pause_hands_over_what_it_had_left_by_then(team: Team) -> None:
    made = expired_at_its_pause(team).resume()

    assert states(made) == ["done_before", "skipped", "pending", "pending"]
    assert made.outputs == {"path": "/b/1"}


def test_what_was_altered_while_it_waited_is_not_handed_over(team: Team) -> None:
    case = expired_at_its_pause(
        team, "UPDATE jobs SET phases = json_set(phases, '$[0].outputs[0].value', '/etc')"
    )

    with pytest.raises(Conflict, match="has left other outputs"):
        case.resume()


def test_nothing_runs_of_what_was_made_to_begin_or_to_name_another_one(failed: Failed) -> None:
    for altered in (None, "another"):
        made = failed.resume()
        failed.team.tamper(
            "UPDATE automations SET resumed_from = :altered WHERE id = :id",
            altered=altered,
            id=made.id,
        )
        assert failed.worker.poll().work == ()
        assert failed.core.state(failed.alice, made) == "cancelled"


def test_what_a_resumed_one_was_handed_outlives_the_old_one_and_a_restart(team: Team) -> None:
    case, work = begun(team)
    case.end(work, "succeeded", "skipped", "failed", "succeeded")
    made = case.resume()

    team.restart()
    case.worker.core = team.core

    assert case.take().resumed_from.outputs == {"copy": {"path": "/b/1"}}
    assert team.core.automations.get(case.alice, made.id).resumed_from == case.automation.id


def test_a_pause_that_people_have_passed_is_done_and_its_answers_are_handed_over(
    team: Team,
) -> None:
    case = asking(team, "succeeded", "skipped", "succeeded", "failed", "succeeded")

    case.resume()

    point = case.take().resumed_from
    assert (point.first_phase, point.answers) == (3, {"lag": "7"})


def test_going_on_before_a_pause_asks_again_and_hands_over_no_answer(team: Team) -> None:
    case = asking(team, "succeeded", "skipped", "succeeded", "failed", "succeeded")

    case.resume(phase_from="look")

    work = case.take()
    assert (work.resumed_from.first_phase, work.resumed_from.answers) == (2, {})
    assert case.worker.pause(work, 2, "done_before", "skipped") == "paused"


def test_a_pause_that_only_a_worker_calls_passed_is_asked(team: Team) -> None:
    case = asking(team, "succeeded", "skipped", "succeeded", "failed", "succeeded", lied=True)

    made = case.resume()

    assert states(made)[2] == "pending"
    case.core.automations.cancel(case.alice, made.id)
    with pytest.raises(Conflict, match="comes after `look`"):
        case.resume(phase_from="restart")


def test_an_answer_that_was_altered_lets_nothing_go_on(team: Team) -> None:
    case = asking(team, "succeeded", "skipped", "succeeded", "failed", "succeeded")
    team.tamper(UNDECIDED)
    team.tamper("DROP TRIGGER approval_answers_are_immutable")
    team.tamper("UPDATE approval_decisions SET answer = replace(answer, '7', '8')")

    with pytest.raises(Conflict, match="is not as it was made"):
        case.resume()


def test_a_phase_that_only_its_row_calls_done_is_not_skipped(failed: Failed) -> None:
    done = "json_set(phases, '$[2].state', 'succeeded', '$[3].state', 'failed')"
    failed.team.tamper(f"UPDATE jobs SET phases = {done}")

    with pytest.raises(Conflict, match="by the record the phases of restore went otherwise"):
        failed.resume()


def lost(team: Team, *states_: str) -> Failed:
    """Return one whose worker says that it was lost, with an output, after phases went so."""
    case, work = begun(team)
    case.report(work, [*states_], "unknown", PhaseOutput(name="path", value="/b/1"))
    assert case.core.state(case.alice, case.automation) == "unknown"
    return case


LOST_AT_RESTART = ("succeeded", "skipped", "unknown", "pending")


def test_what_a_lost_job_has_left_is_handed_over_as_its_worker_said(team: Team) -> None:
    made = lost(team, *LOST_AT_RESTART).resume(accept_unknown=True)

    assert made.outputs == {"path": "/b/1"}


@pytest.mark.parametrize(
    "altered", ["'$[0].outputs[0].value', '/etc'", "'$[2].state', 'succeeded'"]
)
def test_what_is_stored_of_a_lost_job_is_not_handed_over_if_the_record_says_otherwise(
    team: Team, altered: str
) -> None:
    case = lost(team, *LOST_AT_RESTART)
    team.tamper(f"UPDATE jobs SET phases = json_set(phases, {altered})")

    with pytest.raises(Conflict, match="cannot be gone on with: by the record"):
        case.resume(accept_unknown=True)


def test_what_a_worker_says_of_a_lost_job_when_it_is_back_is_in_the_record_too(team: Team) -> None:
    case, work = begun(team)
    case.core.clock.advance(LEASE_SECONDS + 1)
    case.core.jobs.expire()
    case.report(work, [*LOST_AT_RESTART], "unknown", PhaseOutput(name="path", value="/b/2"))

    made = case.resume(accept_unknown=True)

    assert made.outputs == {"path": "/b/2"}


def test_how_far_a_lost_job_is_said_to_be_changes_nothing_of_what_is_recorded(team: Team) -> None:
    case, work = begun(team)
    case.core.clock.advance(LEASE_SECONDS + 1)
    case.core.jobs.expire()
    phases = tuple(PhaseReport(name=each.name, state="succeeded") for each in work.phases)

    request = LogRequest(fence=work.fence, chunks=(), phases=phases)
    case.core.jobs.log(case.worker.actor, work.job_id, request)

    assert states(case.resume(accept_unknown=True)) == ["pending"] * 4

"""Going on where an automation has failed: what is handed over, to whom, and what is refused."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.domain.manifests import Manifest
from opsicle.domain.resume_points import ResumePoint
from opsicle.wire.jobs import PhaseOutput, Work
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.resuming import PLAIN, Failed, begun, states
from tests.services.team import Team


def manifest_of(work: Work) -> Manifest:
    return msgspec.json.decode(work.manifest, type=Manifest)


def test_a_new_automation_goes_on_at_the_failed_phase_with_values_and_outputs(
    failed: Failed,
) -> None:
    made = failed.resume()

    assert (made.resumed_from, made.rerun_of, made.values["target"]) == (
        failed.automation.id,
        None,
        "b",
    )
    assert states(made) == ["done_before", "skipped", "pending", "pending"]
    assert made.outputs == {"path": "/b/1"}

    work = failed.take()
    point = ResumePoint(
        automation_id=failed.automation.id,
        first_phase=2,
        outputs={"copy": {"path": "/b/1"}},
        answers={},
    )
    assert work.resumed_from == manifest_of(work).resumed_from == point
    assert work.secret_environment == {"OPSICLE_VAR_PIN": "123456"}


def test_a_resumed_one_that_fails_again_hands_over_what_it_was_handed(failed: Failed) -> None:
    second = failed.resume()
    failed.end(
        failed.take(), "succeeded", "skipped", "failed", "succeeded", path="of a lying worker"
    )
    failed.automation = second

    third = failed.resume()

    assert third.resumed_from == second.id
    assert failed.take().resumed_from == ResumePoint(
        automation_id=second.id,
        first_phase=2,
        outputs={"copy": {"path": "/b/1"}},
        answers={},
    )


def test_a_resumed_one_that_never_ran_is_resumed_where_it_would_have_begun(failed: Failed) -> None:
    second = failed.resume()
    failed.core.automations.cancel(failed.alice, second.id)
    failed.automation = second

    third = failed.resume()

    assert states(third) == ["done_before", "skipped", "pending", "pending"]
    assert third.outputs == {"path": "/b/1"}


def test_an_earlier_phase_may_be_named_and_no_later_one(failed: Failed) -> None:
    with pytest.raises(Conflict, match="comes after `restart`, which is not done"):
        failed.resume(phase_from="tidy")
    with pytest.raises(InvalidInput, match="there is no phase `nope`"):
        failed.resume(phase_from="nope")

    made = failed.resume(phase_from="copy")

    assert states(made) == ["pending"] * 4
    assert made.outputs == {}
    assert failed.take().resumed_from.first_phase == 0


def test_a_masked_output_is_not_handed_over_but_made_anew(team: Team) -> None:
    case, work = begun(team)
    masked = PhaseOutput(name="path", value="[MASKED]", is_masked=True)
    case.report(work, ["succeeded", "skipped", "failed", "succeeded"], "failed", masked)

    with pytest.raises(Conflict, match="the output `path` of phase `copy` is masked"):
        case.resume()

    assert states(case.resume(phase_from="copy")) == ["pending"] * 4


@pytest.mark.parametrize(
    ("phases", "state", "first"),
    [
        (("succeeded", "skipped", "timed_out", "succeeded"), "timed_out", 2),
        (("cancelled", "skipped", "skipped", "succeeded"), "cancelled", 0),
        (("succeeded", "skipped", "skipped", "succeeded"), "cancelled", 2),  # between two phases
        (("succeeded", "skipped", "succeeded", "failed"), "failed", 3),
        (("failed", "succeeded", "succeeded", "succeeded"), "failed", 0),  # skipped by somebody
    ],
)
def test_it_goes_on_at_the_first_phase_that_is_not_done(
    team: Team, phases: tuple[str, ...], state: str, first: int
) -> None:
    case, work = begun(team)
    case.end(work, *phases, state=state)

    case.resume()

    assert case.take().resumed_from.first_phase == first


def test_what_goes_well_runs_or_never_ran_is_not_resumed(team: Team) -> None:
    case, work = begun(team)
    with pytest.raises(Conflict, match="is running, and can be gone on with once it has ended"):
        case.resume()

    case.end(work, "succeeded", "skipped", "succeeded", "succeeded", state="succeeded")
    with pytest.raises(Conflict, match="succeeded, so there is nothing to go on with"):
        case.resume()

    case.automation = case.core.run(case.alice, "restore", pin="123456")
    case.core.automations.cancel(case.alice, case.automation.id)
    with pytest.raises(Conflict, match=r"nothing of .* has run"):
        case.resume()


def test_only_one_goes_on_from_an_automation_until_that_has_failed_too(failed: Failed) -> None:
    second = failed.resume()

    with pytest.raises(Conflict, match=rf"{second.id} goes on from .* already, and is queued"):
        failed.resume()

    failed.end(failed.take(), "done_before", "skipped", "failed", "succeeded")
    assert failed.resume().resumed_from == failed.automation.id


def test_what_succeeded_when_it_went_on_is_not_gone_on_with_again(failed: Failed) -> None:
    failed.resume()
    failed.end(failed.take(), "done_before", "skipped", "succeeded", "succeeded", state="succeeded")

    with pytest.raises(Conflict, match="already, and succeeded"):
        failed.resume()


def test_the_same_request_sent_again_makes_no_second_one(failed: Failed) -> None:
    service, request = failed.core.services.resumes, ResumeRequest()

    made = [service.resume(failed.alice, failed.automation.id, request, "key") for _ in range(2)]

    assert made[0].id == made[1].id
    with pytest.raises(Conflict, match="used for another request"):
        service.resume(failed.alice, failed.automation.id, ResumeRequest(phase_from="copy"), "key")


def test_a_phase_of_which_nobody_knows_is_run_again_only_by_an_explicit_word(team: Team) -> None:
    case, _ = begun(team)
    case.core.clock.advance(LEASE_SECONDS + 1)
    case.core.jobs.expire()
    case.worker.held.clear()
    assert case.core.state(case.alice, case.automation) == "unknown"

    with pytest.raises(Conflict, match="nobody can say what phase `copy` has done"):
        case.resume()

    made = case.resume(accept_unknown=True)
    assert states(made) == ["pending"] * 4


def test_whoever_resumes_needs_the_right_to_run_it_and_to_see_it(failed: Failed) -> None:
    team = failed.team
    eve = team.core.person(team.core.org("other"), "eve", "admin")
    team.people["eve"] = eve

    with pytest.raises(NotAllowed):
        failed.resume("rita")
    with pytest.raises(NotFound, match="there is no automation"):
        failed.resume("eve")


def test_the_version_that_failed_is_resumed_and_none_that_was_deleted(failed: Failed) -> None:
    failed.core.push_again(failed.alice, PLAIN.replace('"go"', '"go faster"'))
    made = failed.resume()
    assert made.version == 1

    failed.core.automations.cancel(failed.alice, made.id)
    failed.core.services.templates.delete(failed.alice, "restore")
    with pytest.raises(NotFound, match="restore"):
        failed.resume()


def test_a_resumed_one_is_approved_anew_by_people_who_see_where_it_goes_on(team: Team) -> None:
    case, work = begun(team)
    case.end(work, "succeeded", "skipped", "failed", "succeeded")
    case.core.push_again(
        case.alice, PLAIN.replace("  variables:", "  approvalPolicy: {policyRef: p}\n  variables:")
    )
    team.policy()

    made = case.resume()

    assert (made.state, case.worker.poll().work) == ("awaiting_approval", ())
    shown = team.show("bob", made)
    assert shown.resume_point == ResumePoint(
        automation_id=case.automation.id,
        first_phase=2,
        outputs={"copy": {"path": "/b/1"}},
        answers={},
    )
    [(facts,)] = team.deliveries("approval_requested", "facts", "email")
    assert "goes on at phase 3 of 4, restart; 1 to 2 were done in" in facts

    team.approve("bob", made)
    assert case.take().resumed_from.first_phase == 2

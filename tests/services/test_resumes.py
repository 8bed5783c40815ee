"""Going on where an automation has failed: what is handed over, to whom, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from opsicle.domain.approvals import Verdict
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.domain.manifests import Manifest
from opsicle.domain.resume_points import ResumePoint
from opsicle.server.access.actor import Actor
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport, Work
from opsicle.wire.user_api import Automation, ResumeRequest, RunRequest
from opsicle.wire.worker_api import LEASE_SECONDS, FinishRequest
from tests.services.core import Core, TestWorker
from tests.services.tampering import UNDECIDED
from tests.services.team import Team

PLAIN = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: restore}
spec:
  variables: [{id: target, default: a}, {id: pin, type: secret}]
  template:
    phases:
      - {name: copy, commands: ["cp"], outputs: [path]}
      - {name: undo, commands: ["undo"], when: failure}
      - {name: restart, commands: ["go"]}
      - {name: tidy, commands: ["rm"], when: always}
"""
LOOK = """
      - name: look
        pause:
          message: Look!
          approvers: {users: [bob@example.com]}
          variables: [{id: lag}]
"""
ASKING = PLAIN.replace("      - {name: restart", LOOK[1:] + "      - {name: restart")


@dataclass
class Failed:
    """Alice's automation of the template, which has failed, and the worker that ran it."""

    team: Team
    worker: TestWorker
    automation: Automation

    @property
    def core(self) -> Core:
        return self.team.core

    @property
    def alice(self) -> Actor:
        return self.team.people["alice"]

    def resume(self, who: str = "alice", **wanted: object) -> Automation:
        request, actor = ResumeRequest(**wanted), self.team.people[who]
        return self.core.services.resumes.resume(actor, self.automation.id, request)

    def take(self) -> Work:
        """Let the worker begin what waits."""
        [work] = self.worker.poll().work
        self.worker.start(work)
        return work

    def end(self, work: Work, *states: str, state: str = "failed", path: str = "/b/1") -> None:
        """End a job whose phases went so; `copy` has handed on a path."""
        self.report(work, [*states], state, PhaseOutput(name="path", value=path))

    def report(self, work: Work, states: list[str], state: str, *outputs: PhaseOutput) -> None:
        phases = tuple(
            PhaseReport(name=phase.name, state=each, outputs=outputs if not index else ())
            for index, (phase, each) in enumerate(zip(work.phases, states, strict=True))
        )
        outcome = Outcome(state=state, phases=phases, exit_code=1)
        request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
        self.core.jobs.finish(self.worker.actor, work.job_id, request)
        self.worker.held.pop(work.job_id, None)


def begun(team: Team, source: str = PLAIN) -> tuple[Failed, Work]:
    alice = team.people["alice"]
    team.core.push(alice, source)
    worker = team.core.worker(team.org_id, "w1")
    request = RunRequest(template="restore", values={"target": "b", "pin": "123456"})
    automation = team.core.automations.create(alice, request)
    case = Failed(team, worker, automation)
    return case, case.take()


@pytest.fixture
def failed(team: Team) -> Failed:
    """One that has failed at its third phase of four, `restart`."""
    case, work = begun(team)
    case.end(work, "succeeded", "skipped", "failed", "succeeded")
    return case


def manifest_of(work: Work) -> Manifest:
    return msgspec.json.decode(work.manifest, type=Manifest)


def states(automation: Automation) -> list[str]:
    return [str(phase.state) for phase in automation.phases]


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
    stranger = team.core.person(team.core.org("other"), "eve", "admin")
    team.people["eve"] = stranger

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
    assert shown.resumed_from == ResumePoint(
        automation_id=case.automation.id,
        first_phase=2,
        outputs={"copy": {"path": "/b/1"}},
        answers={},
    )
    [(facts,)] = team.deliveries("approval_requested", "facts", "email")
    assert "goes on at phase 3 of 4, restart; 1 to 2 were done in" in facts

    team.approve("bob", made)
    assert case.take().resumed_from.first_phase == 2


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


def asking(team: Team, *states: str, lied: bool = False) -> Failed:
    """Return one that has failed after its pause, which Bob has let it pass."""
    case, work = begun(team, ASKING)
    if not lied:
        assert case.worker.pause(work, 2, "succeeded", "skipped") == "paused"
        [(approval_id,)] = team.core.database.read(
            lambda db: list(db.execute("SELECT id FROM approvals WHERE kind = 'pause'"))
        )
        request = DecisionRequest(values={"lag": "7"})
        team.core.approvals.decide(team.people["bob"], approval_id, Verdict.APPROVE, request)
        work = case.take()
    case.end(work, *states)
    return case


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

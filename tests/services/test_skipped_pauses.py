"""Workers that skip a pause: nothing starts elsewhere that waits behind what people have to say."""

from __future__ import annotations

import pytest

from opsicle.domain.approvals import Verdict
from opsicle.domain.errors import Conflict
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import Outcome, PhaseReport, Work
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import TestWorker
from tests.services.pausing import BOB
from tests.services.resuming import asking
from tests.services.tampering import UNDECIDED
from tests.services.team import Team
from tests.services.template_calls import Calling, caller, child

LOOK = f"{{name: look, pause: {{message: Look!, {BOB}}}}}"


def asking_first(source: str, phase: str) -> str:
    """Return a template with a pause before this phase."""
    begin = f"{{name: {phase},"
    is_line = f"- {begin}" in source
    return source.replace(begin, f"{LOOK}\n      - {begin}" if is_line else f"{LOOK}, {begin}")


def finish(worker: TestWorker, work: Work) -> None:
    """Say that all went well, be it so or not."""
    done = tuple(PhaseReport(name=phase.name, state="succeeded") for phase in work.phases)
    outcome = Outcome(state="succeeded", phases=done, exit_code=0)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
    worker.core.jobs.finish(worker.actor, work.job_id, request)
    worker.held.pop(work.job_id, None)


def approve_pause(team: Team) -> None:
    [(approval_id,)] = team.core.database.read(
        lambda db: list(db.execute("SELECT id FROM approvals WHERE kind = 'pause'"))
    )
    team.core.approvals.decide(team.people["bob"], approval_id, Verdict.APPROVE, DecisionRequest())


@pytest.mark.parametrize("is_asked", [False, True])
def test_a_call_behind_a_pause_is_made_only_once_people_have_let_it_pass(
    team: Team, is_asked: bool
) -> None:
    alice = team.people["alice"]
    team.core.push_again(alice, child())
    call = "{template: child, values: {who: me}}"
    team.core.push_again(alice, asking_first(caller(call), "both"))
    calling = Calling(team.core, alice).run().begin()
    if is_asked:
        assert calling.holder.pause(calling.work, 1) == "paused"
        approve_pause(team)
        assert calling.go_on()["verdict"] == "continue"
        calling.holder.start(calling.work)

    assert calling.holder.pause(calling.work, 2) == "paused"
    calling.turn()

    [made] = calling.now.phases[2].calls
    if is_asked:
        assert (made.state, made.reason) == ("started", "")
    else:
        assert (made.state, made.automation_id) == ("refused", None)
        assert made.reason == "nobody has let caller pass its pause `look`"


@pytest.mark.parametrize("is_asked", [False, True])
def test_what_follows_a_success_starts_only_if_that_has_passed_its_pauses(
    team: Team, is_asked: bool
) -> None:
    alice = team.people["alice"]
    team.core.push_again(alice, child())
    chain = "onSuccess: [{template: child, values: {who: me}}]"
    team.core.push_again(alice, asking_first(child("first", chain), "act"))
    worker, first = team.core.worker(team.org_id, "w1"), team.core.run(alice, "first", who="x")
    [work] = worker.poll().work
    worker.start(work)
    if is_asked:
        assert worker.pause(work, 0) == "paused"
        approve_pause(team)
        [work] = worker.poll().work
        worker.start(work)

    finish(worker, work)
    team.core.services.chain_starts.turn()

    [start] = team.core.automations.get(alice, first.id).chained_starts
    reason = "" if is_asked else "nobody has let first pass its pause `look`"
    assert (start.state, start.reason) == ("started" if is_asked else "refused", reason)


def test_a_pause_that_another_automation_has_passed_is_not_its_own(team: Team) -> None:
    alice = team.people["alice"]
    team.core.push_again(alice, child())
    chain = "onSuccess: [{template: child, values: {who: me}}]"
    team.core.push_again(alice, asking_first(child("first", chain), "act"))
    honest, liar = (team.core.worker(team.org_id, name) for name in ("w1", "w2"))
    team.core.run(alice, "first", who="x")
    [passing] = honest.poll().work
    honest.start(passing)
    assert honest.pause(passing, 0) == "paused"
    approve_pause(team)
    second = team.core.run(alice, "first", who="x")
    [work] = liar.poll().work
    liar.start(work)
    finish(liar, work)

    team.tamper(
        "UPDATE automations SET job_id = :job WHERE id = :id", job=passing.job_id, id=second.id
    )
    team.core.services.chain_starts.turn()

    [start] = team.core.automations.get(alice, second.id).chained_starts
    assert (start.state, start.automation_id) == ("refused", None)


def test_a_caller_does_not_go_on_behind_a_child_that_has_skipped_its_pause(team: Team) -> None:
    alice = team.people["alice"]
    team.core.push_again(alice, asking_first(child(), "act"))
    team.core.push_again(alice, caller())
    calling = Calling(team.core, alice).run().begin().call().turn()
    liar = team.core.worker(team.org_id, "liar")
    [work] = liar.poll().work
    liar.start(work)
    finish(liar, work)

    calling.turn()

    assert calling.holder.poll().work == ()
    assert calling.now.state == "cancelled"
    assert "nobody has let child pass its pause `look`" in calling.now.explanation


def test_a_pause_that_only_its_row_calls_approved_is_not_gone_on_behind(team: Team) -> None:
    case = asking(team, "succeeded", "skipped", "succeeded", "failed", "succeeded")
    team.tamper(f"{UNDECIDED} DELETE FROM approval_decisions")

    with pytest.raises(Conflict, match="nobody has let it go on"):
        case.resume()

"""Clean-up phases that call: after a failure, a cancel or a refusal, as other such phases do."""

from __future__ import annotations

import pytest

from opsicle.domain.approvals import Verdict
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import PhaseReport
from tests.services.pausing import BOB
from tests.services.team import Team
from tests.services.template_calls import Calling, caller, child

LOOK = f"pause: {{message: Look!, {BOB}}}"


def begun(team: Team, when: str = "always", first: str = 'commands: ["true"]') -> Calling:
    """Return a job whose second phase cleans up by a call."""
    core, alice = team.core, team.people["alice"]
    core.push_again(alice, child())
    document = caller("{template: child, values: {who: me}}", phase=f", when: {when}")
    before = '{name: before, outputs: [host], commands: ["true"]}'
    core.push_again(alice, document.replace(before, f"{{name: before, {first}}}"))
    return Calling(core, alice).run().begin()


def call(calling: Calling, state: str) -> str:
    """Come to the call, the phase before it having gone so."""
    return calling.pause(
        PhaseReport(name="before", state=state), PhaseReport(name="both"), PhaseReport(name="after")
    )


def end(calling: Calling, state: str, first: str) -> None:
    calling.holder.start(calling.work)
    calling.end(
        state,
        PhaseReport(name="before", state=first),
        PhaseReport(name="both", state="succeeded"),
        PhaseReport(name="after", state="skipped"),
    )


@pytest.mark.parametrize("when", ["failure", "always"])
def test_after_a_failure_it_calls_and_the_caller_still_fails(team: Team, when: str) -> None:
    calling = begun(team, when)

    assert call(calling, "failed") == "paused"
    calling.turn().carry_out()

    assert calling.turn().go_on()["verdict"] == "continue"
    end(calling, "failed", "failed")
    assert calling.now.state == "failed"
    assert calling.child().state == "succeeded"


def test_what_was_cancelled_calls_to_clean_up_and_ends_cancelled(team: Team) -> None:
    calling = begun(team)
    calling.core.automations.cancel(calling.actor, calling.automation.id)

    assert call(calling, "cancelled") == "paused"
    calling.turn()
    assert calling.child().state == "queued", "a cancel of before does not go down to it"
    calling.carry_out()

    assert calling.turn().go_on()["verdict"] == "continue"
    end(calling, "cancelled", "cancelled")
    assert calling.now.state == "cancelled"


def test_a_cancel_while_it_waits_goes_down_and_ends_it(team: Team) -> None:
    calling = begun(team)
    call(calling, "failed")
    calling.turn()

    calling.core.automations.cancel(calling.actor, calling.automation.id)
    calling.turn()

    assert calling.child().state == "cancelled"
    assert calling.now.state == "cancelled"


def test_a_second_cancel_ends_a_clean_up_that_was_called_after_the_first(team: Team) -> None:
    calling = begun(team)
    cancel = calling.core.automations.cancel
    cancel(calling.actor, calling.automation.id)
    call(calling, "cancelled")
    calling.turn()

    cancel(calling.actor, calling.automation.id)
    calling.turn()

    assert calling.now.state == "cancelled"
    assert calling.child().state == "cancelled"


def test_what_people_have_refused_calls_to_clean_up_and_ends_rejected(team: Team) -> None:
    calling = begun(team, first=LOOK)
    assert calling.holder.pause(calling.work, 0) == "paused"
    pause_id = calling.now.pause_id or ""
    team.core.approvals.decide(team.people["bob"], pause_id, Verdict.REJECT, DecisionRequest())
    assert calling.go_on()["verdict"] == "stop"
    calling.holder.start(calling.work)

    assert call(calling, "cancelled") == "paused"
    calling.turn().carry_out()

    assert calling.turn().go_on()["verdict"] == "continue"
    end(calling, "cancelled", "cancelled")
    assert calling.now.state == "rejected"

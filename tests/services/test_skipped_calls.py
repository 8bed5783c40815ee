"""Workers that leave out a call, or go on after one that failed: the server knows better."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import PhaseReport
from opsicle.wire.starts import ResumeRequest
from tests.services.core import Core
from tests.services.pausing import BOB
from tests.services.team import Team
from tests.services.template_calls import ONE, Calling, caller, child

DONE = PhaseReport(name="both", state="succeeded")
CHAIN = "onSuccess: [{template: child, values: {who: me}}]"
LOOK = f"{{name: look, pause: {{message: Look!, {BOB}}}}}"


def calling_twice(team: Team, middle: str = "") -> Calling:
    """Return a job that calls, calls again, and has this phase in between."""
    core, alice = team.core, team.people["alice"]
    core.push_again(alice, child())
    second = f"{middle}{{name: again, call: {ONE}}}"
    core.push_again(alice, caller(ONE, CHAIN).replace('{name: after, commands: ["true"]}', second))
    return Calling(core, alice).run().begin()


def reports(*states: str) -> tuple[PhaseReport, ...]:
    names = ("before", "both", *(f"p{number}" for number in range(len(states) - 2)))
    return tuple(PhaseReport(name=n, state=s) for n, s in zip(names, states, strict=True))


@pytest.mark.parametrize("ended", [None, "failed", "cancelled"])
def test_a_job_cannot_call_behind_a_call_that_it_left_out_or_that_failed(
    team: Team, ended: str | None
) -> None:
    calling = calling_twice(team)
    if ended:
        calling.call().turn().carry_out(ended)
        calling.turn().go_on()
        calling.holder.start(calling.work)

    with pytest.raises(Conflict, match="what caller calls at `both` has not succeeded"):
        calling.holder.pause_with(calling.work, 2, reports("succeeded", "succeeded", "pending"))

    assert calling.now.state == "running"


def test_a_job_asks_nobody_behind_a_call_that_it_left_out(team: Team) -> None:
    calling = calling_twice(team, f"{LOOK}\n      - ")

    with pytest.raises(Conflict, match="has not succeeded"):
        calling.holder.pause_with(
            calling.work, 2, reports("succeeded", "succeeded", "pending", "pending")
        )


def test_what_has_succeeded_is_called_behind(team: Team) -> None:
    calling = calling_twice(team).call().turn()
    calling.carry_out()
    calling.turn().go_on()
    calling.holder.start(calling.work)

    calling.holder.pause_with(calling.work, 2, reports("succeeded", "succeeded", "pending"))

    assert calling.now.state == "paused"


@pytest.mark.parametrize("ended", [None, "failed", "succeeded"])
def test_a_success_past_a_call_that_did_not_succeed_starts_nothing(
    core: Core, alice: Actor, ended: str | None
) -> None:
    core.push_again(alice, child())
    core.push_again(alice, caller(ONE, CHAIN))
    calling = Calling(core, alice).run().begin()
    if ended:
        calling.call().turn().carry_out(ended)
        calling.turn().go_on()
        calling.holder.start(calling.work)

    calling.end("succeeded", *reports("succeeded", "succeeded", "succeeded"))
    core.services.chain_starts.turn()

    [start] = calling.now.chained_starts
    assert start.state == ("started" if ended == "succeeded" else "refused")
    if ended != "succeeded":
        assert start.reason == "what caller calls at `both` has not succeeded"


@pytest.mark.parametrize("ended", [None, "succeeded"])
def test_a_resumed_job_begins_at_a_call_that_it_has_left_out(
    core: Core, alice: Actor, ended: str | None
) -> None:
    core.push_again(alice, child())
    core.push_again(alice, caller(ONE.replace("who: {output: host}", "who: me")))
    calling = Calling(core, alice).run().begin()
    if ended:
        calling.call().turn().carry_out(ended)
        calling.turn().go_on()
        calling.holder.start(calling.work)
    calling.end("failed", *reports("succeeded", "succeeded", "failed"))

    made = core.services.resumes.resume(alice, calling.automation.id, ResumeRequest())

    states = [str(phase.state) for phase in made.phases]
    done = 2 if ended else 1
    assert states == ["done_before"] * done + ["pending"] * (3 - done)

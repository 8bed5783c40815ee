"""Parts on targets that wait in their midst: for people, and for what they call."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.approvals import Verdict
from opsicle.domain.pauses import Resume, ResumeVerdict
from opsicle.server.access.actor import Actor
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import Work
from tests.services.core import Core
from tests.services.pausing import order_of
from tests.services.targeting import Reaching, push_target, targets_source

PAUSE = "pause: {message: Look!, approvers: {roles: [admin]}}"
CALL = "call: {template: child}"
CHILD = (
    "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: child}\n"
    'spec: {template: {phases: [{name: p, commands: ["true"]}]}}\n'
)


class PausedPart(Reaching):
    """Of which the part on web1 waits at its second phase."""

    work: Work

    def wait(self, second: str) -> PausedPart:
        source = targets_source("names: [web1]").replace(
            "phases: [{",
            f'phases: [{{name: before, commands: ["true"]}}, {{name: look, {second}}}, {{',
        )
        self.core.push_again(self.carol, CHILD)
        self.core.push_again(self.carol, source)
        self.run()
        self.work = self.take_all()["web1"]
        assert self.reaching.pause(self.work, 1) == "paused"
        return self

    def decide(self, verdict: Verdict) -> None:
        [asked] = self.core.approvals.list_newest(self.carol, ApprovalFilter(), "", 10).items
        self.core.approvals.decide(self.carol, asked.id, verdict, DecisionRequest())

    def go_on(self) -> Resume:
        [self.work] = self.reaching.poll().work
        resume = order_of(self.work).resume
        assert resume is not None
        return resume


@pytest.fixture
def paused(core: Core, alice: Actor) -> PausedPart:
    carol = core.person(alice.org_id, "carol", BuiltInRole.ADMIN)
    part = PausedPart(core, alice, pusher=carol)
    part.push()
    return part


def test_a_part_goes_on_where_it_was(paused: PausedPart) -> None:
    paused.wait(PAUSE).decide(Verdict.APPROVE)

    assert paused.go_on().verdict is ResumeVerdict.CONTINUE
    assert paused.work.target is not None
    assert paused.work.target.name == "web1"
    paused.reaching.start(paused.work)
    paused.reaching.finish(paused.work)
    assert paused.turn().now.state == "succeeded"


@pytest.mark.parametrize("change", ["changed", "deleted"])
@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.REJECT])
def test_nothing_goes_on_where_a_target_is_not_what_it_was(
    paused: PausedPart, change: str, verdict: Verdict
) -> None:
    paused.wait(PAUSE).decide(verdict)
    if change == "changed":
        push_target(paused.core, paused.carol, "port: 2222", name="web1", labels="role: web")
    else:
        paused.core.services.targets.delete(paused.carol, "web1")

    assert paused.reaching.poll().work == ()
    assert paused.part("web1").explanation.endswith(f"the target web1 was {change} since")
    assert paused.turn().now.state == "failed"


def test_who_stops_a_part_leaves_it_to_its_worker_to_remove_the_folder(paused: PausedPart) -> None:
    paused.wait(PAUSE).decide(Verdict.REJECT)
    assert paused.part("web1").state == "paused"

    assert paused.go_on().verdict is ResumeVerdict.STOP
    paused.reaching.start(paused.work)
    paused.reaching.finish(paused.work, "cancelled", None)

    assert paused.part("web1").state == "rejected"


@pytest.mark.parametrize("is_worker_there", [True, False])
def test_who_cancels_waits_for_no_worker_that_is_away(
    paused: PausedPart, is_worker_there: bool
) -> None:
    part = paused.wait(PAUSE).part("web1")
    if not is_worker_there:
        paused.core.clock.advance(3600)

    paused.core.automations.cancel(paused.actor, part.id)

    if is_worker_there:
        assert paused.go_on().verdict is ResumeVerdict.STOP
    else:
        assert paused.part("web1").state == "cancelled"
        assert "its folder may be left on its target" in paused.part("web1").explanation


def test_what_a_part_calls_runs_wherever_it_says_itself(paused: PausedPart) -> None:
    core, part = paused.core, paused.wait(CALL).part("web1")
    core.services.call_starts.turn()
    plain = core.worker(paused.actor.org_id, "other")
    [called] = plain.poll().work
    plain.start(called)

    assert called.template == "child"
    assert called.target is None
    plain.finish(called)
    core.services.call_starts.turn()

    assert paused.go_on().verdict is ResumeVerdict.CONTINUE
    paused.reaching.start(paused.work)
    paused.reaching.finish(paused.work)
    assert core.automations.get(paused.actor, part.id).state == "succeeded"

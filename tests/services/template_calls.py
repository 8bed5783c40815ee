"""A template that calls others in its midst, and the workers that carry both out."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport, Work
from opsicle.wire.starts import CalledAutomation
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import Core, TestWorker
from tests.services.pausing import order_of

ONE = "{template: child, values: {who: {output: host}, count: 3}}"
TWO = f"[{ONE}, {{template: other, values: {{who: {{variable: site}}}}}}]"


def caller(call: str = ONE, *lines: str, name: str = "caller", phase: str = "") -> str:
    """Return a template that has an output, calls, and has a phase after that and a clean-up."""
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\nspec:\n"
        "  variables: [{id: site, default: ams}]\n"
        "  template:\n    phases:\n"
        '      - {name: before, outputs: [host], commands: ["true"]}\n'
        f"      - {{name: both, call: {call}{phase}}}\n"
        '      - {name: after, commands: ["true"]}\n'
        f"{more}"
    )


def child(name: str = "child", *lines: str) -> str:
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\nspec:\n"
        "  variables: [{id: who, isRequired: true}, {id: count, type: number, default: 1}]\n"
        '  template: {phases: [{name: act, outputs: [found], commands: ["true"]}]}\n'
        f"{more}"
    )


@dataclass
class Calling:
    """One automation that calls, at a worker with one slot, and others for what it calls."""

    core: Core
    actor: Actor
    template: str = "caller"
    holder: TestWorker = field(init=False)
    automation: Automation = field(init=False)
    work: Work = field(init=False)

    def run(self) -> Calling:
        """Trigger it; it waits for approval or a worker."""
        self.automation = self.core.run(self.actor, self.template)
        return self

    def begin(self) -> Calling:
        self.holder = self.core.worker(self.actor.org_id, "holder")
        [self.work] = self.holder.poll().work
        self.holder.start(self.work)
        return self

    def call(self, *, is_masked: bool = False) -> Calling:
        """Come to the phase that calls, with the output `host` of the phase before it."""
        output = PhaseOutput(name="host", value="db1", is_masked=is_masked)
        before = PhaseReport(name="before", state="succeeded", outputs=(output,))
        self.pause(before, PhaseReport(name="both"), PhaseReport(name="after"))
        return self

    def pause(self, *reports: PhaseReport) -> str:
        return self.holder.pause_with(self.work, 1, reports)

    def turn(self) -> Calling:
        self.core.services.call_starts.turn()
        return self

    @property
    def now(self) -> Automation:
        return self.core.automations.get(self.actor, self.automation.id)

    @property
    def called(self) -> list[CalledAutomation]:
        return self.now.phases[1].calls

    def child(self, number: int = 0) -> Automation:
        found = self.called[number]
        assert found.automation_id, found.reason
        return self.core.automations.get(self.actor, found.automation_id)

    def carry_out(
        self, state: str = "succeeded", found: str = "x", *, masked: bool = False
    ) -> None:
        """Let another worker carry out the first of what waits."""
        number = len(self.core.fleet.candidates(self.actor.org_id))
        worker = self.core.worker(self.actor.org_id, f"c{number}")
        [work] = worker.poll().work
        worker.start(work)
        output = PhaseOutput(name="found", value=found, is_masked=masked)
        reports = (PhaseReport(name="act", state=state, outputs=(output,)),)
        outcome = Outcome(state=state, phases=reports, exit_code=0)
        request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
        self.core.jobs.finish(worker.actor, work.job_id, request)
        worker.held.clear()
        worker.is_draining = True
        worker.poll()

    def end(self, state: str, *reports: PhaseReport) -> None:
        """Let its worker end it, its phases having gone so."""
        outcome = Outcome(state=state, phases=reports, exit_code=1)
        request = FinishRequest(fence=self.work.fence, outcome=outcome, log_bytes=0)
        self.core.jobs.finish(self.holder.actor, self.work.job_id, request)
        self.holder.held.clear()

    def go_on(self) -> dict[str, object]:
        """Let its worker poll, and return what the order says that it is to do."""
        [self.work] = self.holder.poll().work
        resume = order_of(self.work).resume
        assert resume is not None
        return msgspec.to_builtins(resume)


def push_one(core: Core, actor: Actor, *lines: str, phase: str = "") -> Calling:
    core.push_again(actor, child())
    core.push_again(actor, caller(ONE, *lines, phase=phase))
    return Calling(core, actor)

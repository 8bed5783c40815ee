"""Templates with a plan, and a worker that carries it out."""

from __future__ import annotations

import msgspec

from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport, StepState, Work
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import TestWorker
from tests.services.team import Team

PLANNED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: %(name)s}
spec:
%(more)s
  plan: [{name: look, commands: ["terraform plan"], outputs: [changes]}]
  template: {phases: [{name: act, commands: ["terraform apply"]}]}
"""
LOG = b"3 to add, 1 to destroy\n"


def push(team: Team, more: str = "approvalPolicy: {policyRef: p}", name: str = "planned") -> None:
    """Let there be a template with a plan."""
    more = "".join(f"  {line}\n" for line in more.split("\n"))
    team.core.push(team.people["alice"], PLANNED % {"name": name, "more": more})


def take(team: Team, worker: TestWorker | None = None) -> tuple[TestWorker, Work]:
    """Let a worker get the one thing that waits for it, and start it."""
    worker = worker or team.core.worker(team.org_id, f"w{team.core.clock.elapsed()}")
    [work] = worker.poll().work
    worker.start(work)
    return worker, work


def finish(
    worker: TestWorker,
    work: Work,
    state: str = "succeeded",
    *,
    log: bytes = LOG,
    outputs: tuple[PhaseOutput, ...] = (PhaseOutput(name="changes", value="4"),),
    is_slot_free: bool = False,
) -> list[Work]:
    """Let a worker say how its job ended, with a log; return what it is given next."""
    reports = tuple(
        PhaseReport(name=phase.name, state=StepState(state), summary="It *will* change 4.")
        for phase in work.phases
    )
    reports = tuple(msgspec.structs.replace(each, outputs=outputs) for each in reports)
    code = 0 if state == "succeeded" else 1
    request = FinishRequest(
        fence=work.fence,
        outcome=Outcome(state=state, phases=reports, exit_code=code),
        chunks=((0, 0, 1, 0, log),) if log else (),
        log_bytes=len(log),
        is_slot_free=is_slot_free,
        boot_id=worker.boot_id,
    )
    reply = worker.core.jobs.finish(worker.actor, work.job_id, request)
    worker.held.pop(work.job_id, None)
    worker.held.update({more.job_id: more for more in reply.work})
    return list(reply.work)


def plan(team: Team, asked: Automation) -> Automation:
    """Let a worker carry out a plan well, and return what became of its automation."""
    finish(*take(team))
    return shown(team, asked)


def shown(team: Team, asked: Automation) -> Automation:
    return team.core.automations.get(team.people["alice"], asked.id)

"""A template that starts others once it has ended, and a worker that ends it."""

from __future__ import annotations

import msgspec

from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport
from opsicle.wire.user_api import Automation
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import Core


def first(*lines: str, name: str = "first") -> str:
    """Return a template with the output `path` and further lines of its spec."""
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\n"
        "spec:\n  variables: [{id: host, default: db1}, {id: count, type: number, default: 3}]\n"
        '  template: {phases: [{name: dump, outputs: [path], commands: ["true"]}]}\n'
        f"{more}"
    )


def run_first(
    core: Core,
    actor: Actor,
    state: str = "succeeded",
    *,
    template: str = "first",
    path: str = "/tmp/a",
    is_masked: bool = False,
    **values: object,
) -> Automation:
    """Run it to this end, with an output, and return it as it is before any turn."""
    worker = core.worker(
        actor.org_id, f"w{core.clock.elapsed()}-{len(core.fleet.candidates(actor.org_id))}"
    )
    automation = core.run(actor, template, **values)
    [work] = worker.poll().work
    worker.start(work)
    output = PhaseOutput(name="path", value=path, is_masked=is_masked)
    reports = (PhaseReport(name="dump", state="succeeded", outputs=(output,)),)
    outcome = Outcome(state=state, phases=reports, exit_code=0)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
    core.jobs.finish(worker.actor, work.job_id, request)
    worker.held.clear()
    return core.automations.get(actor, automation.id)


def turn(core: Core) -> None:
    core.services.chain_starts.turn()


def chained(core: Core, actor: Actor, automation: Automation) -> list[dict[str, object]]:
    """Return what it has started, or why not, as the page gets it."""
    return msgspec.to_builtins(core.automations.get(actor, automation.id).chained_starts)

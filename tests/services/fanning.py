"""A template that runs on each of three workers, one after another or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gevent

from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Work
from opsicle.wire.starts import AutomationTarget
from opsicle.wire.user_api import Automation
from tests.services.core import Core, TestWorker


def each_source(inside: str = "labels: {role: edge}", *lines: str, name: str = "patch") -> str:
    """Return a document that runs on each worker; `lines` are further ones of its spec."""
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\nspec:\n"
        f"  runsOn: {{each: {{{inside}}}}}\n"
        '  template: {phases: [{name: act, outputs: [found], commands: ["true"]}]}\n'
        f"{more}"
    )


@dataclass
class Fanning:
    """One automation on the workers e1 to e3, which are the org's, and a fourth without the label.

    Nothing of it is triggered yet.
    """

    core: Core
    actor: Actor
    workers: dict[str, TestWorker] = field(default_factory=dict)
    automation: Automation = field(init=False)
    pusher: Actor | None = None

    def push(self, inside: str = "labels: {role: edge}", *lines: str) -> Fanning:
        self.core.push_again(self.pusher or self.actor, each_source(inside, *lines))
        org_id = self.actor.org_id
        for name in ("e2", "e1", "e3"):
            self.workers[name] = self.core.worker(org_id, name, role="edge")
        self.workers["other"] = self.core.worker(org_id, "other", role="core")
        return self.poll()

    def poll(self) -> Fanning:
        for worker in self.workers.values():
            worker.poll()
        return self

    def run(self) -> Fanning:
        """Trigger it, and let the server look at it once: it begins."""
        self.automation = self.core.run(self.actor, "patch")
        return self.turn()

    def turn(self) -> Fanning:
        """Let the server look twice: what has begun goes on in the second turn."""
        for _ in range(2):
            self.core.services.fan_outs.turn()
        return self

    def turns_at_once(self) -> Fanning:
        turns = [gevent.spawn(self.core.services.fan_outs.turn) for _ in range(4)]
        gevent.joinall(turns, raise_error=True)
        return self

    def take(self, name: str) -> Work:
        """Let a worker begin its part."""
        [work] = self.workers[name].poll().work
        self.workers[name].start(work)
        return work

    def carry_out(self, name: str, state: str = "succeeded", exit_code: int | None = 0) -> Fanning:
        work = self.take(name)
        self.workers[name].finish(work, state, exit_code)
        return self.turn()

    @property
    def now(self) -> Automation:
        return self.core.automations.get(self.actor, self.automation.id)

    @property
    def targets(self) -> Sequence[AutomationTarget]:
        return self.now.targets

    @property
    def states(self) -> dict[str, str]:
        return {each.name: str(each.state) for each in self.targets}

    def part(self, name: str) -> Automation:
        [target] = [each for each in self.targets if each.name == name]
        assert target.automation_id, target.reason
        return self.core.automations.get(self.actor, target.automation_id)

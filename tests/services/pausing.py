"""One job of Alice's that waits for people, and what they do about it."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from opsicle.domain.approvals import Verdict
from opsicle.domain.manifests import WorkOrder
from opsicle.domain.pauses import Resume
from opsicle.wire.approval_api import Approval, DecisionRequest
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import Automation
from tests.services.core import Core, TestWorker
from tests.services.team import Team

BOB = "approvers: {users: [bob@example.com]}"


def source(pause: str = f"message: Look!, {BOB}", name: str = "paused", after: str = "") -> str:
    return f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec:
  template:
    phases:
      - {{name: before, commands: ["true"]}}
      - {{name: look, pause: {{{pause}}}}}
      - {{name: after, commands: ["true"]}}
      {after}
"""


ASKS = (
    source()
    .replace("      - {name: look, pause: {message: Look!, " + BOB + "}}\n", "")
    .replace(
        '{name: before, commands: ["true"]}', '{name: before, commands: ["false"], onFailure: ask}'
    )
)
CLEANED = '- {name: tidy, commands: ["true"], when: always}'


@dataclass
class Paused:
    """One job of Alice's that waits, on a worker with one slot."""

    team: Team
    worker: TestWorker
    automation: Automation
    work: Work

    @property
    def core(self) -> Core:
        return self.team.core

    @property
    def now(self) -> Automation:
        return self.core.automations.get(self.team.people["alice"], self.automation.id)

    @property
    def approval_id(self) -> str:
        [(found,)] = self.core.database.read(
            lambda db: list(
                db.execute(
                    "SELECT id FROM approvals WHERE automation_id = ? AND kind <> 'run'"
                    " ORDER BY id DESC LIMIT 1",
                    (self.automation.id,),
                )
            )
        )
        return str(found)

    def decide(self, who: str, verdict: Verdict, **said: object) -> Approval:
        actor, request = self.team.people[who], DecisionRequest(**said)
        self.core.approvals.decide(actor, self.approval_id, verdict, request)
        return self.core.approvals.get(actor, self.approval_id)

    def approve(self, who: str = "bob", **said: object) -> Approval:
        return self.decide(who, Verdict.APPROVE, **said)

    def reject(self, who: str = "bob", **said: object) -> Approval:
        return self.decide(who, Verdict.REJECT, **said)

    def cancel(self) -> Automation:
        return self.core.automations.cancel(self.team.people["alice"], self.automation.id)

    def go_on(self) -> Resume:
        """Let the worker poll, and return what the order says that it is to do."""
        [work] = self.worker.poll().work
        self.work = work
        resume = order_of(work).resume
        assert resume is not None
        return resume


def order_of(work: Work) -> WorkOrder:
    return msgspec.json.decode(work.order, type=WorkOrder)


def paused(team: Team, text: str, phase: int = 1, *done: str) -> Paused:
    team.core.push(team.people["alice"], text)
    name = text.split("name: ", 1)[1].split("}", maxsplit=1)[0]
    worker = team.core.worker(team.org_id, "w1")
    automation = team.core.run(team.people["alice"], name)
    [work] = worker.poll().work
    worker.start(work)
    assert worker.pause(work, phase, *done) == "paused"
    return Paused(team, worker, automation, work)

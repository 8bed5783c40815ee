"""One automation of Alice's that has failed, and what comes of resuming it."""

from __future__ import annotations

from dataclasses import dataclass

from opsicle.domain.approvals import Verdict
from opsicle.server.access.actor import Actor
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport, Work
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import Automation, RunRequest
from opsicle.wire.worker_api import FinishRequest
from tests.services.core import Core, TestWorker
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
DECISION_REQUESTS = PLAIN.replace("      - {name: restart", LOOK[1:] + "      - {name: restart")


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

    def report(
        self,
        work: Work,
        states: list[str],
        state: str,
        *outputs: PhaseOutput,
        kept_for: int | None = None,
    ) -> None:
        phases = tuple(
            PhaseReport(name=phase.name, state=each, outputs=outputs if not index else ())
            for index, (phase, each) in enumerate(zip(work.phases, states, strict=True))
        )
        now_ms = round(self.core.clock.now().timestamp() * 1000)
        kept_until_ms = None if kept_for is None else now_ms + 1000 * kept_for
        outcome = Outcome(state=state, phases=phases, exit_code=1, kept_until_ms=kept_until_ms)
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


def asking(team: Team, *states: str, lied: bool = False) -> Failed:
    """Return one that has failed after its pause, which Bob has let it pass."""
    case, work = begun(team, DECISION_REQUESTS)
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


def states(automation: Automation) -> list[str]:
    return [str(phase.state) for phase in automation.phases]

"""Small jobs that wait for people in their midst, and go on when a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from opsicle.domain.pauses import ResumeVerdict
from opsicle.domain.policies import Approvers, Gate
from opsicle.domain.templates import Pause, Phase
from opsicle.wire.jobs import Outcome, Work
from opsicle.worker.pausing import Answered, PausedRun
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.worker.job_runs import Machine

LOOK = Phase(
    name="look",
    commands=(),
    pause=Pause(message="Look!", gate=Gate(name="pause", approvers=Approvers(manager=True))),
)
CONTINUE = Answered(verdict=ResumeVerdict.CONTINUE, reason="continue, by bob")


class PausedMachine(Machine):
    """A machine on which people answer later; `paused` is where the run waits."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.paused: PausedRun | None = None

    def runner(self, work: Work) -> Runner:
        def ask(run: PausedRun) -> None:
            # As the journal keeps it, so that nothing of the process comes along.
            self.paused = msgspec.json.decode(msgspec.json.encode(run), type=PausedRun)

        host = RunnerHost(
            workspace_root=self.root,
            private_folder=self.private_folder,
            artifacts=self.artifacts,
            runtimes=self.runtimes or Runtimes((SubprocessRuntime(self.environment),)),
            grace_seconds=0.5,
            on_child=self.on_child,
            ask=ask,
        )
        return Runner(work, self.log, host, self.cancellation)

    def pause(self, *phases: Phase, **more: Any) -> Work:
        work = self.work(*phases, **more)
        assert self.runner(work).run() is None
        return work

    def go_on(self, work: Work, answered: Answered) -> Outcome | None:
        assert self.paused is not None
        return self.runner(work).resume(self.paused, answered)

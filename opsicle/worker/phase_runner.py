"""Carrying out one phase of a job: its tries, each in one shell."""

from __future__ import annotations

import time
from collections.abc import Sequence

from opsicle.domain.secrets import secret_file_environment_name
from opsicle.domain.templates import Phase, When, default_limit
from opsicle.wire.jobs import PhaseReport, StepState, Work
from opsicle.worker.artifacts import ArtifactCollector
from opsicle.worker.attempt import Attempt, Limits, RunContext
from opsicle.worker.output import now_ms
from opsicle.worker.phase_results import PhaseResults
from opsicle.worker.phase_tries import PhaseTries
from opsicle.worker.private_files import MaskRequests, PrivateFiles
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.protocol import CannotStart, StartCancelled
from opsicle.worker.script import Script, can_have_markers, marked_script, plain_script
from opsicle.worker.stdio_pipes import NamedPipes


class PhaseRunner:
    """Runs the phases of one job, as often as each is tried, and keeps their reports up to date.

    `deadline` is the job's, in monotonic seconds; `answers` are the variables by which phases get
    what people were asked for.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a phase touches
        self,
        work: Work,
        reports: Sequence[PhaseReport],
        host: RunnerHost,
        around: RunContext,
        private: PrivateFiles,
        results: PhaseResults,
        artifacts: ArtifactCollector,
    ) -> None:
        self.reports = reports
        self.results = results
        self.deadline = float("inf")
        self.answers: dict[str, str] = {}
        self.mask_requests: MaskRequests | None = None
        self._work = work
        self._host = host
        self._context = around
        self._private = private
        self._artifacts = artifacts

    def run(self, index: int) -> None:
        """Run a phase until it has succeeded, or is not tried again; its report says which."""
        phase, report = self._work.phases[index], self.reports[index]
        if phase.when is When.ALWAYS:
            self._host.on_clean_up(index)

        report.started_at_ms = now_ms()
        tries = PhaseTries(self._context, phase, index, report, self.deadline)

        while True:
            tries.begin()
            self._try_phase(index)
            report.explanation = self._context.output.without_secrets(report.explanation)
            if not tries.await_next():
                break

        report.finished_at_ms = now_ms()
        self._keep_artifacts(index)
        self._context.report_progress()

    def _keep_artifacts(self, index: int) -> None:
        """Keep the files that a phase leaves behind, however it ended."""
        output, patterns = self._context.output, self._work.phases[index].artifacts
        source = self._context.runtimes.left_files(index) if patterns else None
        for note in self._artifacts.collect(index, patterns, output.masking, source):
            output.note(note, index)
        self._private.remove_secrets()
        self._host.on_artifacts()

    def _try_phase(self, index: int) -> None:
        phase, report = self._work.phases[index], self.reports[index]
        self.results.forget(report)
        attempt = Attempt(self._context, report)
        limits = self._limits(phase)

        pipes = self._private.stdio_pipes()

        try:
            script = self._script(index, pipes)
            attempt.begin_commands(len(phase.commands), script)
            private = self._private_variables(phase)
            environment = self._context.runtimes.environment(
                index, private, self.results.environment() | self.answers
            )
            child = self._context.runtimes.start(index, script, environment)
        except StartCancelled as cancelled:
            attempt.refuse(StepState.CANCELLED, str(cancelled), None)
        except CannotStart as problem:
            attempt.refuse(StepState.FAILED, str(problem), problem.exit_code)
        else:
            attempt.run(child, index, limits)
            self._take_results(index)
        finally:
            pipes.close()
            self._private.remove_secrets()

    def _take_results(self, index: int) -> None:
        """Take what a phase has left; where its outputs are not right, it has failed."""
        report = self.reports[index]
        problem = self.results.take(self._work.phases[index], report)
        if problem and report.state is StepState.SUCCEEDED:
            report.state, report.exit_code, report.explanation = StepState.FAILED, None, problem
        elif problem:
            self._context.output.note(self._context.output.without_secrets(problem), index)

    def _private_variables(self, phase: Phase) -> dict[str, str]:
        """Return the variables that name the phase's files: for results, secrets, and masks.

        Raises CannotStart.
        """
        variables = {"OPSICLE_MASK": str(self.mask_requests.path)} if self.mask_requests else {}
        try:
            variables |= self.results.make_files()
            paths = self._private.write_secrets(
                {name: self._work.secret_values[name] for name in phase.secrets}
            )
        except OSError as problem:
            raise CannotStart(
                f"the files for its outputs and secrets could not be made: {problem.strerror}"
            ) from None

        return variables | {
            secret_file_environment_name(name): path for name, path in paths.items()
        }

    def _script(self, index: int, pipes: NamedPipes) -> Script:
        """Return a phase's script, with markers between its commands where that can be.

        Raises CannotStart.
        """
        phase = self._work.phases[index]
        if not can_have_markers(phase.shell, phase.commands, self._host.account):
            return plain_script(phase.commands)
        streams = self._context.runtimes.shell_streams(index, pipes)
        if streams is None:
            return plain_script(phase.commands)
        return marked_script(phase.commands, streams, pipes if pipes.writers else None)

    def _limits(self, phase: Phase) -> Limits:
        heeds_job = phase.when is When.SUCCESS
        deadline = time.monotonic() + phase.timeout
        if heeds_job and self.deadline < deadline:
            return Limits(
                self.deadline,
                f"timed out: the whole job may take {self._work.timeout} s",
                heeds_job,
            )

        is_default = default_limit(phase)
        return Limits(
            deadline,
            f"timed out after {phase.timeout} s" + (f", {is_default}" if is_default else ""),
            heeds_job,
        )

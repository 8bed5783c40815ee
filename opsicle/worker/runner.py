"""Carrying out one job on this machine: its phases in order, each in one shell.

Which phases run. Until one has not succeeded, those with `when: success` and `always`; after that,
those with `failure` and `always`. What first went wrong decides the job's state; a failed clean-up
phase fails a job that went well until then. A cancel or the job's own time limit ends a `when:
success` phase, never a clean-up phase, which has only its own `timeout`. If a job is cancelled
before anything of it ran, nothing of it runs.

What is left behind. A background process may live on while later phases run, and what it prints is
logged. At the job's end what still runs in a phase's session is ended (TERM, grace, KILL). What
made a session of its own, as a daemon does, is left alone, so that a runbook can start a service;
it dies too if the job is cancelled or times out.

How a phase is started and ended is its runtime's (see runtimes/protocol.py); nothing here knows
which there are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from opsicle.domain.automations import JobState
from opsicle.domain.secrets import secret_file_environment_name
from opsicle.domain.templates import Phase, When, default_limit
from opsicle.domain.workers import runtime_of
from opsicle.wire.jobs import Outcome, PhaseReport, StepState, Work
from opsicle.worker.artifacts import ArtifactCollector
from opsicle.worker.attempt import Attempt, Limits, MarkerPipe, RunContext, stop_job
from opsicle.worker.job_result import JobResult
from opsicle.worker.masking import Masking
from opsicle.worker.output import JobOutput, Sink, now_ms
from opsicle.worker.phase_results import PhaseResults
from opsicle.worker.phase_tries import PhaseTries
from opsicle.worker.private_files import MaskRequests, PrivateFiles
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.runtimes.table import JobRuntimes
from opsicle.worker.script import Script, make_script, plain_script
from opsicle.worker.waiting import Cancellation, Waiter
from opsicle.worker.workspace import Workspace

__all__ = ["Cancellation", "Runner", "Sink"]

_LAST_WORDS_SECONDS = 0.5  # for `> >(tee …)` and the like, which end a little after their shell


class Runner:
    """Carries out one job, once."""

    def __init__(
        self, work: Work, sink: Sink, host: RunnerHost, cancellation: Cancellation
    ) -> None:
        self._work = work
        self._sink = sink
        self._host = host
        self._reports = tuple(PhaseReport(name=phase.name) for phase in work.phases)
        self._workspace = Workspace(host.workspace_root, work.job_id, host.account)
        self._attempts = 0
        self._deadline = float("inf")
        private_folder = host.private_folder or host.workspace_root
        self._private = PrivateFiles(private_folder, work.job_id, self._workspace.hand_over)
        self._mask_requests: MaskRequests | None = None
        self._artifacts = ArtifactCollector(
            self._workspace, host.account, host.artifacts, work.artifact_limits
        )
        waiter = Waiter()
        self._context = RunContext(
            waiter=waiter,
            output=JobOutput(sink, waiter, _masking_for(work), work.max_log_bytes),
            marker_pipe=MarkerPipe(self._workspace.sibling("marks"), self._workspace.hand_over),
            runtimes=JobRuntimes(host.runtimes, work, self._workspace, host.account, self._private),
            cancellation=cancellation,
            grace_seconds=host.grace_seconds,
            on_child=host.on_child,
            tell=lambda: sink.progress(self._reports),
        )
        without_secrets = self._context.output.without_secrets
        self._result = JobResult(self._reports, without_secrets)
        self._phase_results = PhaseResults(self._private, without_secrets)

    def run(self) -> Outcome:
        """Run the job to its end. Whatever goes wrong with it is in the outcome, not raised.

        Raises only what a defect in the sink raises; nothing of the job is alive then either.
        """
        problem = self._prepare()
        if problem:
            self._context.waiter.close()
            self._result.decide(JobState.FAILED, problem)
            self._result.complete_phases()
            return self._result.outcome()

        return self._carry_out(self._run_phases)

    def run_clean_up(
        self, reports: tuple[PhaseReport, ...], phases: Sequence[int], log_offset: int
    ) -> Outcome:
        """Run these phases, by number, of a job in whose midst an earlier worker run ended.

        In the workspace that it left. `reports` are its phases, of which only these may change;
        what is printed goes behind `log_offset`. The outcome is `unknown`, since nobody can say how
        the job ended.
        """
        self._reports = self._result.reports = reports
        self._result.state = JobState.UNKNOWN
        self._context.output.offset = log_offset
        self._phase_results.recall(reports)

        def run() -> None:
            for index in phases:
                self._run_phase(index)

        return self._carry_out(run)

    def _carry_out(self, run_phases: Callable[[], None]) -> Outcome:
        with ExitStack() as stack:
            stack.callback(self._clean_up)
            try:
                self._listen_for_cancel(stack)
                self._listen_for_masks()
                run_phases()
                self._end_orphans()
            # A full disk, mostly: the spool, the journal or the workspace.
            except OSError as failure:
                self._result.decide(
                    JobState.FAILED, f"the worker could not go on: {failure.strerror or failure}"
                )
                self._context.runtimes.kill()
            except BaseException:
                self._context.runtimes.kill()
                raise

            self._result.complete_phases()
        return self._result.outcome()

    def _prepare(self) -> str:
        """Make the workspace. Returns what stands in the way of the job, or an empty string."""
        if self._work.withheld:
            return self._work.withheld

        for phase in self._work.phases:
            missing = [name for name in phase.secrets if name not in self._work.secrets]
            if missing:
                return f"phase {phase.name} needs the secret {missing[0]}, which was not handed out"
            if runtime_of(phase) not in self._host.runtimes.kinds:
                return _no_runtime(phase)

        try:
            self._workspace.make()
        except (OSError, ValueError) as problem:
            reason = problem.strerror if isinstance(problem, OSError) else str(problem)
            return f"the workspace could not be made: {reason}"
        return ""

    def _listen_for_cancel(self, stack: ExitStack) -> None:
        wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        stack.callback(os.close, wake)
        stack.callback(self._context.cancellation.wake_through, None)
        self._context.cancellation.wake_through(wake)
        self._context.waiter.watch(wake, lambda: os.eventfd_read(wake))

    def _listen_for_masks(self) -> None:
        """Let commands name values to mask.

        Where that cannot be, they find no pipe, and fail if they rely on it.
        """
        with suppress(OSError):
            self._mask_requests = self._private.open_mask_requests()
            self._context.output.on_mask = self._host.on_mask
            self._context.output.watch_mask_requests(self._mask_requests)

    def _run_phases(self) -> None:
        if self._work.timeout is not None:
            self._deadline = time.monotonic() + self._work.timeout
        if self._context.cancellation.requested:
            self._result.decide(JobState.CANCELLED, "cancelled before it began")
        else:
            for index, phase in enumerate(self._work.phases):
                if self._should_run(phase):
                    self._run_phase(index)

    def _should_run(self, phase: Phase) -> bool:
        if phase.when is When.ALWAYS:
            return True
        if phase.when is When.FAILURE:
            return self._result.state is not None

        if self._result.state is None and self._context.cancellation.requested:
            self._result.decide(JobState.CANCELLED, f"cancelled before phase {phase.name}")
        if self._result.state is None and time.monotonic() >= self._deadline:
            self._result.decide(
                JobState.TIMED_OUT,
                f"timed out after {self._work.timeout} s, before phase {phase.name}",
            )
        return self._result.state is None

    def _run_phase(self, index: int) -> None:
        phase, report = self._work.phases[index], self._reports[index]
        if phase.when is When.ALWAYS:
            self._host.on_clean_up(index)

        report.started_at_ms = now_ms()
        tries = PhaseTries(self._context, phase, index, report, self._deadline)

        while True:
            tries.begin()
            self._try_phase(index)
            report.explanation = self._context.output.without_secrets(report.explanation)
            if not tries.await_next():
                break

        report.finished_at_ms = now_ms()
        self._result.note_phase_end(report)
        self._keep_artifacts(index)
        self._context.tell()

    def _keep_artifacts(self, index: int) -> None:
        """Keep the files that a phase leaves behind, however it ended."""
        output = self._context.output
        for note in self._artifacts.collect(
            index, self._work.phases[index].artifacts, output.masking
        ):
            output.note(note, index)
        self._host.on_artifacts()

    def _try_phase(self, index: int) -> None:
        phase, report = self._work.phases[index], self._reports[index]
        self._attempts += 1
        self._phase_results.forget(report)
        script = self._script(phase)
        attempt = Attempt(self._context, report, self._attempts)
        attempt.begin_commands(len(phase.commands) if script.has_markers else 0)
        limits = self._limits(phase)

        try:
            private = self._private_variables(phase)
            environment = self._context.runtimes.environment(
                index, private, self._phase_results.environment()
            )
            child = self._context.runtimes.start(index, script, environment)
        except CannotStart as problem:
            attempt.refuse(str(problem), problem.exit_code)
        else:
            attempt.run(child, index, limits)
            self._take_results(index)
        finally:
            self._private.remove_secrets()

    def _take_results(self, index: int) -> None:
        """Take what a phase has left; where its outputs are not right, it has failed."""
        report = self._reports[index]
        problem = self._phase_results.take(self._work.phases[index], report)
        if problem and report.state is StepState.SUCCEEDED:
            report.state, report.exit_code, report.explanation = StepState.FAILED, None, problem
        elif problem:
            self._context.output.note(self._context.output.without_secrets(problem), index)

    def _private_variables(self, phase: Phase) -> dict[str, str]:
        """Return the variables that name the phase's files: for results, secrets, and masks.

        Raises CannotStart.
        """
        variables = {"OPSICLE_MASK": str(self._mask_requests.path)} if self._mask_requests else {}
        try:
            variables |= self._phase_results.make_files()
            paths = self._private.write_secrets(
                {name: self._work.secrets[name] for name in phase.secrets}
            )
        except OSError as problem:
            raise CannotStart(
                f"the files for its outputs and secrets could not be made: {problem.strerror}"
            ) from None

        return variables | {
            secret_file_environment_name(name): path for name, path in paths.items()
        }

    def _script(self, phase: Phase) -> Script:
        """Return the phase's script, without command markers where no pipe can be made."""
        marker_pipe = self._context.marker_pipe
        if len(phase.commands) > 1 and not marker_pipe.is_possible:
            return plain_script(phase.commands)
        return make_script(
            phase.shell, phase.commands, marker_pipe.path, self._attempts, self._host.account
        )

    def _limits(self, phase: Phase) -> Limits:
        heeds_job = phase.when is When.SUCCESS
        deadline = time.monotonic() + phase.timeout
        if heeds_job and self._deadline < deadline:
            return Limits(
                self._deadline,
                f"timed out: the whole job may take {self._work.timeout} s",
                heeds_job,
            )

        is_default = default_limit(phase)
        return Limits(
            deadline,
            f"timed out after {phase.timeout} s" + (f", {is_default}" if is_default else ""),
            heeds_job,
        )

    def _end_orphans(self) -> None:
        self._drain_output(_LAST_WORDS_SECONDS)
        if self._context.runtimes.left_something():
            stop_job(self._context, spares_daemons=True)

        self._context.output.drain()
        if self._context.output.is_held_up:
            # Perhaps by a disk that is full of what this very job has written.
            self._remove_workspace()
        self._drain_output(0)

        if dropped := self._context.output.dropped_bytes:
            self._context.output.note(f"{dropped} bytes more were printed, and are not in this log")
            self._drain_output(0)

    def _drain_output(self, seconds: float) -> None:
        """Take what is still printed, for so long.

        And all that was printed, for as long as the sink has no room.
        """
        output = self._context.output
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            next_due = output.turn(now)
            if not output.is_held_up and (not output.is_open or now >= until):
                return
            self._context.waiter.turn(min(next_due, until) if now < until else next_due)

    def _clean_up(self) -> None:
        self._context.output.close()
        self._context.marker_pipe.close()
        if self._mask_requests:
            self._mask_requests.close()
        self._context.waiter.close()
        self._remove_workspace()

    def _remove_workspace(self) -> None:
        if problem := self._workspace.remove():
            self._result.add_problem(problem)


def _masking_for(work: Work) -> Masking | None:
    values = [
        value for value in (*work.secret_environment.values(), *work.secrets.values()) if value
    ]
    return Masking(values) if values else None


def _no_runtime(phase: Phase) -> str:
    if phase.image is not None:
        return (
            f"phase {phase.name} needs a container ({phase.image}), "
            "and this worker runs no containers"
        )
    return f"phase {phase.name} has no image, and this worker runs nothing but containers"

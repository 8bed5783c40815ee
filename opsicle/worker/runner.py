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

Where people are asked. At a phase with a `pause`, and after one that failed and says `onFailure:
ask`, the host asks (see pausing.py). If they answer later, the run ends there for now, with its
workspace left as it is; nothing of the job runs meanwhile save what made a session of its own.

How a phase is started and ended is its runtime's (see runtimes/protocol.py); nothing here knows
which there are.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress

from opsicle.domain.automations import JobState
from opsicle.domain.pauses import ResumeVerdict
from opsicle.domain.resume_points import in_words
from opsicle.domain.templates import OnFailure, Phase, When
from opsicle.domain.variables import environment_of
from opsicle.wire.jobs import Outcome, PhaseReport, StepState, Work, first_reports
from opsicle.worker.artifacts import ArtifactCollector
from opsicle.worker.attempt import RunContext
from opsicle.worker.job_masking import masking_of
from opsicle.worker.job_result import JobResult
from opsicle.worker.job_workspaces import keep_workspace, prepare_workspace
from opsicle.worker.masking import Masking
from opsicle.worker.output import JobOutput, Sink, now_ms
from opsicle.worker.pausing import Answered, PausedRun, waiting_text
from opsicle.worker.phase_results import PhaseResults
from opsicle.worker.phase_runner import PhaseRunner
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.run_ends import drain_output, end_remaining_processes
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtime_check import runtime_problem
from opsicle.worker.runtimes.table import JobRuntimes
from opsicle.worker.waiting import Cancellation, Waiter
from opsicle.worker.workspace import Workspace

__all__ = ["Cancellation", "Runner", "Sink"]


class Runner:
    """Carries out one job, once."""

    def __init__(
        self, work: Work, sink: Sink, host: RunnerHost, cancellation: Cancellation
    ) -> None:
        self._work = work
        self._sink = sink
        self._host = host
        self._reports = first_reports(work.phases, work.resumed_from)
        self._workspace = Workspace(host.workspace_root, work.job_id, host.account)
        private_folder = host.private_folder or host.workspace_root
        private = self._private = PrivateFiles(
            private_folder, work.job_id, self._workspace.hand_over
        )
        artifacts = ArtifactCollector(
            self._workspace, host.account, host.artifacts, work.artifact_limits
        )
        waiter = Waiter()
        self._context = RunContext(
            waiter=waiter,
            output=JobOutput(sink, waiter, masking_of(work), work.max_log_bytes),
            runtimes=JobRuntimes(
                host.runtimes, work, self._workspace, host.account, private, cancellation
            ),
            cancellation=cancellation,
            grace_seconds=host.grace_seconds,
            on_child=host.on_child,
            report_progress=lambda: sink.progress(self._reports),
        )
        without_secrets = self._context.output.without_secrets
        self._result = JobResult(self._reports, without_secrets)
        results = PhaseResults(private, without_secrets, work.plan_outputs)
        self._phases = PhaseRunner(
            work, self._reports, host, self._context, private, results, artifacts
        )
        if work.resumed_from:
            results.restore(self._reports)
            self._phases.answers |= environment_of(work.resumed_from.answers)
        self._is_paused = False
        self._problem: str | None = None
        """Why it cannot run here, "" for no reason; None: that has not been looked at."""

    @property
    def masking(self) -> Masking | None:
        """What is masked, values that the commands have named among them."""
        return self._context.output.masking

    def prepare(self) -> None:
        """Do what needs no leave to begin, if it is quickly undone.

        That is an empty workspace, and the files beside it. Harmless to call again. Raises OSError.
        """
        if self._problem is None and self._work.resumed_from is None and not self._work.files:
            self._problem = self._prepare()
            if not self._problem:
                self._listen_for_masks()
                self._phases.results.prepare_files()

    def abandon(self) -> None:
        """Undo that, as the job does not begin here."""
        self._close_pipes()
        self._private.remove_secrets()
        if self._problem == "":
            self._workspace.remove()

    def _prepare(self) -> str:
        return runtime_problem(self._work, self._host.runtimes.kinds) or prepare_workspace(
            self._work, self._host, self._workspace
        )

    def run(self) -> Outcome | None:
        """Run the job to its end, or until people are to answer later: None.

        Whatever goes wrong with it is in the outcome, not raised. Raises only what a defect in the
        sink raises; nothing of the job is alive then either.
        """
        problem = self._prepare() if self._problem is None else self._problem
        if problem:
            return self._refuse(problem)

        def run_phases() -> None:
            if self._work.timeout is not None:
                self._phases.deadline = time.monotonic() + self._work.timeout
            if self._context.cancellation.requested:
                self._result.decide(JobState.CANCELLED, "cancelled before it began")
            else:
                self._run_phases(self._first_phase())

        return self._carry_out(run_phases)

    def resume(
        self, paused: PausedRun, answered: Answered, masking: Masking | None = None
    ) -> Outcome | None:
        """Let a run go on that has waited for people, in the workspace that it left; as `run`.

        `masking` is that of the run before.
        """
        self._restore_results(paused.phases)
        self._context.output.offset = paused.log_bytes
        self._context.output.masking = masking_of(self._work, masking)
        self._result.recall(paused)

        problem = runtime_problem(self._work, self._host.runtimes.kinds)
        if not problem and not self._workspace.path.is_dir():
            problem = "its workspace is gone"
        if problem:
            return self._refuse(problem)
        if paused.elsewhere:
            self._context.runtimes.come_back(paused.phase, paused.elsewhere)

        def run_phases() -> None:
            if paused.seconds_left is not None:
                self._phases.deadline = time.monotonic() + paused.seconds_left
            self._context.output.note(answered.reason, paused.phase)
            if self._go_on(paused.phase, answered):
                self._run_phases(paused.phase + 1)

        return self._carry_out(run_phases)

    def _first_phase(self) -> int:
        point = self._work.resumed_from
        if point is None:
            return 0
        self._context.output.note(in_words(point, self._work.phases), point.first_phase)
        return point.first_phase

    def _restore_results(self, reports: tuple[PhaseReport, ...]) -> None:
        self._reports = self._result.reports = self._phases.reports = reports
        self._phases.results.restore(reports)

    def _refuse(self, problem: str) -> Outcome:
        self._context.waiter.close()
        self._result.decide(JobState.FAILED, problem)
        self._result.complete_phases()
        return self._result.outcome()

    def run_clean_up(
        self, reports: tuple[PhaseReport, ...], phases: Sequence[int], log_offset: int
    ) -> Outcome:
        """Run these phases, by number, of a job in whose midst an earlier worker run ended.

        They run in the workspace that it left. `reports` are its phases, of which only these may
        change; what is printed goes behind `log_offset`. The outcome is `unknown`, since nobody can
        say how the job ended.
        """
        self._restore_results(reports)
        self._result.state = JobState.UNKNOWN
        self._context.output.offset = log_offset

        def run_phases() -> None:
            for index in phases:
                self._phases.run(index)

        self._carry_out(run_phases)
        return self._result.outcome()

    def _carry_out(self, run_phases: Callable[[], None]) -> Outcome | None:
        with ExitStack() as stack:
            stack.callback(self._clean_up)
            try:
                self._listen_for_cancel(stack)
                self._listen_for_masks()
                run_phases()
                if self._is_paused:
                    return None
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
        if self._phases.mask_requests:
            return
        with suppress(OSError):
            self._phases.mask_requests = self._private.open_mask_requests()
            self._context.output.on_mask = self._host.on_mask
            self._context.output.watch_mask_requests(self._phases.mask_requests)

    def _run_phases(self, first: int) -> None:
        """Run the phases from one on, until people are to answer later."""
        for index in range(first, len(self._work.phases)):
            if self._should_run(self._work.phases[index]) and not self._run_or_ask(index):
                return

    def _run_or_ask(self, index: int) -> bool:
        """Run a phase, or ask what it asks. False if people are to answer later."""
        phase, report = self._work.phases[index], self._reports[index]
        if not phase.is_waiting:
            self._phases.run(index)
            if not self._has_to_ask(phase, report):
                self._result.note_phase_end(report)
                return True
        else:
            self._phases.results.begin_again(report)
            self._context.output.note(waiting_text(phase), index)
        return self._ask_and_go_on(index)

    def _ask_and_go_on(self, index: int) -> bool:
        answered = self._ask(index)
        self._is_paused = answered is None
        return answered is not None and self._go_on(index, answered)

    def _has_to_ask(self, phase: Phase, report: PhaseReport) -> bool:
        return (
            phase.on_failure is OnFailure.ASK
            and report.state in {StepState.FAILED, StepState.TIMED_OUT}
            and not self._context.cancellation.requested
            and time.monotonic() < self._phases.deadline
        )

    def _ask(self, index: int) -> Answered | None:
        end_remaining_processes(self._context)
        drain_output(self._context, 0)
        left = self._phases.deadline - time.monotonic()
        run = PausedRun(
            fence=self._work.fence,
            phase=index,
            phases=self._reports,
            log_bytes=self._context.output.offset,
            seconds_left=left if self._work.timeout is not None else None,
            decided=self._result.decided,
            elsewhere=self._context.runtimes.leave(),
        )
        return self._host.ask(run)

    def _go_on(self, index: int, answered: Answered) -> bool:
        """Do at a phase what people have decided. False if they are to answer once more."""
        report = self._reports[index]
        self._phases.answers |= answered.environment
        match answered.verdict:
            case ResumeVerdict.RETRY:
                return self._run_or_ask(index)
            case ResumeVerdict.SKIP:
                self._result.skip(report)
            case ResumeVerdict.ABORT:
                self._result.note_phase_end(report)
            case ResumeVerdict.STOP:
                self._result.stop(report, answered.reason)
            case ResumeVerdict.CONTINUE:
                report.state, report.finished_at_ms = StepState.SUCCEEDED, now_ms()
                self._phases.results.give(report, answered.outputs)
            case ResumeVerdict.FAIL:
                return self._fail(index, answered.reason)
        self._context.report_progress()
        return True

    def _fail(self, index: int, reason: str) -> bool:
        """End a phase that did not succeed, as what it has called did not. As `_go_on`."""
        report = self._reports[index]
        report.state, report.finished_at_ms = StepState.FAILED, now_ms()
        report.explanation = reason
        if self._has_to_ask(self._work.phases[index], report):
            return self._ask_and_go_on(index)
        self._result.note_phase_end(report)
        self._context.report_progress()
        return True

    def _should_run(self, phase: Phase) -> bool:
        is_cancelled = self._result.state is None and self._context.cancellation.requested
        if is_cancelled and (phase.calls or phase.when is When.SUCCESS):
            self._result.decide(JobState.CANCELLED, f"cancelled before phase {phase.name}")
        if phase.when is When.ALWAYS:
            return True
        if phase.when is When.FAILURE:
            return not (self._result.state is None or self._result.is_unknown)

        if self._result.state is None and time.monotonic() >= self._phases.deadline:
            self._result.decide(
                JobState.TIMED_OUT,
                f"timed out after {self._work.timeout} s, before phase {phase.name}",
            )
        return self._result.state is None

    def _end_orphans(self) -> None:
        end_remaining_processes(self._context)
        if self._context.output.is_held_up:
            # Perhaps by a disk that is full of what this very job has written.
            self._result.add_problem(self._workspace.remove())
        drain_output(self._context, 0)

        if dropped := self._context.output.dropped_bytes:
            self._context.output.note(f"{dropped} bytes more were printed, and are not in this log")
            drain_output(self._context, 0)

    def _clean_up(self) -> None:
        self._context.output.close()
        self._close_pipes()
        if self._is_paused:
            return
        self._result.add_problem(self._context.runtimes.close())
        if not keep_workspace(self._work, self._host, self._workspace, self._result):
            self._result.add_problem(self._workspace.remove(self._host.put_off))

    def _close_pipes(self) -> None:
        if self._phases.mask_requests:
            self._phases.mask_requests.close()
            self._phases.mask_requests = None
        self._context.waiter.close()

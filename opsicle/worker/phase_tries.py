"""The tries of one phase: what is said of each, and the wait before the next one."""

from __future__ import annotations

import random
import time

from opsicle.domain.retries import is_retried, retry_delay
from opsicle.domain.templates import Phase, When
from opsicle.wire.jobs import MAX_TRY_EXPLANATION, FailedTry, PhaseReport, StepState
from opsicle.worker.attempt import RunContext, stop_job
from opsicle.worker.output import now_ms


class PhaseTries:
    """Counts the tries of a phase in its report. `deadline` is that of the job.

    A phase that timed out or was cancelled is not tried again: it was cut off in the midst of
    something.
    """

    def __init__(
        self, context: RunContext, phase: Phase, index: int, report: PhaseReport, deadline: float
    ) -> None:
        self._context = context
        self._phase = phase
        self._index = index
        self._report = report
        self._stops_with_job = phase.when is When.SUCCESS
        self._give_up_at = deadline if self._stops_with_job else float("inf")
        self._allowed = 1 + (phase.retries.limit if phase.retries else 0)
        self._began_at_ms: int | None = None
        self._log_offset = 0

    def begin(self) -> None:
        """Begin the next try."""
        report = self._report
        report.tries += 1
        report.state = StepState.RUNNING
        report.explanation = (
            f"attempt {report.tries} of {self._allowed}" if self._allowed > 1 else ""
        )
        self._began_at_ms, self._log_offset = now_ms(), self._context.output.offset

    def await_next(self) -> bool:
        """Return whether there is another try, after the wait before it.

        There is none if the job was cancelled or ran out of time meanwhile.
        """
        phase, report = self._phase, self._report
        if report.state is not StepState.FAILED or phase.retries is None:
            return False

        message = f"attempt {report.tries} of {self._allowed} failed{_why_failed(report)}"
        if report.tries >= self._allowed:
            self._note(f"{message}; it was the last")
            return False
        if not is_retried(phase.retries, report.exit_code):
            report.explanation = _not_retried(report)
            self._note(f"attempt {report.tries} of {self._allowed}: {report.explanation}")
            return False

        failed, explanation = self._failed_try(), report.explanation
        # Not for secrecy: jobs that failed at one moment are not to come back at one moment.
        delay = retry_delay(phase.retries, report.tries, random.random())  # noqa: S311
        report.state = StepState.RUNNING
        report.explanation = f"{message}; the next begins in {round(delay, 1):g} s"
        self._note(report.explanation)
        if self._wait(delay):
            report.failed_tries = (*report.failed_tries, failed)
            return True

        report.state, report.explanation = StepState.FAILED, explanation
        return False

    def _failed_try(self) -> FailedTry:
        return FailedTry(
            exit_code=self._report.exit_code,
            explanation=self._report.explanation[:MAX_TRY_EXPLANATION],
            started_at_ms=self._began_at_ms,
            finished_at_ms=now_ms(),
            log_offset=self._log_offset,
        )

    def _note(self, text: str) -> None:
        self._context.output.note(self._context.output.without_secrets(text), self._index)

    def _wait(self, delay: float) -> bool:
        context = self._context
        context.report_progress()
        if context.runtimes.has_processes():
            stop_job(context, keep_daemons=True)

        retry_at = time.monotonic() + delay
        while True:
            now = time.monotonic()
            if now >= self._give_up_at or (self._stops_with_job and context.cancellation.requested):
                return False
            if now >= retry_at:
                return True
            context.waiter.turn(min(retry_at, self._give_up_at, context.output.turn(now)))


def _why_failed(report: PhaseReport) -> str:
    if report.explanation:
        return f": {report.explanation}"
    return f" with exit code {report.exit_code}"


def _not_retried(report: PhaseReport) -> str:
    """Return why a phase failed that is not tried again, though it could have been."""
    if report.exit_code is None:
        return f"{report.explanation}; `retryOn` is about exit codes, so it is not tried again"
    message = f"{report.explanation}, exit" if report.explanation else "failed with exit"
    return f"{message} code {report.exit_code}, which `retryOn` does not name"

"""How a job ends, made up from how its phases did."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import Outcome, PhaseReport, StepState
from opsicle.worker.output import now_ms
from opsicle.worker.pausing import DecidedEnd, PausedRun

_JOB_STATES = {
    StepState.FAILED: JobState.FAILED,
    StepState.CANCELLED: JobState.CANCELLED,
    StepState.TIMED_OUT: JobState.TIMED_OUT,
    StepState.UNKNOWN: JobState.UNKNOWN,
}
"""What becomes of a job by a phase that ended so."""


class JobResult:
    """How a job ends, as far as that is known: what first went wrong decides.

    `state` is None until something has. `reports` are its phases. `without_secrets` masks text.
    `kept_until_ms`: until when its workspace is kept, None: it is not.
    """

    def __init__(
        self, reports: tuple[PhaseReport, ...], without_secrets: Callable[[str], str]
    ) -> None:
        self.reports = reports
        self.state: JobState | None = None
        self._explanation = ""
        self._exit_code: int | None = None
        self._without_secrets = without_secrets
        self._skipped: list[PhaseReport] = []
        self.kept_until_ms: int | None = None

    def decide(self, state: JobState, explanation: str, exit_code: int | None = None) -> None:
        """Set the job's state, unless something before has."""
        if self.state is None:
            self.state, self._explanation, self._exit_code = state, explanation, exit_code

    @property
    def decided(self) -> DecidedEnd | None:
        """How the job ends, as far as that is settled."""
        if self.state is None:
            return None
        return DecidedEnd(self.state, self._explanation, self._exit_code)

    def recall(self, paused: PausedRun) -> None:
        """Know again what had gone wrong when a run came to wait."""
        if before := paused.decided:
            self.decide(before.state, before.explanation, before.exit_code)
        for report in paused.phases[: paused.phase]:
            if report.state in _JOB_STATES:
                self.skip(report)

    def note_phase_end(self, report: PhaseReport) -> None:
        """Let a phase that has ended badly decide."""
        if report.state in _JOB_STATES:
            self.decide(_JOB_STATES[report.state], _sentence(report), report.exit_code)

    def skip(self, report: PhaseReport) -> None:
        """Let the job go on behind a phase that failed, as somebody chose.

        It stays failed, and a job that goes well until its end ends as failed, too: nothing that
        failed is shown as a success.
        """
        self._skipped.append(report)

    def stop(self, report: PhaseReport, reason: str) -> None:
        """Let no more of the job be run but its clean-up, as people decided at a phase."""
        if report.state not in _JOB_STATES:
            report.state, report.explanation = StepState.CANCELLED, reason
        self.decide(JobState.CANCELLED, reason)

    def add_problem(self, problem: str) -> None:
        """Say once what else was not as it should be, whatever the state is; "" for nothing."""
        if problem not in self._explanation:
            self._explanation = "; ".join(filter(None, (self._explanation, problem)))

    @property
    def has_succeeded(self) -> bool:
        """Whether nothing has gone wrong so far, nor was skipped that had."""
        return self.state is None and not self._skipped

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say how it ended."""
        return self.state is JobState.UNKNOWN

    def complete_phases(self) -> None:
        """Mark the phases that are pending or running as over."""
        for report in self.reports:
            if report.state is StepState.PENDING and self.state is not JobState.UNKNOWN:
                report.state = StepState.SKIPPED
            elif report.state is StepState.RUNNING:  # the worker could not go on
                report.state = StepState.FAILED
                report.finished_at_ms = now_ms()

    def outcome(self) -> Outcome:
        """Return what the server is told."""
        if self._skipped and self.state is None:
            first = self._skipped[0]
            names = ", ".join(report.name for report in self._skipped)
            summary = f"{_sentence(first)}; skipped, and all that came after went well: {names}"
            self.decide(JobState.FAILED, summary, first.exit_code)
        return Outcome(
            state=self.state or JobState.SUCCEEDED,
            phases=self.reports,
            exit_code=0 if self.state is None else self._exit_code,
            explanation=self._without_secrets(self._explanation),
            kept_until_ms=self.kept_until_ms,
        )


def _sentence(report: PhaseReport) -> str:
    attempts = f", at attempt {report.tries}" if report.tries > 1 else ""
    if report.explanation:
        return f"phase {report.name}: {report.explanation}{attempts}"
    return f"phase {report.name} failed with exit code {report.exit_code}{attempts}"

"""What a worker's next run may still do for a job in whose midst the last one ended.

Its clean-up phases, once.

They run if the machine was not started again since (its boot id), the workspace is still
there, and the server says that the job is still this worker's. None runs that had begun, so that
none runs twice. And none runs of a job that had secrets, or values to be masked: those are gone, so
that neither could they be used nor kept out of the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.templates import When
from opsicle.wire.jobs import CommandReport, Outcome, PhaseReport, StepState, Work, first_reports
from opsicle.worker import process_ids
from opsicle.worker.journal_lines import CleanUpPlan, JobEntry

_LOST = "the worker ended while the job ran, so that nobody can say what it did"
TOO_LATE = "the worker came back too late"


def plan_for(work: Work, org_id: str) -> CleanUpPlan | None:
    """Return what the journal is to know of a job that has clean-up phases, without its secrets.

    Return None for any other job.
    """
    if not any(phase.when is When.ALWAYS for phase in work.phases):
        return None

    bare = msgspec.structs.replace(
        work,
        target=work.target and msgspec.structs.replace(work.target, key=""),
        secret_values={},
        secret_environment={},
        manifest=b"",
        order=b"",
        signature=b"",
        secret_salt=b"",
    )
    has_secrets = bool(work.secret_values or work.secret_environment or work.target)
    return CleanUpPlan(
        boot=process_ids.boot_id(), org_id=org_id, work=bare, has_secrets=has_secrets
    )


class LostJob:
    """A job of an earlier run, and what of its phases may still be run.

    `reports` are its phases as far as known.
    """

    def __init__(self, entry: JobEntry, workspace_root: Path) -> None:
        self.plan = entry.clean_up
        self._entry = entry
        self._workspace = workspace_root / entry.job_id
        self.reports = entry.phases
        if self.plan and not entry.phases:
            self.reports = first_reports(self.plan.work.phases, self.plan.work.resumed_from)
        _call_unknown(self.reports, entry.begun)

    @property
    def to_clean_up(self) -> list[int]:
        """The clean-up phases that had not begun, by their numbers."""
        if self.plan is None:
            return []
        pending = (
            index for index, report in enumerate(self.reports) if report.state is StepState.PENDING
        )
        phases = self.plan.work.phases
        return [
            index
            for index in pending
            if phases[index].when is When.ALWAYS and not phases[index].calls
        ]

    def refusal_reason(self) -> str:
        """Return why clean-up phases cannot run, "" if nothing here stands in their way."""
        if self.plan is None or self.plan.boot != process_ids.boot_id():
            return "the machine was started anew"
        if self.plan.has_secrets or self._entry.has_masked:
            return "the job had secrets, which went with the worker's last run"
        if self._workspace.is_symlink() or not self._workspace.is_dir():
            return "the workspace is gone"
        return ""

    def outcome(self, why_not: str = "", ran: Sequence[int] = ()) -> Outcome:
        """Return what there is to report.

        `why_not` says why clean-up phases did not run; `ran` are those that did.
        """
        parts = [_LOST]
        if ran:
            parts.append(f"afterwards it ran {_phases(self._names(ran))}")
        if left := [index for index in self.to_clean_up if index not in ran]:
            parts.append(f"it did not run {_phases(self._names(left))}: {why_not}")
            for index in left:
                self.reports[index].state = StepState.SKIPPED
                self.reports[index].explanation = f"not run: {why_not}"
        return Outcome(state=JobState.UNKNOWN, phases=self.reports, explanation="; ".join(parts))

    def _names(self, indexes: Sequence[int]) -> list[str]:
        return [self.reports[index].name for index in indexes]


def _call_unknown(reports: Sequence[PhaseReport], begun: Sequence[int]) -> None:
    """Report that nobody can say how it ended.

    It was running when the worker ended, or had just begun.
    """
    for index, report in enumerate(reports):
        if index in begun and report.state is StepState.PENDING:
            report.state = StepState.UNKNOWN
        steps: list[PhaseReport | CommandReport] = [report, *report.commands]
        for step in steps:
            if step.state is StepState.RUNNING:
                step.state = StepState.UNKNOWN


def _phases(names: Sequence[str]) -> str:
    return ("its clean-up phase " if len(names) == 1 else "its clean-up phases ") + ", ".join(names)

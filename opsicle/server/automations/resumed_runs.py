"""Where an automation that has ended can be gone on with, and what its phases hand over.

By the rows of one transaction. What a worker has said decides which phases are done, but never that
people have let a job go on: a pause counts as done only by their decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.errors import Conflict, InvalidInput, Problem
from opsicle.domain.manifests import Manifest
from opsicle.domain.outputs import MAX_ALL_OUTPUTS_BYTES, fits
from opsicle.domain.problems import listed, quoted
from opsicle.domain.resume_points import KeptWorkspace, ResumePoint
from opsicle.domain.templates import Phase, Template, Value, When
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_calls import has_passed_call
from opsicle.server.approvals.passed_pauses import passed_pauses
from opsicle.server.approvals.record_of_ends import recorded_reports, require_recorded
from opsicle.server.automations.visible import ENDED
from opsicle.server.store import approvals, automations, jobs, workers
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import PhaseReport, StepState, first_reports
from opsicle.wire.starts import ResumeRequest

_RESUMABLE = frozenset(
    {
        AutomationState.FAILED,
        AutomationState.TIMED_OUT,
        AutomationState.CANCELLED,
        AutomationState.EXPIRED,
        AutomationState.UNKNOWN,
    }
)
_NOT_KNOWN = frozenset({StepState.UNKNOWN, StepState.RUNNING})
_AGAIN = "Run it again from the beginning: `opsicle automations rerun {}`."


class ResumedRun(msgspec.Struct, frozen=True):
    """An automation that is about to go on from another one.

    `confirm` is called in the transaction that makes it, and raises to have nothing made. Of one
    that runs on several machines, `machines` are those on which that has not succeeded.
    """

    point: ResumePoint
    accepts_unknown: bool
    confirm: Callable[[Connection], None]
    machines: frozenset[str] | None = None

    @property
    def stored(self) -> str:
        """The JSON that is kept of the point."""
        return msgspec.json.encode(self.point).decode()

    @property
    def recorded(self) -> dict[str, object]:
        """How it stands in the record."""
        return {
            "automation": self.point.automation_id,
            "first_phase": self.point.first_phase,
            "accepts_unknown": self.accepts_unknown,
        }

    def claim(self, db: Connection) -> ResumePoint:
        """Return the point, unless somebody else goes on from it, or it is another one now."""
        self.confirm(db)
        return self.point


class _EndedRun:
    """An automation that has ended, with what is known of its phases."""

    def __init__(
        self, db: Connection, bindings: Bindings, row: AutomationRow, template: Template
    ) -> None:
        self._db, self._bindings = db, bindings
        self.row = row
        self.phases = template.phases
        self.before = bound_point(db, bindings, row, template)
        self.job = _last_started(jobs.list_of_automation(db, row.id))
        if self.job is None and self.before is None:
            raise Conflict(
                f"nothing of {row.id} has run, so there is nothing to go on with",
                hint=_AGAIN.format(row.id),
            )
        self.given = _given_at_pauses(db, bindings, row, self.job) if self.job else {}
        self.reports = self._recorded_reports(db)

    def _recorded_reports(self, db: Connection) -> Sequence[PhaseReport]:
        """Return how far its phases are, as the record confirms it."""
        reports = stored_json.read_or(self.job.phases, list[PhaseReport], []) if self.job else []
        if len(reports) != len(self.phases):
            return first_reports(self.phases, self.before)
        try:
            recorded_reports(db, self.row, self.job)
            if self.job:
                require_recorded(db, self.row, self.job)
        except AlteredManifest as altered:
            raise _altered(self.row.id, str(altered)) from altered
        return reports

    @property
    def is_known(self) -> bool:
        """Whether somebody can say how it ended."""
        is_lost = self.job is not None and self.job.state is JobState.UNKNOWN
        return self.row.state is not AutomationState.UNKNOWN and not is_lost

    def failed_at(self) -> int:
        """Return the index of the first phase that is not done. Raises Conflict if all are."""
        for index in range(len(self.phases)):
            if not self._is_done(index):
                return index
        raise Conflict("all of its phases went well", hint=_AGAIN.format(self.row.id))

    def _is_done(self, index: int) -> bool:
        if self._was_done_before(index):
            return True
        phase, state = self.phases[index], self.reports[index].state
        if phase.pause is not None and index not in self.given:
            return False
        if phase.calls and phase.when is When.SUCCESS and not self._has_passed_call(index):
            return False
        return state is StepState.SUCCEEDED or (
            phase.when is When.FAILURE and state is StepState.SKIPPED
        )

    def _has_passed_call(self, index: int) -> bool:
        if self.job is None:
            return False
        row = msgspec.structs.replace(self.row, job_id=self.job.id)
        try:
            return has_passed_call(self._db, self._bindings, row, index, self.phases[index])
        except AlteredManifest as altered:
            raise _altered(self.row.id, str(altered)) from altered

    def _was_done_before(self, index: int) -> bool:
        """Return whether it has not run a phase itself, as it went on from another one."""
        return self.before is not None and index < self.before.first_phase

    def outputs(self, first: int) -> dict[str, dict[str, str]]:
        """Return what the phases before one hand over. Raises Conflict for what cannot be."""
        found = {
            phase.name: outputs
            for index, phase in enumerate(self.phases[:first])
            if (outputs := self._outputs_of(index))
        }
        size = sum(
            len(name) + len(value.encode())
            for outputs in found.values()
            for name, value in outputs.items()
        )
        if size > MAX_ALL_OUTPUTS_BYTES:
            raise Conflict("its outputs are larger than any", hint=_AGAIN.format(self.row.id))
        return found

    def _outputs_of(self, index: int) -> dict[str, str]:
        phase = self.phases[index]
        if self.before is not None and self._was_done_before(index):
            return self.before.outputs.get(phase.name, {})

        outputs = [each for each in self.reports[index].outputs if each.name in phase.outputs]
        for each in outputs:
            if each.is_masked or not fits(each.value):
                why = "is masked" if each.is_masked else "is no value for a variable"
                raise Conflict(
                    f"the output {quoted(each.name)} of phase {quoted(phase.name)} {why}, "
                    "and cannot be handed over",
                    hint=f"Go on at that phase, or before: `--phase-from {phase.name}`.",
                )
        return {each.name: each.value for each in outputs}

    def answers(self, first: int) -> dict[str, Value]:
        """Return what people were asked for at the pauses before a phase."""
        asked = {
            variable.id
            for phase in self.phases[:first]
            if phase.pause
            for variable in phase.pause.variables
        }
        found = dict(self.before.answers) if self.before else {}
        for given in self.given.values():
            found |= given
        return {name: value for name, value in found.items() if name in asked}


def find_point(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    request: ResumeRequest,
) -> ResumePoint:
    """Return where an automation can be gone on with.

    Raises Conflict if it cannot be, InvalidInput for a phase that there is not.
    """
    require_ended(row)
    run = _EndedRun(db, bindings, row, template)
    failed_at = run.failed_at()
    first = _first_phase(request, template.phases, failed_at)

    is_known = run.is_known and run.reports[failed_at].state not in _NOT_KNOWN
    if not is_known and not request.accept_unknown:
        raise Conflict(
            f"nobody can say what phase {quoted(template.phases[failed_at].name)} has done, or "
            "whether it still runs: it might run twice",
            hint="Look at its target first, "
            f"then `opsicle automations resume {row.id} --accept-unknown`.",
        )

    return ResumePoint(
        automation_id=row.id,
        first_phase=first,
        outputs=run.outputs(first),
        answers=run.answers(first),
    )


def find_workspace(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template, now: datetime
) -> KeptWorkspace:
    """Return the workspace that an automation has left, or was to go on in itself.

    Raises Conflict if no worker keeps it any more.
    """
    run = _EndedRun(db, bindings, row, template)
    job = run.job
    if job is None and run.before is not None and run.before.workspace is not None:
        job = jobs.find(db, run.before.workspace.job_id)
    if job is None or job.kept_until is None:
        raise _not_kept(row, "its workspace was not kept")

    kept = KeptWorkspace(
        job_id=job.id,
        worker_id=job.worker_id,
        worker_name=job.worker_name,
        kept_until=job.kept_until,
    )
    if kept.kept_until <= now:
        raise _not_kept(row, f"its workspace was kept until {kept.until} only")
    worker = workers.find_by_id(db, kept.worker_id)
    if worker is None or worker.state == "revoked":
        raise _not_kept(row, f"{kept.worker_name}, which kept its workspace, was revoked")
    return kept


def _not_kept(row: AutomationRow, why: str) -> Conflict:
    return Conflict(
        f"{row.id} cannot be gone on with where it was: {why}",
        hint=f"In an empty workspace: `opsicle automations resume {row.id} --fresh-workspace`.",
    )


def require_no_successor(db: Connection, row: AutomationRow) -> None:
    """Raise Conflict if another automation goes on from this one, or has done so well."""
    found = automations.find_successor(db, row.id)
    if found is None:
        return
    outcome = ENDED.get(found.state, f"is {found.state.replace('_', ' ')}")
    raise Conflict(
        f"{found.id} goes on from {row.id} already, and {outcome}",
        hint=f"See `opsicle automations show {found.id}`; once that has failed, resume that one.",
    )


def require_ended(row: AutomationRow) -> None:
    """Raise Conflict for an automation that cannot be gone on with by its state."""
    if row.state in _RESUMABLE:
        return
    if (outcome := ENDED.get(row.state)) is None:
        raise Conflict(
            f"{row.id} is {row.state.replace('_', ' ')}, and can be gone on with once it has ended",
            hint=f"`opsicle automations cancel {row.id}` ends it.",
        )
    raise Conflict(
        f"{row.id} {outcome}, so there is nothing to go on with", hint=_AGAIN.format(row.id)
    )


def _first_phase(request: ResumeRequest, phases: Sequence[Phase], failed_at: int) -> int:
    if not request.phase_from:
        return failed_at

    names = [phase.name for phase in phases]
    if request.phase_from not in names:
        raise InvalidInput(
            f"there is no phase {quoted(request.phase_from)}",
            hint=f"Its phases are {listed(names)}.",
            problems=(Problem("phase_from", "unknown"),),
        )
    first = names.index(request.phase_from)
    if first > failed_at:
        raise Conflict(
            f"phase {quoted(request.phase_from)} comes after {quoted(names[failed_at])}, "
            "which is not done, and nothing is skipped",
            hint=f"Go on at {names[failed_at]} or an earlier phase.",
        )
    return first


def bound_point(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> ResumePoint | None:
    """Return where an automation had begun itself. Raises Conflict if it is not as triggered."""
    return bound_manifest(db, bindings, row, template).resumed_from


def bound_manifest(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> Manifest:
    """Return what an automation was bound to. Raises Conflict if it is not as triggered."""
    try:
        approval = approvals.find_of_automation(db, row.id) if row.approval_id else None
        return bindings.check(db, row, template, approval).manifest
    except AlteredManifest as altered:
        raise _altered(row.id, str(altered)) from altered


def _altered(automation_id: str, why: str) -> Conflict:
    return Conflict(f"{automation_id} cannot be gone on with: {why}", hint="Run the template anew.")


def _last_started(tries: Sequence[JobRow]) -> JobRow | None:
    return next((job for job in reversed(tries) if job.started_at and not job.is_plan), None)


def _given_at_pauses(
    db: Connection, bindings: Bindings, row: AutomationRow, job: JobRow
) -> Mapping[int, dict[str, Value]]:
    """Return the pauses that people have let a job pass, by phase, with what they gave."""
    try:
        return passed_pauses(db, bindings, row.id, job.id)
    except AlteredManifest as altered:
        raise _altered(row.id, str(altered)) from altered

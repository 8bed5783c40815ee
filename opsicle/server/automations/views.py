"""What people see of an automation, put together from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState, JobState, is_final
from opsicle.domain.bound_fan_outs import BoundMember, MemberOf
from opsicle.domain.calls import ChainState
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import DRAFT, Phase, Template
from opsicle.server.access.shown_files import shown_files
from opsicle.server.access.stored_values import shown_values
from opsicle.server.automations.starters import started_by
from opsicle.server.automations.waiting import QueueView, reason_for_waiting
from opsicle.server.store.artifacts import ArtifactRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.chains import ChainStartRow
from opsicle.server.store.files import AutomationFileRow
from opsicle.server.store.jobs import JobRow
from opsicle.server.store.later_runs import LaterRunRow
from opsicle.wire.artifact_api import Artifact, MissingArtifact
from opsicle.wire.jobs import (
    CommandReport,
    FailedTry,
    PhaseReport,
    StepState,
    first_reports,
    outputs_of,
    summary_of,
)
from opsicle.wire.phase_api import Command, PhaseRun, PhaseTry
from opsicle.wire.starts import AutomationTarget, CalledAutomation, ChainedStart, LaterRun
from opsicle.wire.user_api import (
    Automation,
    AutomationSummary,
    Job,
    Person,
    WorkerRef,
)

_UNREADABLE = MemberOf(automation_id="", position=0, member=BoundMember(name=""))


class Snapshot(msgspec.Struct, frozen=True):
    """An automation's rows as one transaction saw them; `tries` are its jobs, oldest first."""

    row: AutomationRow
    template: Template
    tries: Sequence[JobRow]
    log_bytes: int
    queue: QueueView
    log_remark: str = ""
    artifacts: Sequence[ArtifactRow] = ()
    files: Sequence[AutomationFileRow] = ()
    resume_point: ResumePoint | None = None
    chain: Sequence[ChainStartRow] = ()
    calls: Mapping[int, Sequence[CalledAutomation]] | None = None
    targets: Sequence[AutomationTarget] = ()
    later: Sequence[LaterRunRow] = ()

    @property
    def newest_job(self) -> JobRow | None:
        """The attempt that counts."""
        return self.tries[-1] if self.tries else None

    def reports(self, *, of_plan: bool) -> list[PhaseReport]:
        """Return how far the phases are, or those of the plan, by the attempt that counts."""
        phases = self.template.plan if of_plan else self.template.phases
        newest = next((job for job in reversed(self.tries) if job.is_plan == of_plan), None)
        reports = stored_json.read_or(newest.phases, list[PhaseReport], []) if newest else []
        if len(reports) != len(phases):
            # none yet, or none that fit
            reports = list(first_reports(phases, None if of_plan else self.resume_point))
        if newest and newest.state == JobState.UNKNOWN:
            _stand_still(reports, newest.finished_at)
        return reports


def summary(
    row: AutomationRow, queue: QueueView, known: dict[str, str] | None = None
) -> AutomationSummary:
    """Return an automation as it stands in a list.

    `known` are reasons for waiting by what is asked for: one list works each out once.
    """
    return AutomationSummary(
        id=row.id,
        state=row.state,
        template=row.template,
        version=row.version,
        requester=Person(row.requester_id, row.requester_email, row.requester_name),
        worker=WorkerRef(row.worker_id, row.worker_name)
        if row.worker_id and row.worker_name
        else None,
        reason=row.reason,
        rerun_of=row.rerun_of,
        resumed_from=row.resumed_from,
        started_by=started_by(row),
        target=_target(row),
        approval_id=row.approval_id,
        pause_id=row.pause_id if row.state is AutomationState.PAUSED and row.pause_state else None,
        exit_code=row.exit_code,
        explanation=row.explanation,
        waiting_reason=reason_for_waiting(row, queue, {} if known is None else known),
        is_cancel_requested=row.cancel_requested_at is not None,
        created_at=row.created_at,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        start_at=row.start_at,
    )


def whole(snapshot: Snapshot) -> Automation:
    """Return an automation with its phases, values and jobs."""
    row, template = snapshot.row, snapshot.template
    reports, planned = snapshot.reports(of_plan=False), snapshot.reports(of_plan=True)
    newest = snapshot.newest_job
    of_newest = template.plan if newest and newest.is_plan else template.phases
    return Automation(
        **msgspec.structs.asdict(summary(row, snapshot.queue)),
        display_name=template.display_name,
        labels=template.labels,
        values=shown_values(row.values_json),
        variables=list(template.variables),
        runs_on=template.runs_on,
        runs_on_where=template.runs_on_where,
        priority=row.priority,
        concurrency_group=row.concurrency_key,
        concurrency_limit=row.concurrency_limit,
        is_group_held=row.state is AutomationState.UNKNOWN
        and row.concurrency_key is not None
        and row.concurrency_released_at is None,
        phases=_phases(template.phases, reports, snapshot.calls or {}),
        plan=_phases(template.plan, planned, {}),
        outputs=_outputs((*template.plan, *template.phases), (*planned, *reports)),
        summary=summary_of((*planned, *reports)),
        jobs=[_job(job) for job in snapshot.tries],
        log_bytes=snapshot.log_bytes,
        log_remark=snapshot.log_remark,
        artifacts=[_artifact(each, of_newest) for each in snapshot.artifacts if each.sha256],
        artifacts_missing=[
            MissingArtifact(each.path, _name(of_newest, each.phase), each.problem)
            for each in snapshot.artifacts
            if not each.sha256
        ],
        files=shown_files(snapshot.files),
        chained_starts=[_chained(each, row.state) for each in snapshot.chain],
        depth=row.depth,
        targets=list(snapshot.targets),
        only_worker=_only_worker(row),
        resumed_by=[_later(each) for each in snapshot.later if each.is_resume],
        rerun_by=[_later(each) for each in snapshot.later if not each.is_resume],
        draft=row.template_id if row.version == DRAFT else "",
    )


def _later(row: LaterRunRow) -> LaterRun:
    return LaterRun(automation_id=row.id, state=row.state)


def _only_worker(row: AutomationRow) -> str:
    """Return the name of the worker that was chosen, "" if none was."""
    if not row.only_worker:
        return ""
    return stored_json.read_or(row.only_worker, BoundMember, _UNREADABLE.member).name


def _target(row: AutomationRow) -> str:
    """Return on which machine it runs that is a part of another one; "" if that makes no sense."""
    if not row.member_of:
        return ""
    return stored_json.read_or(row.member_of, MemberOf, _UNREADABLE).member.name


def _chained(row: ChainStartRow, of_parent: AutomationState) -> ChainedStart:
    """Return a start as it is shown; an `unknown` parent may still have ended either way."""
    has_ended = is_final(of_parent) and of_parent is not AutomationState.UNKNOWN
    is_not_due = has_ended and row.state is ChainState.WAITING
    state = row.automation_state
    return ChainedStart(
        event=row.event,
        template=row.template,
        state=ChainState.NOT_DUE if is_not_due else row.state,
        reason=row.reason,
        automation_id=row.automation_id if state else None,
        automation_state=AutomationState(state) if state else None,
    )


def _artifact(row: ArtifactRow, phases: Sequence[Phase]) -> Artifact:
    return Artifact(
        id=row.id,
        path=row.path,
        size=row.size,
        sha256=row.sha256 or "",
        phase=_name(phases, row.phase),
        problem=row.problem,
        created_at=row.created_at,
    )


def _name(phases: Sequence[Phase], number: int) -> str:
    return phases[number].name if 0 <= number < len(phases) else ""


def _stand_still(reports: Sequence[PhaseReport], lost_at: datetime | None) -> None:
    """Mark what a lost job had not ended: nobody can say more of it, and its time stands.

    A worker that comes back may have said so itself, without a time.
    """
    for report in reports:
        steps: list[PhaseReport | CommandReport] = [report, *report.commands]
        for step in steps:
            if step.state in {StepState.PENDING, StepState.RUNNING}:
                step.state = StepState.UNKNOWN
            if step.state == StepState.UNKNOWN and step.started_at_ms is not None:
                step.finished_at_ms = step.finished_at_ms or _milliseconds(lost_at)


def _outputs(phases: Sequence[Phase], reports: Sequence[PhaseReport]) -> dict[str, str]:
    """Return what the phases have handed on; what none of them declares is passed over."""
    declared = {name for phase in phases for name in phase.outputs}
    return {name: value for name, value in outputs_of(reports).items() if name in declared}


def _phases(
    phases: Sequence[Phase],
    reports: Sequence[PhaseReport],
    calls: Mapping[int, Sequence[CalledAutomation]],
) -> list[PhaseRun]:
    """Return each phase of the template with what the worker said of it, and what it called."""
    both = zip(phases, reports, strict=True)
    return [_phase(phase, report, calls.get(i, ())) for i, (phase, report) in enumerate(both)]


def _phase(phase: Phase, report: PhaseReport, calls: Sequence[CalledAutomation]) -> PhaseRun:
    has_times = len(report.commands) == len(phase.commands)
    commands = (
        report.commands
        if has_times
        else [CommandReport(state=report.state) for _ in phase.commands]
    )
    return PhaseRun(
        name=phase.name,
        state=report.state,
        started_at=_time(report.started_at_ms),
        finished_at=_time(report.finished_at_ms),
        exit_code=report.exit_code,
        tries=report.tries,
        tries_allowed=max(report.tries, 1 + (phase.retries.limit if phase.retries else 0)),
        explanation=report.explanation,
        timeout=phase.timeout,
        when=phase.when,
        message=phase.pause.message if phase.pause else "",
        called=[call.template for call in phase.calls],
        calls=list(calls),
        has_command_times=has_times and report.state != StepState.PENDING,
        commands=[
            _command(text, command) for text, command in zip(phase.commands, commands, strict=True)
        ],
        failed_tries=[_failed_try(each) for each in report.failed_tries],
    )


def _failed_try(failed: FailedTry) -> PhaseTry:
    return PhaseTry(
        exit_code=failed.exit_code,
        explanation=failed.explanation,
        started_at=_time(failed.started_at_ms),
        finished_at=_time(failed.finished_at_ms),
        log_offset=failed.log_offset,
    )


def _command(text: str, report: CommandReport) -> Command:
    return Command(
        command=text,
        state=report.state,
        started_at=_time(report.started_at_ms),
        finished_at=_time(report.finished_at_ms),
        exit_code=report.exit_code,
        log_offset=report.log_offset,
    )


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        fence=row.fence,
        state=row.state,
        worker=WorkerRef(row.worker_id, row.worker_name),
        leased_at=row.leased_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        exit_code=row.exit_code,
        explanation=row.explanation,
        workspace_kept_until=row.kept_until,
        is_plan=row.is_plan,
    )


def _milliseconds(at: datetime | None) -> int | None:
    return int(at.timestamp() * 1000) if at else None


def _time(at_ms: int | None) -> datetime | None:
    return datetime.fromtimestamp(at_ms / 1000, UTC) if at_ms is not None else None

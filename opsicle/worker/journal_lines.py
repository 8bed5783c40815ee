"""What the journal's lines about jobs say, and what they make of a job's entry together."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.wire.jobs import Outcome, PhaseReport, Work
from opsicle.worker.pausing import PausedRun
from opsicle.worker.ran_automations import RanEntry
from opsicle.worker.replay_guard import UsedOrder


class ChildProcess(msgspec.Struct, frozen=True):
    """A process that a job started. `instance` tells this one from a later owner of its id."""

    pid: int
    instance: str = msgspec.field(name="life")  # as earlier versions wrote it


class CleanUpPlan(msgspec.Struct, frozen=True):
    """What it takes to run a job's clean-up phases in a next run.

    `work` is without secrets; `boot` the machine's.
    """

    boot: str
    org_id: str
    work: Work
    has_secrets: bool


class JobEntry(msgspec.Struct):
    """All that the journal knows of one job.

    `outcome` is None until it ended; `begun` are clean-up phases. `paused` is where people were
    last asked, `is_resuming` whether the server was asked since whether it may go on.
    """

    job_id: str
    fence: int
    clean_up: CleanUpPlan | None = None
    begun: list[int] = []
    has_masked: bool = False
    children: list[ChildProcess] = []
    phases: tuple[PhaseReport, ...] = ()
    outcome: Outcome | None = None
    log_bytes: int = 0
    paused: PausedRun | None = None
    is_resuming: bool = False


class Starting(msgspec.Struct, tag="starting", frozen=True):
    """The server will be asked whether a job may begin."""

    job_id: str
    fence: int


class CleanUpLine(msgspec.Struct, tag="clean-up", frozen=True):
    """How a job's clean-up phases could be run by a next run."""

    job_id: str
    plan: CleanUpPlan


class BegunLine(msgspec.Struct, tag="begun", frozen=True):
    """A clean-up phase begins."""

    job_id: str
    phase: int


class MaskedLine(msgspec.Struct, tag="masked", frozen=True):
    """The job has values to be masked of which only this run knows."""

    job_id: str


class ChildLine(msgspec.Struct, tag="child", frozen=True):
    """A process of the job exists."""

    job_id: str
    child: ChildProcess


class ProgressLine(msgspec.Struct, tag="progress", frozen=True):
    """How far the phases are."""

    job_id: str
    phases: tuple[PhaseReport, ...]


class FinishedLine(msgspec.Struct, tag="finished", frozen=True):
    """How a job ended, and how long its log is."""

    job_id: str
    outcome: Outcome
    log_bytes: int


class PausedLine(msgspec.Struct, tag="paused", frozen=True):
    """People are asked in the midst of a job."""

    job_id: str
    run: PausedRun


class ResumingLine(msgspec.Struct, tag="resuming", frozen=True):
    """The server will be asked whether a paused job may go on."""

    job_id: str
    fence: int


class JournalClosed(msgspec.Struct, tag="closed", frozen=True):
    """Nothing is left to do for a job."""

    job_id: str


class UsedLine(msgspec.Struct, tag="spent", frozen=True):
    """An order was taken up."""

    order: UsedOrder


class RanLine(msgspec.Struct, tag="ran", frozen=True):
    """An automation was begun."""

    ran: RanEntry


class ForgottenLine(msgspec.Struct, tag="forgotten", frozen=True):
    """Up to when expired orders are not listed any more."""

    up_to: datetime


JobLine = (
    Starting
    | CleanUpLine
    | BegunLine
    | MaskedLine
    | ChildLine
    | ProgressLine
    | FinishedLine
    | PausedLine
    | ResumingLine
    | JournalClosed
)
Line = UsedLine | RanLine | ForgottenLine | JobLine


def apply(entries: dict[str, JobEntry], line: JobLine) -> None:
    """Bring what is known of the job up to this line."""
    if isinstance(line, Starting):
        entries[line.job_id] = JobEntry(line.job_id, line.fence)
        return
    entry = entries.get(line.job_id)
    if entry is None:
        return  # its `starting` was damaged: the server will find the job lost
    if isinstance(line, JournalClosed):
        del entries[line.job_id]
    elif isinstance(line, PausedLine):
        entry.paused, entry.is_resuming = line.run, False
        entry.phases, entry.children = line.run.phases, []
    elif isinstance(line, ResumingLine):
        entry.fence, entry.is_resuming = line.fence, True
    else:
        _add(entry, line)


def _add(
    entry: JobEntry,
    line: CleanUpLine | BegunLine | MaskedLine | ChildLine | ProgressLine | FinishedLine,
) -> None:
    match line:
        case CleanUpLine():
            entry.clean_up = line.plan
        case BegunLine():
            entry.begun.append(line.phase)
        case MaskedLine():
            entry.has_masked = True
        case ChildLine():
            entry.children.append(line.child)
        case ProgressLine():
            entry.phases = line.phases
        case FinishedLine():
            entry.outcome, entry.log_bytes = line.outcome, line.log_bytes


def lines_of(entry: JobEntry) -> list[Line]:
    """Return the lines that make this entry."""
    lines: list[Line] = [Starting(entry.job_id, entry.fence)]
    if entry.clean_up:
        lines.append(CleanUpLine(entry.job_id, entry.clean_up))
    lines += [BegunLine(entry.job_id, phase) for phase in entry.begun]
    if entry.has_masked:
        lines.append(MaskedLine(entry.job_id))
    if entry.paused:
        lines.append(PausedLine(entry.job_id, entry.paused))
    if entry.is_resuming:
        lines.append(ResumingLine(entry.job_id, entry.fence))
    lines += [ChildLine(entry.job_id, child) for child in entry.children]
    if entry.phases:
        lines.append(ProgressLine(entry.job_id, entry.phases))
    if entry.outcome:
        lines.append(FinishedLine(entry.job_id, entry.outcome, entry.log_bytes))
    return lines

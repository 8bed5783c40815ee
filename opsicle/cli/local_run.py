"""Running a file right here: the worker's own runner, without a worker and without a server."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec

from opsicle.cli.local_questions import LocalQuestions
from opsicle.cli.local_work import runtimes_for
from opsicle.cli.progress import ProgressDisplay
from opsicle.domain.automations import JobState
from opsicle.domain.errors import InvalidInput
from opsicle.domain.templates import Value
from opsicle.kit import signals
from opsicle.wire.jobs import (
    Outcome,
    PhaseReport,
    StepState,
    Work,
    masked_outputs,
    outputs_of,
    summary_of,
)
from opsicle.worker.input_files import ReadPart, WrongFile, receive, staging_folder
from opsicle.worker.private_files import private_folder
from opsicle.worker.runner import Cancellation, Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.workspace import remove_folder

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class LocalPhase(msgspec.Struct, kw_only=True):
    """One phase of a run without a server."""

    name: str
    state: StepState
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int | None
    tries: int
    explanation: str


class LocalRun(msgspec.Struct, kw_only=True):
    """What `run FILE -o json` prints: an automation as far as there is one without a server."""

    id: str
    state: JobState
    template: str
    requester: str
    values: dict[str, Value]
    exit_code: int | None
    explanation: str
    created_at: datetime
    finished_at: datetime
    phases: list[LocalPhase]
    outputs: dict[str, str]
    summary: str


def run_here(
    works: Sequence[Work], values: dict[str, Value], read_file: ReadPart, *, is_stdout_taken: bool
) -> LocalRun:
    """Run a plan, if there is one, and then the rest; `read_file` reads the files that it is given.

    Nobody is asked in between. Ctrl-C, TERM and a closed terminal cancel it; its clean-up phases
    still run.
    """
    created_at = datetime.now(UTC)
    reports: list[PhaseReport] = []

    for work in works:
        given = msgspec.structs.replace(work, plan_outputs=outputs_of(reports))
        outcome = _without_masked(work, _carry_out(given, read_file, is_stdout_taken))
        reports += outcome.phases
        if outcome.state != JobState.SUCCEEDED:
            break

    return LocalRun(
        id=work.automation_id,
        state=outcome.state,
        template=work.template,
        requester=work.requester,
        values=values,
        exit_code=outcome.exit_code,
        explanation=outcome.explanation,
        created_at=created_at,
        finished_at=datetime.now(UTC),
        phases=[_phase(report) for report in reports],
        outputs=outputs_of(reports),
        summary=summary_of(reports),
    )


def _without_masked(work: Work, outcome: Outcome) -> Outcome:
    """Return how a plan ended; badly, if it hands on a secret, as it would on a server."""
    names = masked_outputs(outcome.phases)
    if not (work.is_plan and names and outcome.state == JobState.SUCCEEDED):
        return outcome

    reason = (
        f"the plan hands on a secret, which later phases could not be given: {', '.join(names)}"
    )
    return msgspec.structs.replace(outcome, state=JobState.FAILED, explanation=reason)


def _carry_out(work: Work, read_file: ReadPart, is_stdout_taken: bool) -> Outcome:
    progress = ProgressDisplay(
        [phase.name for phase in work.phases], is_stdout_taken=is_stdout_taken
    )
    cancellation = Cancellation()

    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="opsicle-"))
        # Not a TemporaryDirectory: that would delete through what the job has left mounted.
        stack.callback(remove_folder, folder)
        _take_files(work, folder, read_file)
        private = private_folder(folder)
        stack.callback(remove_folder, private)
        host = RunnerHost(
            workspace_root=folder,
            runtimes=runtimes_for(work.phases),
            private_folder=private,
            ask=LocalQuestions(work.phases, progress, cancellation).ask,
        )

        runner = Runner(work, _ShownOutcome(progress), host, cancellation)
        _cancel_on_signals(stack, cancellation, progress)
        begun = time.monotonic()
        outcome = _in_thread(runner)

    progress.end(outcome.state, outcome.explanation, time.monotonic() - begun)
    return outcome


def _take_files(work: Work, folder: Path, read_file: ReadPart) -> None:
    if not work.files:
        return
    try:
        receive(work.files, staging_folder(folder, work.job_id), read_file)
    except WrongFile as wrong:
        raise InvalidInput(f"{wrong}: it has changed meanwhile") from wrong
    except OSError as error:
        raise InvalidInput(f"its files cannot be copied: {error.strerror or error}") from error


def _in_thread(runner: Runner) -> Outcome:
    """Run the job beside the main thread, which is thus free for signals at any moment."""
    outcomes: list[Outcome] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            outcome = runner.run()
            assert outcome is not None  # whoever is asked answers at once
            outcomes.append(outcome)
        except Exception as error:  # noqa: BLE001 - raised again where the caller can see it
            failures.append(error)

    thread = threading.Thread(target=work, name="runner")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return outcomes[0]


def _cancel_on_signals(
    stack: ExitStack, cancellation: Cancellation, progress: ProgressDisplay
) -> None:
    def cancel(_number: int, _frame: FrameType | None) -> None:
        if not cancellation.requested:
            progress.show_status("cancelling …")
        cancellation.cancel()

    signals.restore_defaults()
    for number in _STOP_SIGNALS:
        if number == signal.SIGHUP and signals.is_ignored(number):
            continue  # `nohup`: the terminal may go
        stack.callback(signal.signal, number, signal.signal(number, cancel))


class _ShownOutcome:
    """The runner's sink: everything is shown, nothing is kept."""

    def __init__(self, progress: ProgressDisplay) -> None:
        self._progress = progress
        self._offset = 0

    def write(self, phase: int, stream: int, _at_ms: int, data: bytes) -> int:
        """Show what the job printed."""
        self._progress.write(phase, stream, data)
        self._offset += len(data)
        return self._offset

    def progress(self, phases: Sequence[PhaseReport]) -> None:
        """Show that a phase has begun, even if it prints nothing."""
        self._progress.note_phases(report.state for report in phases)
        for index, report in enumerate(phases):
            if report.state is StepState.RUNNING:
                self._progress.begin_phase(index)


def _phase(report: PhaseReport) -> LocalPhase:
    return LocalPhase(
        name=report.name,
        state=report.state,
        started_at=_time(report.started_at_ms),
        finished_at=_time(report.finished_at_ms),
        exit_code=report.exit_code,
        tries=report.tries,
        explanation=report.explanation,
    )


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)

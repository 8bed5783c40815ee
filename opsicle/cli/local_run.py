"""Running a file right here: the worker's own runner, without a worker and without a server."""

from __future__ import annotations

import getpass
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import msgspec

from opsicle.cli.documents import read_document
from opsicle.cli.local_questions import LocalQuestions
from opsicle.cli.progress import ProgressDisplay
from opsicle.cli.terminal import has_person
from opsicle.domain.automations import JobState
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.files import input_files
from opsicle.domain.pauses import kind_of
from opsicle.domain.secrets import masked, named_secrets, only_secret
from opsicle.domain.template_parser import AutomationDocument
from opsicle.domain.templates import Phase, Template, Value, Variable, VariableType
from opsicle.domain.variables import check_values, environment
from opsicle.domain.workers import CONTAINER, KUBERNETES, SLURM, runtime_of
from opsicle.kit import signals
from opsicle.kit.ids import new_id
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
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.table import Runtimes
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


def prepare(
    path: Path,
    read_values: Callable[[Sequence[Variable]], dict[str, Value]],
    read_secrets: Callable[[Sequence[str]], dict[str, str]],
) -> tuple[list[Work], dict[str, Value]]:
    """Return the file as work for the runner, and the values that it runs with, secret ones masked.

    What it plans comes first.

    Raises InvalidInput for mistakes in the file or the values, and for what cannot run here.
    """
    document = read_document(path)
    if not isinstance(document, Template | AutomationDocument):
        raise InvalidInput(
            f"{path} is no template, so there is nothing to run",
            hint="`opsicle policies push` takes a policy; schedules, triggers and targets have "
            "commands of their own.",
        )
    _refuse_what_cannot_run(path, document)

    variables = document.variables if isinstance(document, Template) else ()
    values = check_values(variables, read_values(variables))
    plan = document.plan if isinstance(document, Template) else ()
    secrets = read_secrets(named_secrets((*plan, *document.phases)))

    work = Work(
        automation_id=new_id(datetime.now(UTC)),
        job_id=new_id(datetime.now(UTC)),
        fence=1,
        template=document.name,
        requester=_user_name(),
        phases=document.phases,
        environment=environment(
            [v for v in variables if v.type is not VariableType.SECRET], values
        ),
        secret_environment=environment(variables, only_secret(variables, values)),
        secrets={name: secrets[name] for name in named_secrets(document.phases)},
        volume_mounts=document.volume_mounts,
        timeout=document.timeout if isinstance(document, Template) else None,
        files=input_files(variables, values),
    )

    planned = msgspec.structs.replace(
        work,
        job_id=new_id(datetime.now(UTC)),
        phases=plan,
        is_plan=True,
        secrets={name: secrets[name] for name in named_secrets(plan)},
    )
    return [planned, work] if plan else [work], masked(variables, values)


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
            runtimes=_runtimes_for(work.phases),
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


def _user_name() -> str:
    """Return who runs this; in a container that may be only a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"uid-{os.geteuid()}"


def _refuse_what_cannot_run(path: Path, document: Template | AutomationDocument) -> None:
    root = "spec" if isinstance(document, AutomationDocument) else "spec.template"
    problems = _needs_server(document) if isinstance(document, Template) else []
    if isinstance(document, Template) and document.approval_policy is not None:
        problems.append(
            Problem(
                "spec.approvalPolicy", "`run FILE` asks nobody; push it, and run it on the server"
            )
        )

    problems += [
        Problem(
            f"{root}.phases[{i}].call",
            f"phase {phase.name} calls other templates, which a server has; "
            "push them, and run it there",
        )
        for i, phase in enumerate(document.phases)
        if phase.calls
    ]
    problems += _unanswerable(root, document.phases)

    plan = document.plan if isinstance(document, Template) else ()
    with_paths = [(f"{root}.phases[{i}]", phase) for i, phase in enumerate(document.phases)]
    with_paths += [(f"spec.plan[{i}]", phase) for i, phase in enumerate(plan)]
    problems += _without_runtime(with_paths)
    if problems:
        raise InvalidInput(f"{path} cannot run here; nothing was started", problems=tuple(problems))


def _without_runtime(phases: Sequence[tuple[str, Phase]]) -> Iterator[Problem]:
    """Yield which phases, each with its path, need a runtime that is not here."""
    runtimes = _runtimes_for([phase for _, phase in phases])
    for place, phase in phases:
        if phase.slurm is not None and SLURM not in runtimes.kinds:
            why = runtimes.unavailable.get(SLURM, "")
            message = f"nothing can be handed to Slurm here: {why}. Leave `slurm` out"
            yield Problem(f"{place}.slurm", message)
        elif phase.kubernetes is not None:
            if KUBERNETES not in runtimes.kinds:
                why = runtimes.unavailable.get(KUBERNETES, "")
                message = f"no pod can be run here: {why}. Leave `kubernetes` out"
                yield Problem(f"{place}.kubernetes", message)
        elif phase.image is not None and CONTAINER not in runtimes.kinds:
            why = "; ".join(runtimes.unavailable.values())
            message = f"no container can be run here: {why}. Install podman, or leave `image` out"
            yield Problem(f"{place}.image", message)


def _needs_server(template: Template) -> list[Problem]:
    """Return what starts other templates, or runs on targets: there are none here."""
    started = {"spec.onSuccess": template.on_success, "spec.onFailure": template.on_failure}
    problems = [
        Problem(path, "starts other templates, which a server has; push them, and run it there")
        for path, calls in started.items()
        if calls
    ]
    if template.fan_out and template.fan_out.kind is FanOutKind.TARGETS:
        message = "runs on targets, which a server has; push it, and run it there"
        problems.append(Problem("spec.runsOn.targets", message))
    return problems


def _unanswerable(root: str, phases: Sequence[Phase]) -> list[Problem]:
    """Return the questions of phases for which nobody is here."""
    if has_person():
        return []
    return [
        Problem(
            f"{root}.phases[{i}]",
            f"phase {phase.name} asks people, and there is no terminal on which to ask; "
            "run it from one, or push it and run it on the server",
        )
        for i, phase in enumerate(phases)
        if kind_of(phase)
    ]


def _runtimes_for(phases: Sequence[Phase]) -> Runtimes:
    """Return the runtimes that these phases need, as far as they are available.

    No other one is asked.
    """
    needed = {runtime_of(phase) for phase in phases if not phase.is_waiting}
    return Runtimes(runtime for runtime in known_runtimes() if runtime.kind in needed)


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

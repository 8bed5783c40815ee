"""Showing an automation of the server live, in the terminal."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.cli.invocation import current
from opsicle.cli.progress import ProgressDisplay
from opsicle.cli.terminal import printable
from opsicle.client.api import Api
from opsicle.client.live_stream import ConnectionLost, LogPiece, follow
from opsicle.domain.automations import WAITS_FOR_WORKER, AutomationState, is_final
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.starts import ended_text
from opsicle.wire.user_api import Automation


def show_live(
    api: Api,
    automation: Automation,
    *,
    runs_on_server: bool = True,
    check: Callable[[], None] = lambda: None,
) -> Automation:
    """Show the automation's log and phases until it is over, and return it as it then is.

    Ctrl-C ends only the watching: the automation goes on, and it is said how to cancel it, if it
    `runs_on_server`. `check` is called whenever something happened; what it raises ends the
    watching, too.
    """
    progress = ProgressDisplay(
        [phase.name for phase in (*automation.plan, *automation.phases)],
        is_stdout_taken=current().wants_json,
    )
    printer = _StatusPrinter(progress)
    printer.show(automation)

    try:
        for happened in follow(api, automation.id):
            check()
            if isinstance(happened, LogPiece):
                phase = happened.phase + _first_phase(automation, happened.job_id)
                progress.write(phase, happened.stream, happened.data)
            elif isinstance(happened, ConnectionLost):
                progress.show_status(f"the server is away, trying again ({happened.message})")
            else:
                automation = happened
                printer.show(automation)
    except KeyboardInterrupt:
        if runs_on_server:
            progress.say(_still_running_text(automation.id))
        raise

    if not is_final(automation.state):
        automation = api.call(endpoints.SHOW, automation.id)
        printer.show(automation)
    progress.end(automation.state, automation.explanation, _seconds(automation))
    return automation


class _StatusPrinter:
    """Prints how an automation's state changes, each change once."""

    def __init__(self, progress: ProgressDisplay) -> None:
        self._progress = progress
        self._last_printed = ""
        self._ended: set[str] = set()

    def show(self, now: Automation) -> None:
        """Say why it waits, or that it runs and where.

        Below that, on a terminal, how it stands just now.
        """
        self._show_targets(now)
        phases = (*now.plan, *now.phases)
        self._progress.note_phases(phase.state for phase in phases)
        running = [phase.name for phase in phases if phase.state == "running"]

        if now.state is AutomationState.AWAITING_APPROVAL:
            self._print_once(now.waiting_reason)
            self._progress.show_status(f"approval {now.approval_id} is pending")
        elif now.state is AutomationState.PLANNING and not now.waiting_reason and now.worker:
            self._print_once(f"planning on {now.worker.name}")
            self._progress.show_status(f"planning: {running[-1]}" if running else "planning")
        elif now.state in WAITS_FOR_WORKER:
            # With a job it is a worker's already, and begins any moment; that of a plan is over.
            if now.waiting_reason and all(job.is_plan for job in now.jobs):
                self._print_once(f"queued: {now.waiting_reason}")
            self._progress.show_status(f"queued: {now.waiting_reason or 'waiting for a worker'}")
        elif now.state is AutomationState.RUNNING and now.worker:
            self._print_once(f"running on {now.worker.name}")
            self._progress.show_status(f"running: {running[-1]}" if running else "running")

    def _show_targets(self, now: Automation) -> None:
        """Say of each machine, once, how it has ended; below that, how many have."""
        over = [each for each in now.targets if each.finished_at is not None]
        for target in over:
            if target.name not in self._ended:
                self._ended.add(target.name)
                self._progress.say(printable(ended_text(target)))
        if now.targets and now.state is AutomationState.RUNNING:
            self._progress.show_status(f"running: {len(over)} of {len(now.targets)} are over")

    def _print_once(self, text: str) -> None:
        if text != self._last_printed:
            self._progress.say(printable(text))
            self._last_printed = text


def _still_running_text(automation_id: str) -> str:
    return (
        "No longer watching; the automation goes on. "
        f"`opsicle automations cancel {automation_id}` stops it, "
        f"`opsicle logs {automation_id} --follow` watches again."
    )


def _first_phase(automation: Automation, job_id: str) -> int:
    """Return the number of the first phase that a job carries out, of the plan and the others."""
    is_plan = any(job.id == job_id and job.is_plan for job in automation.jobs)
    return 0 if is_plan else len(automation.plan)


def _seconds(automation: Automation) -> float | None:
    if automation.started_at is None or automation.finished_at is None:
        return None
    return (automation.finished_at - automation.started_at).total_seconds()

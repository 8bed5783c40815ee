"""Showing an automation of the server live, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsicle.cli.invocation import current
from opsicle.cli.progress import ProgressDisplay
from opsicle.cli.terminal import printable
from opsicle.client.following import Away, LogPiece, follow
from opsicle.domain.automations import AutomationState, is_final
from opsicle.wire.endpoints import automations as endpoints
from opsicle.wire.user_api import Automation

if TYPE_CHECKING:
    from opsicle.client.api import Api


def show_live(api: Api, automation: Automation, *, outlives_us: bool = True) -> Automation:
    """Show the automation's log and phases until it is over, and return it as it then is.

    Ctrl-C ends only the watching: the automation goes on, and it is said how to cancel it, if it
    `outlives_us`.
    """
    progress = ProgressDisplay(
        [phase.name for phase in automation.phases], is_stdout_taken=current().wants_json
    )
    told = _Told(progress)
    told.tell(automation)

    try:
        for happened in follow(api, automation.id):
            if isinstance(happened, LogPiece):
                progress.write(happened.phase, happened.stream, happened.data)
            elif isinstance(happened, Away):
                progress.show_status(f"the server is away, trying again ({happened.message})")
            else:
                automation = happened
                told.tell(automation)
    except KeyboardInterrupt:
        if outlives_us:
            progress.say(
                "No longer watching; the automation goes on. "
                f"`opsicle automations cancel {automation.id}` stops it, "
                f"`opsicle logs {automation.id} --follow` watches again."
            )
        raise

    if not is_final(automation.state):
        automation = api.call(endpoints.SHOW, automation.id)
        told.tell(automation)
    progress.end(automation.state, automation.explanation, _seconds(automation))
    return automation


class _Told:
    """What has been told of an automation's state, so that each news is told once."""

    def __init__(self, progress: ProgressDisplay) -> None:
        self._progress = progress
        self._said = ""

    def tell(self, now: Automation) -> None:
        """Say why it waits, or that it runs and where.

        Below that, on a terminal, how it stands just now.
        """
        self._progress.note_phases(phase.state for phase in now.phases)
        running = [phase.name for phase in now.phases if phase.state == "running"]

        if now.state is AutomationState.AWAITING_APPROVAL:
            self._say(now.waiting_reason)
            self._progress.show_status(f"approval {now.approval_id} is pending")
        elif now.state is AutomationState.QUEUED:
            # With a job it is a worker's already, and begins any moment.
            if now.waiting_reason and not now.jobs:
                self._say(f"queued: {now.waiting_reason}")
            self._progress.show_status(f"queued: {now.waiting_reason or 'waiting for a worker'}")
        elif now.state is AutomationState.RUNNING and now.worker:
            self._say(f"running on {now.worker.name}")
            self._progress.show_status(f"running: {running[-1]}" if running else "running")

    def _say(self, text: str) -> None:
        if text != self._said:
            self._progress.say(printable(text))
            self._said = text


def _seconds(automation: Automation) -> float | None:
    if automation.started_at is None or automation.finished_at is None:
        return None
    return (automation.finished_at - automation.started_at).total_seconds()

"""Showing an automation of the server live, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsicle.cli.invocation import current
from opsicle.cli.narration import Narration
from opsicle.cli.terminal import printable
from opsicle.client.following import Away, LogPiece, follow
from opsicle.domain.automations import AutomationState, is_final
from opsicle.wire.user_api import Automation

if TYPE_CHECKING:
    from opsicle.client.api import Api


def show_live(api: Api, automation: Automation) -> Automation:
    """Show the automation's log and phases from the beginning until it is over, and return it as it then is.

    Ctrl-C ends only the watching: the automation goes on, and it is said how to cancel it.
    """
    narration = Narration([phase.name for phase in automation.phases], is_stdout_taken=current().wants_json)
    try:
        for happened in follow(api, automation.id):
            if isinstance(happened, LogPiece):
                narration.write(happened.phase, happened.stream, happened.data)
            elif isinstance(happened, Away):
                narration.show_status(f"the server is away, trying again ({happened.message})")
            else:
                _show_state(narration, automation, happened)
                automation = happened
    except KeyboardInterrupt:
        narration.say(
            f"No longer watching; the automation goes on. `opsicle automations cancel {automation.id}` stops it, "
            f"`opsicle logs {automation.id} --follow` watches again."
        )
        raise
    if not is_final(automation.state):
        automation = api.automation(automation.id)
    narration.end(automation.state, automation.explanation, _seconds(automation))
    return automation


def _show_state(narration: Narration, before: Automation, now: Automation) -> None:
    """Tell what is new: why it waits, or that it runs and where."""
    if now.state is AutomationState.QUEUED:
        narration.show_status(f"queued: {now.waiting_reason or 'waiting for a worker'}")
        if now.waiting_reason and now.waiting_reason != before.waiting_reason:
            narration.say(f"queued: {printable(now.waiting_reason)}")
    elif now.state is AutomationState.RUNNING:
        if before.state is not AutomationState.RUNNING and now.worker:
            narration.say(f"running on {printable(now.worker.name)}")
        _show_phases(narration, now)


def _show_phases(narration: Narration, now: Automation) -> None:
    running = [i for i, phase in enumerate(now.phases) if phase.state == "running"]
    if running:
        narration.show_status(f"running: {now.phases[running[-1]].name}")


def _seconds(automation: Automation) -> float | None:
    if automation.started_at is None or automation.finished_at is None:
        return None
    return (automation.finished_at - automation.started_at).total_seconds()

"""Messages about what starts automations."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.bounds import Name, Reason
from opsicle.domain.calls import CallState, ChainEvent, ChainState


class StarterKind(StrEnum):
    """What can start an automation."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    SCHEDULE = "schedule"
    TRIGGER = "trigger"
    CHAIN = "chain"
    CALL = "call"
    FAN_OUT = "fan_out"


class StartedBy(msgspec.Struct, omit_defaults=True):
    """What started an automation: somebody by their address, or a schedule and the like by name.

    Whose rights it runs with, its `requester` says. `automation_id` is the one that started it.
    """

    kind: StarterKind
    name: str
    automation_id: str | None = None


class CalledAutomation(msgspec.Struct, kw_only=True):
    """A template that a phase has called, and what has come of that.

    `reason` says why it could not start; `calls` are what it has called itself.
    """

    template: str
    state: CallState
    reason: str = ""
    automation_id: str | None = None
    automation_state: AutomationState | None = None
    calls: list[CalledAutomation] = []


class AutomationTarget(msgspec.Struct, kw_only=True):
    """A machine on which an automation runs, and how that stands.

    `automation_id` is the one that runs there; without one `reason` says why, if that is known.
    """

    name: str
    state: AutomationState
    exit_code: int | None = None
    automation_id: str | None = None
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


def ended_text(target: AutomationTarget) -> str:
    """Return in a line how a machine has ended: its name, state, exit code, and why."""
    code = "" if target.exit_code is None else f", exit code {target.exit_code}"
    why = f": {target.reason}" if target.reason else ""
    return f"{target.name} {target.state}{code}{why}"


class ChainedStart(msgspec.Struct, kw_only=True):
    """What an automation starts once it has ended, and what has come of that.

    `reason` says why it was refused.
    """

    event: ChainEvent
    template: str
    state: ChainState
    reason: str = ""
    automation_id: str | None = None
    automation_state: AutomationState | None = None


class LaterRun(msgspec.Struct, kw_only=True):
    """An automation that goes on from another one, or repeats it."""

    automation_id: str
    state: AutomationState


class ResumeRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Goes on where an automation has failed, or at an earlier phase (`phase_from`, by its name).

    `accept_unknown` is needed where nobody can say what that phase did: it may run twice.
    `fresh_workspace`: it goes on in an empty workspace, though its template keeps them.
    """

    phase_from: Name = ""
    accept_unknown: bool = False
    fresh_workspace: bool = False
    reason: Reason = ""

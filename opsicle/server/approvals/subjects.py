"""The one line that a message about an approval begins with, for each kind of approval."""

from __future__ import annotations

from enum import StrEnum

from opsicle.domain.pauses import ApprovalKind
from opsicle.domain.templates import DRAFT
from opsicle.server.approvals.cases import Case
from opsicle.server.store.automations import AutomationRow

_MOST_CHARACTERS = 200
"""Of what a pause asks; the whole of it stands in the message."""


class ApprovalEvent(StrEnum):
    """What there is to tell of an approval."""

    ASKED = "asked"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    STUCK = "stuck"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


_LINES: dict[ApprovalKind, dict[ApprovalEvent, str]] = {
    ApprovalKind.RUN: {
        ApprovalEvent.ASKED: "{who} asks to run {what}",
        ApprovalEvent.REMINDED: "{who} still waits for your decision to run {what}",
        ApprovalEvent.ESCALATED: "{who} asks to run {what}, and nobody has decided yet",
        ApprovalEvent.STUCK: "{who} asked to run {what}, which nobody can approve now",
        ApprovalEvent.WITHDRAWN: "{who} no longer asks to run {what}",
        ApprovalEvent.ENDED: "{who} asked to run {what}: {state}",
    },
    ApprovalKind.PAUSE: {
        ApprovalEvent.ASKED: "{what} of {who} waits at {phase}: {message}",
        ApprovalEvent.REMINDED: (
            "{what} of {who} still waits for your decision at {phase}: {message}"
        ),
        ApprovalEvent.ESCALATED: "{what} of {who} waits at {phase}, and nobody has decided yet",
        ApprovalEvent.STUCK: "{what} of {who} waits at {phase}, and nobody can decide now",
        ApprovalEvent.WITHDRAWN: "{what} of {who} waits at {phase} no longer",
        ApprovalEvent.ENDED: "{what} of {who} waited at {phase}: {state}",
    },
    ApprovalKind.FAILURE: {
        ApprovalEvent.ASKED: "{what} of {who} failed at {phase}: retry, skip or abort?",
        ApprovalEvent.REMINDED: "{what} of {who} still waits for your choice after {phase} failed",
        ApprovalEvent.ESCALATED: "{what} of {who} failed at {phase}, and nobody has chosen yet",
        ApprovalEvent.STUCK: "{what} of {who} failed at {phase}, and nobody can choose now",
        ApprovalEvent.WITHDRAWN: "{what} of {who} waits for no choice after {phase} any longer",
        ApprovalEvent.ENDED: "{what} of {who} failed at {phase}: {state}",
    },
}


def subject(case: Case, event: ApprovalEvent) -> str:
    """Return the line that says what has happened, to which run of whom."""
    row, phase = case.row, case.phase
    pause = phase.pause if phase else None
    message = " ".join(pause.message.split()) if pause else ""
    if len(message) > _MOST_CHARACTERS:
        message = message[: _MOST_CHARACTERS - 1] + "…"
    return _LINES[row.kind][event].format(
        who=case.automation.requester_email,
        what=_what(case.automation),
        phase=phase.name if phase else "",
        message=message,
        state=row.state,
    )


def _what(row: AutomationRow) -> str:
    if row.version == DRAFT:
        return f"a draft of {row.template}"
    return f"{row.template} version {row.version}"

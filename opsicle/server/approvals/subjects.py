"""The one line that a message about an approval begins with, for each kind of approval."""

from __future__ import annotations

from enum import StrEnum

from opsicle.domain.pauses import ApprovalKind
from opsicle.server.approvals.cases import Case

_MOST_CHARACTERS = 200
"""Of what a pause asks; the whole of it stands in the message."""


class Occasion(StrEnum):
    """What there is to tell of an approval."""

    ASKED = "asked"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    STUCK = "stuck"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"


_LINES: dict[ApprovalKind, dict[Occasion, str]] = {
    ApprovalKind.RUN: {
        Occasion.ASKED: "{who} asks to run {what}",
        Occasion.REMINDED: "{who} still waits for your decision to run {what}",
        Occasion.ESCALATED: "{who} asks to run {what}, and nobody has decided yet",
        Occasion.STUCK: "{who} asked to run {what}, which nobody can approve now",
        Occasion.WITHDRAWN: "{who} no longer asks to run {what}",
        Occasion.ENDED: "{who} asked to run {what}: {state}",
    },
    ApprovalKind.PAUSE: {
        Occasion.ASKED: "{what} of {who} waits at {phase}: {message}",
        Occasion.REMINDED: "{what} of {who} still waits for your decision at {phase}: {message}",
        Occasion.ESCALATED: "{what} of {who} waits at {phase}, and nobody has decided yet",
        Occasion.STUCK: "{what} of {who} waits at {phase}, and nobody can decide now",
        Occasion.WITHDRAWN: "{what} of {who} waits at {phase} no longer",
        Occasion.ENDED: "{what} of {who} waited at {phase}: {state}",
    },
    ApprovalKind.FAILURE: {
        Occasion.ASKED: "{what} of {who} failed at {phase}: retry, skip or abort?",
        Occasion.REMINDED: "{what} of {who} still waits for your choice after {phase} failed",
        Occasion.ESCALATED: "{what} of {who} failed at {phase}, and nobody has chosen yet",
        Occasion.STUCK: "{what} of {who} failed at {phase}, and nobody can choose now",
        Occasion.WITHDRAWN: "{what} of {who} waits for no choice after {phase} any longer",
        Occasion.ENDED: "{what} of {who} failed at {phase}: {state}",
    },
}


def subject(case: Case, occasion: Occasion) -> str:
    """Return the line that says what has happened, to which run of whom."""
    row, phase = case.row, case.phase
    pause = phase.pause if phase else None
    message = " ".join(pause.message.split()) if pause else ""
    if len(message) > _MOST_CHARACTERS:
        message = message[: _MOST_CHARACTERS - 1] + "…"
    return _LINES[row.kind][occasion].format(
        who=case.automation.requester_email,
        what=f"{case.automation.template} version {case.automation.version}",
        phase=phase.name if phase else "",
        message=message,
        state=row.state,
    )

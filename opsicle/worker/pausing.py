"""What a run leaves when it waits for people in its midst, and what it is told to go on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.pauses import ResumeVerdict
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import PhaseReport


class DecidedEnd(msgspec.Struct, frozen=True):
    """How a job ends whose clean-up phases still run."""

    state: JobState
    explanation: str
    exit_code: int | None


class FolderElsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """A job's folder on a machine that only its runtime reaches, where it stays while it waits.

    `nonce` names it. `has_files`: those that the job is given are in it. `is_gone`: so it was
    before the job came to wait.
    """

    nonce: str
    has_files: bool = False
    is_gone: bool = False


class PausedRun(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is that waits for people.

    `fence` is that of the lease under which it came to wait, `phase` the index of the phase at
    which it did, `log_bytes` is how long its log is, `seconds_left` what is left of the job's time
    limit, whose clock stands meanwhile; None: it has none. `decided` is how the job ends, where a
    clean-up phase waits: something has gone wrong before. `elsewhere` is where it goes on, if not
    in its workspace here.
    """

    fence: int
    phase: int
    phases: tuple[PhaseReport, ...]
    log_bytes: int
    seconds_left: float | None
    decided: DecidedEnd | None = None
    elsewhere: FolderElsewhere | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """How a run goes on: see `domain/pauses.py`. `environment` are the values that were given.

    `outputs` come back from what the phase has called.
    """

    verdict: ResumeVerdict
    reason: str = ""
    environment: dict[str, str] = {}
    outputs: dict[str, str] = {}


Ask = Callable[[PausedRun], Answered | None]
"""Asks people how a run goes on. None: they answer later, and the run ends here for now."""


def waiting_text(phase: Phase) -> str:
    """Return what the log says of what a phase waits for."""
    if phase.pause is not None:
        return f"waits for people: {phase.pause.message}"
    return f"calls, and waits for: {', '.join(call.template for call in phase.calls)}"


def cannot_ask(_run: PausedRun) -> Answered:
    """Stop a run at the first question, where there is nobody to ask."""
    return Answered(verdict=ResumeVerdict.STOP, reason="there is nobody here to ask")

"""Where a new automation goes on that another one has left.

Phases before it count as done: they are not run, and later ones get what they have handed on. All
of it stands in the manifest, so that whoever approves it sees it, and the worker runs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from opsicle.domain.templates import Phase, Value, When


class KeptWorkspace(msgspec.Struct, frozen=True, kw_only=True):
    """The workspace that a job has left, and the worker that keeps it for so long."""

    job_id: str
    worker_id: str
    worker_name: str
    kept_until: datetime

    @property
    def until(self) -> str:
        """The end of that time, for people."""
        return f"{self.kept_until:%Y-%m-%d %H:%M} UTC"


class ResumePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The automation that was left, the index of the phase to go on at, and what is handed over.

    `outputs` are those of the phases before it, by the phase's name; `answers` are the values that
    people gave at their pauses. `workspace` is the one to go on in; None: an empty one.
    """

    automation_id: str
    first_phase: int
    outputs: dict[str, dict[str, str]]
    answers: dict[str, Value]
    workspace: KeptWorkspace | None = None

    @property
    def all_outputs(self) -> dict[str, str]:
        """The outputs by name."""
        return {name: value for each in self.outputs.values() for name, value in each.items()}


def in_words(point: ResumePoint, phases: Sequence[Phase]) -> str:
    """Return where an automation goes on, for people.

    >>> in_words(point, phases)
    'goes on at phase 3 of 5, restart; 1 to 2 were done in 06h1hzvv11dhdn2rfef99n2x4t'
    """
    first = point.first_phase
    text = f"goes on at phase {first + 1} of {len(phases)}, {phases[first].name}"
    if first == 0:
        text += f", where {point.automation_id} had failed"
    else:
        done = "1 was" if first == 1 else f"1 to {first} were"
        text += f"; {done} done in {point.automation_id}"
    kept = point.workspace
    return f"{text}; in the workspace that {kept.worker_name} keeps" if kept else text


def was_run(phase: Phase) -> bool:
    """Return whether a phase before the resume point was run: one for failures only was not."""
    return phase.when is not When.FAILURE

"""What stands in the way of a job before anything of it is run."""

from __future__ import annotations

from collections.abc import Collection

from opsicle.domain.templates import Phase
from opsicle.domain.workers import runtime_of
from opsicle.wire.jobs import Work


def runtime_problem(work: Work, kinds: Collection[str]) -> str:
    """Return why a job cannot be run with these kinds of runtimes, "" if it can."""
    if work.withheld:
        return work.withheld

    for phase in work.phases:
        missing = [name for name in phase.secrets if name not in work.secrets]
        if missing:
            return f"phase {phase.name} needs the secret {missing[0]}, which was not handed out"
        if not phase.is_waiting and runtime_of(phase) not in kinds:
            return _no_runtime(phase)
    return ""


def _no_runtime(phase: Phase) -> str:
    if phase.image is not None:
        return (
            f"phase {phase.name} needs a container ({phase.image}), "
            "and this worker runs no containers"
        )
    return f"phase {phase.name} has no image, and this worker runs nothing but containers"

"""What is masked in the output of a job from its beginning."""

from __future__ import annotations

from opsicle.wire.jobs import Work
from opsicle.worker.masking import Masking


def masking_of(work: Work, before: Masking | None = None) -> Masking | None:
    """Return what masks a job's secrets, beside what was masked before; None if it has none."""
    values = [*work.secret_environment.values(), *work.secret_values.values()]
    values = [value for value in (*values, work.target.key if work.target else "") if value]
    if before is not None:
        before.add(values)
        return before
    return Masking(values) if values else None

"""What stands in the way of a job before anything of it is run."""

from __future__ import annotations

from collections.abc import Collection

from opsicle.domain.bound_targets import unfit_for_target, unfit_mount_for_target
from opsicle.domain.templates import Phase
from opsicle.domain.workers import runtime_of
from opsicle.wire.jobs import TargetAccess, Work


def runtime_problem(work: Work, kinds: Collection[str]) -> str:
    """Return why a job cannot be run with these kinds of runtimes, "" if it can."""
    if work.withheld:
        return work.withheld

    for phase in work.phases:
        missing = [name for name in phase.secrets if name not in work.secret_values]
        if missing:
            return f"phase {phase.name} needs the secret {missing[0]}, which was not handed out"
        if work.target and (problem := unfit_for_target(phase)):
            return f"phase {phase.name} {problem}"
        kind = runtime_of(phase, on_target=work.target is not None)
        if not phase.is_waiting and kind not in kinds:
            return _no_runtime(phase, work.target)
    return _cannot_be_carried_over(work) if work.target else ""


def _cannot_be_carried_over(work: Work) -> str:
    if work.keep_workspace or (work.resumed_from and work.resumed_from.workspace):
        return "its workspace would be kept, which it cannot be on a target"
    return next(filter(None, map(unfit_mount_for_target, work.volume_mounts)), "")


def _no_runtime(phase: Phase, target: TargetAccess | None) -> str:
    if target:
        return (
            f"phase {phase.name} runs on the target {target.name}, "
            "and this worker has no program `ssh`"
        )
    if phase.kubernetes is not None:
        return f"phase {phase.name} is a pod, and this worker has no Kubernetes that answers"
    if phase.slurm is not None:
        return f"phase {phase.name} is a job of Slurm, and this worker has no Slurm that answers"
    if phase.image is not None:
        return (
            f"phase {phase.name} needs a container ({phase.image}), "
            "and this worker runs no containers"
        )
    return f"phase {phase.name} has no image, and this worker runs nothing but containers"

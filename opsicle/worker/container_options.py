"""What an engine is told of a phase's container, here or on a target."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import msgspec

from opsicle.domain.manifests import WorkOrder
from opsicle.domain.templates import Phase, ResourceLimits
from opsicle.wire.jobs import Work
from opsicle.worker.process_limits import exceeded_by_exit

JOB_LABEL = "opsicle.job"

ENGINE_OPTIONS: Mapping[str, tuple[str, ...]] = {
    # The container writes into our two pipes itself: what a phase prints passes nobody else.
    "podman": ("--log-driver", "passthrough", "--http-proxy=false"),
    "docker": ("--log-driver", "none"),
}
"""Options of `run` that each engine has for itself."""

_KILLED = 128 + signal.SIGKILL
_OWN_PROCESSES = 3
"""In each container, beside the phase's: the first one, and two while it is being stopped."""


def run_options(work: Work, asked: Phase, name: str, user: str | None) -> list[str]:
    """Return the options of `run` for a container of this name, but for what it sees."""
    return [
        "--rm",
        "--name", name,
        "--label", f"{JOB_LABEL}={work.job_id}",
        "--label", f"opsicle.fence={work.fence}",
        "--label", f"opsicle.worker={_worker_id(work)}",
        "--pull", str(asked.pull),
        "--entrypoint", "/bin/sh",
        "--security-opt", "no-new-privileges",
        # Where SELinux is on, the workspace carries no label that a container could read.
        "--security-opt", "label=disable",
        "--no-healthcheck",
        *(() if asked.network else ("--network", "none")),
        *(("--read-only",) if asked.read_only else ()),
        *(("--user", user) if user else ()),
        *_limit_options(asked.limits or ResourceLimits()),
    ]  # fmt: skip


def exceeded_in_container(limits: ResourceLimits, exit_code: int) -> str:
    """Return which limit a container's end tells of, "" if none.

    The engine removes the container with its cgroup, which would say for sure.
    """
    if exit_code == _KILLED and limits.memory_mib is not None:
        return f"ended by SIGKILL, as by the memory limit of {limits.memory_mib} MiB"
    return exceeded_by_exit(limits, exit_code)


def _limit_options(limits: ResourceLimits) -> list[str]:
    """Return the options for the limits of a whole container; the script sets each process's."""
    options: list[str] = []
    if limits.memory_mib is not None:
        options += ["--memory", f"{limits.memory_mib}m", "--memory-swap", f"{limits.memory_mib}m"]
    if limits.processes is not None:
        options += ["--pids-limit", str(limits.processes + _OWN_PROCESSES)]
    return options


def _worker_id(work: Work) -> str:
    """Return who runs the job, by its order; `opsicle run FILE` has none."""
    return msgspec.json.decode(work.order, type=WorkOrder).worker_id if work.order else "none"

"""The runtimes that this program has; a worker announces those that are available where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from opsicle.worker.runtimes.containers import ContainerRuntime
from opsicle.worker.runtimes.kubernetes import KubernetesRuntime
from opsicle.worker.runtimes.protocol import Runtime
from opsicle.worker.runtimes.slurm import SlurmRuntime
from opsicle.worker.runtimes.ssh import SshRuntime
from opsicle.worker.runtimes.subprocess import SubprocessRuntime


def known_runtimes(allowed_mounts: Sequence[Path] = ()) -> tuple[Runtime, ...]:
    """Return every runtime there is; of several of one kind, the one to prefer comes first.

    `allowed_mounts` are folders, outside of workspaces, that containers may see.
    """
    return (
        SubprocessRuntime(),
        ContainerRuntime("podman", allowed_mounts),
        ContainerRuntime("docker", allowed_mounts),
        SshRuntime(),
        SlurmRuntime(),
        KubernetesRuntime(),
    )

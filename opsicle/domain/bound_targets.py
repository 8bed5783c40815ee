"""A target as an automation is bound to it: where its commands run, and as whom."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from opsicle.domain.problems import quoted
from opsicle.domain.templates import Phase, VolumeMount


class BoundTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A host that a job reaches over SSH, as it was when that was triggered.

    `host_keys` are the only keys by which the host may show itself, as in a line of `known_hosts`
    behind the name: `ssh-ed25519 AAAA…`. `secret` names the secret that holds the private key.
    """

    name: str
    host: str
    user: str
    host_keys: tuple[str, ...]
    secret: str
    port: int = 22


def unfit_for_target(phase: Phase) -> str:
    """Return why a phase cannot run on a target, as what it does ("names …"); "" if it can.

    What a command says to `OPSICLE_MASK` would come over another way than its output, and perhaps
    later.
    """
    if any("OPSICLE_MASK" in command for command in phase.commands):
        return "names OPSICLE_MASK, which there is none of on targets"
    if phase.kubernetes is not None:
        return "is a pod of Kubernetes, which is for workers and not for targets"
    if phase.slurm is not None:
        return "is a job of Slurm, which is for workers and not for targets"
    return ""


def unfit_mount_for_target(mount: VolumeMount) -> str:
    """Return why a container on a target cannot be shown this, "" if it can.

    Nobody there has allowed anything outside of the job's own workspace.
    """
    path = PurePosixPath(mount.host)
    if path.is_absolute() or ".." in path.parts:
        return (
            f"the volume mount {quoted(mount.host)} is not in the workspace, "
            "and on a target a container sees nothing else"
        )
    return ""

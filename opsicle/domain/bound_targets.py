"""A target as an automation is bound to it: where its commands run, and as whom."""

from __future__ import annotations

import msgspec

from opsicle.domain.templates import Phase


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
    """Return why a phase cannot run on a target, as what it does ("has an image …"); "" if it can.

    What a command says to `OPSICLE_MASK` would come over another way than its output, and perhaps
    later.
    """
    if phase.image is not None:
        return "has an image, and on targets nothing runs in containers"
    if any("OPSICLE_MASK" in command for command in phase.commands):
        return "names OPSICLE_MASK, which there is none of on targets"
    return ""

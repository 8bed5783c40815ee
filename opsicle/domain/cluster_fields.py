"""Reading what a phase asks of a cluster that runs it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from opsicle.domain.documents import Fields
from opsicle.domain.problems import quoted
from opsicle.domain.templates import KubernetesOptions, SlurmOptions

_SLURM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,-]{0,99}")
_LEAST_SECONDS, _MOST_SECONDS = 60, 365 * 24 * 3600
"""Slurm counts minutes."""

_MOST_CPUS = 100_000
_MOST_MEMORY_MIB = 1024 * 1024 * 1024

_NOT_WITH_SLURM = {
    "image": "a phase runs in a container or as a job of Slurm, not both",
    "limits": "a job of Slurm says `slurm.memoryMiB`, `slurm.cpus` and `slurm.time` instead",
}


_ACCOUNT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_MOST_CPU_MILLIS = 1_000_000
_LEAST_POD_MIB = 16

_NOT_WITH_KUBERNETES = {
    "slurm": "a phase runs as a pod or as a job of Slurm, not both",
    "limits": "a pod says `kubernetes.memoryMiB` and `kubernetes.cpuMillis` instead",
    "artifacts": "a pod has a workspace of its own, of which nothing is kept",
    "workingDirectory": "a pod has a workspace of its own, which is empty",
}


def parse_slurm(fields: Fields) -> SlurmOptions | None:
    """Return what a phase asks of Slurm, None if it is no job of that; every mistake is noted."""
    slurm = fields.mapping("slurm")
    if slurm is None:
        return None

    _refuse(fields, _NOT_WITH_SLURM, "a job of Slurm")

    asked = SlurmOptions(
        partition=_name(slurm, "partition"),
        account=_name(slurm, "account"),
        qos=_name(slurm, "qos"),
        time=_number(slurm, "time", _LEAST_SECONDS, _MOST_SECONDS),
        cpus=_number(slurm, "cpus", 1, _MOST_CPUS),
        memory_mib=_number(slurm, "memoryMiB", 1, _MOST_MEMORY_MIB),
    )
    slurm.end()
    return asked


def parse_kubernetes(fields: Fields) -> KubernetesOptions | None:
    """Return what a phase asks of Kubernetes, None if it is no pod; every mistake is noted."""
    asked = fields.mapping("kubernetes")
    if asked is None:
        return None

    _refuse(fields, _NOT_WITH_KUBERNETES, "a pod")
    if not fields.has("image"):
        asked.place.add("needs an `image`: a pod runs one")
    elif not fields.boolean("network"):
        asked.place.add("needs `network: true`: the cluster decides what a pod reaches")

    account = asked.find("serviceAccount")
    name = account.line_of_text(253) if account else None
    if account and name is not None and not _ACCOUNT_NAME.fullmatch(name):
        account.add(f"{quoted(name)} is no name of a service account")
    read = KubernetesOptions(
        service_account=name or None,
        cpu_millis=_number(asked, "cpuMillis", 1, _MOST_CPU_MILLIS),
        memory_mib=_number(asked, "memoryMiB", _LEAST_POD_MIB, _MOST_MEMORY_MIB),
    )
    asked.end()
    return read


def _refuse(fields: Fields, why_not: Mapping[str, str], what: str) -> None:
    """Note each field that has no meaning in such a phase, and commands that mask values."""
    for key, reason in why_not.items():
        if place := fields.find(key):
            place.add(reason)
    commands = fields.find("commands")
    for command in commands.items() if commands else ():
        if "OPSICLE_MASK" in str(command.node.content):
            command.add(f"names OPSICLE_MASK, which there is none of in {what}")


def _number(slurm: Fields, key: str, low: int, high: int) -> int | None:
    return slurm.integer(key, low, low, high) if slurm.find(key) else None


def _name(slurm: Fields, key: str) -> str | None:
    place = slurm.find(key)
    name = place.line_of_text(100) if place else None
    if place and name is not None and not _SLURM_NAME.fullmatch(name):
        place.add(f"{quoted(name)} is no name in Slurm: letters, digits, `_`, `.`, `-`, commas")
        return None
    return name

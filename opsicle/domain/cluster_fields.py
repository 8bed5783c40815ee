"""Reading what a phase asks of a cluster that runs it."""

from __future__ import annotations

import re

from opsicle.domain.documents import Fields
from opsicle.domain.problems import quoted
from opsicle.domain.templates import SlurmOptions

_SLURM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.,-]{0,99}")
_LEAST_SECONDS, _MOST_SECONDS = 60, 365 * 24 * 3600
"""Slurm counts minutes."""

_MOST_CPUS = 100_000
_MOST_MEMORY_MIB = 1024 * 1024 * 1024

_NOT_WITH_SLURM = {
    "image": "a phase runs in a container or as a job of Slurm, not both",
    "limits": "a job of Slurm says `slurm.memoryMiB`, `slurm.cpus` and `slurm.time` instead",
}


def parse_slurm(fields: Fields) -> SlurmOptions | None:
    """Return what a phase asks of Slurm, None if it is no job of that; every mistake is noted."""
    slurm = fields.mapping("slurm")
    if slurm is None:
        return None

    for key, why_not in _NOT_WITH_SLURM.items():
        if place := fields.find(key):
            place.add(why_not)
    commands = fields.find("commands")
    for command in commands.items() if commands else ():
        if "OPSICLE_MASK" in str(command.node.content):
            command.add("names OPSICLE_MASK, which there is none of in a job of Slurm")

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


def _number(slurm: Fields, key: str, low: int, high: int) -> int | None:
    return slurm.integer(key, low, low, high) if slurm.find(key) else None


def _name(slurm: Fields, key: str) -> str | None:
    place = slurm.find(key)
    name = place.line_of_text(100) if place else None
    if place and name is not None and not _SLURM_NAME.fullmatch(name):
        place.add(f"{quoted(name)} is no name in Slurm: letters, digits, `_`, `.`, `-`, commas")
        return None
    return name

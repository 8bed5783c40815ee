"""Reading what a phase says of its container, and of what it may use."""

from __future__ import annotations

import re
from typing import NamedTuple

from opsicle.domain.documents import Fields
from opsicle.domain.problems import quoted
from opsicle.domain.templates import Pull, ResourceLimits

_USER = re.compile(r"[0-9]{1,9}(:[0-9]{1,9})?")
_ONLY_WITH_IMAGE = ("network", "pull", "user", "readOnly")

_MOST_CPU_SECONDS = 7 * 24 * 3600
_LEAST_MEMORY_MIB, _MOST_MEMORY_MIB = 16, 4 * 1024 * 1024
"""Below 16 MiB hardly an engine can even start a container."""

_MOST_PROCESSES = 100_000
_MOST_FILE_MIB = 16 * 1024 * 1024
_MOST_NICE = 19
"""As the kernel has it. Below 0 a phase would stand before the worker."""


class ContainerFields(NamedTuple):
    """What a phase says of its container."""

    network: bool
    pull: Pull
    user: str | None
    read_only: bool


def parse_container(fields: Fields, *, has_image: bool) -> ContainerFields:
    """Return what is said of a phase's container; every mistake is noted.

    Without an image nothing may be said of it.
    """
    if not has_image:
        for key in _ONLY_WITH_IMAGE:
            if place := fields.find(key):
                place.add("is about a container, and this phase has no `image`")

    return ContainerFields(
        network=fields.boolean("network"),
        pull=fields.choice("pull", Pull.MISSING),
        user=_user(fields),
        read_only=fields.boolean("readOnly"),
    )


def parse_limits(fields: Fields) -> ResourceLimits | None:
    """Return what a phase may use at most; None if it says nothing of that."""
    limits = fields.mapping("limits")
    if limits is None:
        return None

    read = ResourceLimits(
        cpu_seconds=_limit(limits, "cpuSeconds", 1, _MOST_CPU_SECONDS),
        memory_mib=_limit(limits, "memoryMiB", _LEAST_MEMORY_MIB, _MOST_MEMORY_MIB),
        processes=_limit(limits, "processes", 1, _MOST_PROCESSES),
        file_mib=_limit(limits, "fileMiB", 1, _MOST_FILE_MIB),
        nice=_limit(limits, "nice", 1, _MOST_NICE),
    )
    limits.end()
    return read if read != ResourceLimits() else None


def _limit(limits: Fields, key: str, low: int, high: int) -> int | None:
    return limits.integer(key, low, low, high) if limits.find(key) else None


def _user(fields: Fields) -> str | None:
    place = fields.find("user")
    user = place.line_of_text(20) if place else None
    if place is None or user is None:
        return None
    if not _USER.fullmatch(user):
        place.add(
            f'must be a number such as "1000", or user and group as in "1000:1000", '
            f"not {quoted(user)}: a name is another user in each image"
        )
        return None
    return user

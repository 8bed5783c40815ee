"""Limits that the kernel keeps for each process: how a shell sets them, and what tells of them.

By the shell itself, in a container or outside: it may always lower what it has, while setting them
from outside is for root with all its rights, if the phase is another user's.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

from opsicle.domain.templates import ResourceLimits

_BLOCKS_OF_A_MIB = 2048
"""`ulimit -f` counts in blocks of 512 bytes, by POSIX."""

SHELLS_OWN = "PWD OLDPWD SHLVL"
"""Variables that shells add to the environment by themselves, before they become a phase's."""

_BY_SIGNAL = 128  # what shells add to a signal's number
_OR_NOT_AT_ALL = " || exit 126"


def process_limits(limits: ResourceLimits) -> Iterator[str]:
    """Yield the lines of a shell's script that limit CPU time and the size of files."""
    if limits.cpu_seconds is not None:  # SIGXCPU, and KILL for who does not heed it
        soft, hard = limits.cpu_seconds, limits.cpu_seconds + 1
        yield f"ulimit -St {soft} && ulimit -Ht {hard}{_OR_NOT_AT_ALL}"
    if limits.file_mib is not None:
        yield f"ulimit -f {limits.file_mib * _BLOCKS_OF_A_MIB}{_OR_NOT_AT_ALL}"


def address_limit(mib: int) -> str:
    """Return the line that limits how much memory each process can address."""
    return f"ulimit -v {mib * 1024}{_OR_NOT_AT_ALL}"


def task_limit(count: int) -> str:
    """Return the line that limits how many processes the user may have; shells differ in it."""
    return f"ulimit -u {count} 2>/dev/null || ulimit -p {count}{_OR_NOT_AT_ALL}"


def too_many_processes(limits: ResourceLimits | None) -> str:
    """Return what is said of a phase that could not start a process for its limit."""
    assert limits
    return f"it needed more than its limit of {limits.processes} processes"


def exceeded_by_exit(limits: ResourceLimits, exit_code: int) -> str:
    """Return which limit an exit code tells of, as shells give it; "" if none."""
    if exit_code == _BY_SIGNAL + signal.SIGXCPU and limits.cpu_seconds is not None:
        return f"a process used more than the limit of {limits.cpu_seconds} s of CPU (SIGXCPU)"
    if exit_code == _BY_SIGNAL + signal.SIGXFSZ and limits.file_mib is not None:
        return f"a file was to be larger than the limit of {limits.file_mib} MiB (SIGXFSZ)"
    return ""


def described_limits(limits: ResourceLimits, memory: str, processes: str) -> str:
    """Return the limits of a phase and by what they are kept, for the job's log; "" if none.

    `memory` is what of it is limited, and by what; `processes` says how those are counted.
    """
    parts = (
        (limits.memory_mib, f"{limits.memory_mib} MiB of {memory}"),
        (limits.processes, f"{limits.processes} processes {processes}"),
        (limits.cpu_seconds, f"{limits.cpu_seconds} s of CPU for each process, by rlimit"),
        (limits.file_mib, f"{limits.file_mib} MiB for each file, by rlimit"),
        (limits.nice, f"nice {limits.nice}"),
    )
    texts = [text for value, text in parts if value is not None]
    return f"limits: {'; '.join(texts)}" if texts else ""

"""Keeping the limits of a phase that runs as a child of the worker, and telling which it has hit.

Memory and processes are kept by a cgroup for all that the phase starts together, where the worker
has cgroups (of version 1: processes alone). Elsewhere rlimits must do, which the kernel keeps for
each process (memory) or for all that its user runs (processes). CPU time, the size of files and
`nice` are each process's anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from opsicle.domain.templates import ResourceLimits
from opsicle.worker.cgroups import CGROUP, Cgroups, PhaseCgroup
from opsicle.worker.os_account import OsAccount
from opsicle.worker.process_limits import (
    SHELLS_OWN,
    address_limit,
    described_limits,
    exceeded_by_exit,
    process_limits,
    task_limit,
)
from opsicle.worker.runtimes.protocol import CannotStart

RLIMITS = "rlimits"


class PhaseLimits:
    """The limits of one try of a phase. Without `cgroups` all are kept by rlimits."""

    def __init__(
        self, limits: ResourceLimits, cgroups: Cgroups | None, account: OsAccount | None
    ) -> None:
        self._limits = limits
        self._uid = account.uid if account else os.geteuid()
        self._cgroup: PhaseCgroup | None = None
        self._cgroups = cgroups if cgroups and cgroups.keeps(limits) else None
        if limits.processes is not None and cgroups is None and self._uid == 0:
            raise CannotStart(
                "`limits.processes` cannot be kept on this worker: without a cgroup of its own the "
                "kernel counts a user's processes, and root's it does not count; start it as "
                "another user, with --run-as, or by a unit with `Delegate=memory pids`"
            )

    def argv(self, argv: Sequence[bytes]) -> list[bytes]:
        """Return the command that limits itself, and then becomes `argv` in the same process."""
        lines = [f"unset {SHELLS_OWN}", *self._user_limits(), *process_limits(self._limits)]
        nice = ""
        if (value := self._limits.nice) is not None:
            nice = f"nice -n {value} "
            # Where the kernel schedules sessions as groups, this is what counts between them.
            lines.append(f"echo {value} 2>/dev/null >/proc/self/autogroup")
        script = "\n".join([*lines, f'exec {nice}"$@"'])
        return [b"/bin/sh", b"-c", script.encode(), b"sh", *argv]

    def _user_limits(self) -> Iterator[str]:
        """Yield the lines for what a cgroup would keep."""
        has_memory = self._cgroups is not None and self._cgroups.has_memory
        if self._limits.memory_mib is not None and not has_memory:
            yield address_limit(self._limits.memory_mib)
        if self._limits.processes is not None and self._cgroups is None:
            yield task_limit(_count_tasks(self._uid) + self._limits.processes)

    @property
    def prepare(self) -> Callable[[int], None] | None:
        """What is to be done to its process before the command begins, if anything."""
        return self._enter_cgroup if self._cgroups else None

    def _enter_cgroup(self, pid: int) -> None:
        assert self._cgroups
        self._cgroup = self._cgroups.make(self._limits)
        self._cgroup.add(pid)

    def description(self) -> str:
        """Return the limits and by what they are kept, for the job's log."""
        cgroups = self._cgroups
        by_cgroup = cgroups is not None and cgroups.has_memory
        return described_limits(
            self._limits,
            f"memory by {CGROUP}" if by_cgroup else "address space for each process, by rlimit",
            f"by {cgroups.name}" if cgroups else "beside what its user ran before, by rlimit",
        )

    def exceeded(self, exit_code: int) -> str:
        """Return which limit a try has hit, as far as the kernel tells; "" if none.

        Its shell has ended with `exit_code`. Lets go of what the limits were kept by.
        """
        exceeded = self._cgroup.exceeded() if self._cgroup else ""
        self.release()
        return exceeded or exceeded_by_exit(self._limits, exit_code)

    def release(self) -> None:
        """Let go of what the limits were kept by; safe to call again."""
        if self._cgroup:
            self._cgroup.remove()
            self._cgroup = None


def _count_tasks(uid: int) -> int:
    """Return how many threads a user runs, as RLIMIT_NPROC counts them."""
    count = 0
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                status = Path(f"/proc/{entry.name}/status").read_bytes()
                fields = dict(line.split(b":", 1) for line in status.splitlines() if b":" in line)
                if int(fields[b"Uid"].split()[0]) == uid:
                    count += int(fields.get(b"Threads", b"1"))
    return count

"""What a measured value is, and what the kernel says of a process."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One measured value beside what it may be, both in `unit`. `is_floor`: more is better."""

    name: str
    value: float
    limit: float
    unit: str
    how: str
    is_floor: bool = False

    @property
    def is_met(self) -> bool:
        """Whether the aim was reached."""
        return self.value >= self.limit if self.is_floor else self.value <= self.limit


def cpu_seconds(*pids: int) -> float:
    """Return the processor time that these processes have used, without their children's."""
    return sum(_cpu_ticks(pid) for pid in pids) / _TICKS


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_mib(pid: int) -> float:
    """Return a process's resident memory now."""
    return _status_mib(pid, "VmRSS")


def peak_mib(pid: int) -> float:
    """Return the most resident memory that a process has had since `reset_peak`."""
    return _status_mib(pid, "VmHWM")


def reset_peak(pid: int) -> float:
    """Forget the most memory that a process has had, and return what it has now.

    Hashing a password takes 19 MiB for a moment.
    """
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident_mib(pid)


def _status_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone, or {os.uname().sysname} does not tell")

"""Telling a process from every other one that had its id: by its boot, and when it was started."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def is_same_instance(now: str, started: str) -> bool:
    """Return whether a process is the one that was started as `started`.

    `now` is by `instance_of`, `started` by `Child.instance`.

    That names the boot, and the first and the last clock tick in which it can have been started: so
    whoever starts a process need not ask the kernel. There was no other process of its id in
    between. One tick is enough, too.
    """
    boot, _, tick = now.rpartition("/")
    started_boot, _, ticks = started.rpartition("/")
    first, _, last = ticks.partition("-")
    if boot != started_boot or not first.isdecimal() or not (last or first).isdecimal():
        return False
    return int(first) <= int(tick) <= int(last or first)


def instance_of(pid: int) -> str | None:
    """Return what tells this process from every other one that had its id.

    That is the boot, and the clock tick of its start. None when there is no such process.
    """
    stat = _stat(pid)
    return f"{boot_id()}/{stat[19].decode()}" if stat else None


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended and only waits for its parent to hear of it."""
    return _stat(pid)[:1] == [b"Z"]


def _stat(pid: int) -> list[bytes]:
    """Return what /proc has of a process from its state on, nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def ticks_since_boot() -> int:
    """Return the clock in which the kernel tells when processes were started."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) * _TICKS_PER_SECOND // 1_000_000_000


@cache
def boot_id() -> str:
    """Return what names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

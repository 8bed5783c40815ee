"""Control groups (cgroup v2), which bound what all processes of a phase use together.

Needs a cgroup that is this worker's alone, with the controllers `memory` and `pids`: systemd makes
such a one for a unit with `Delegate=`. The kernel lets a cgroup either hold processes or hand
controllers on, so the worker moves into one of its own below it, beside those of the phases.

Where there is none of version 2, one of version 1 may keep `limits.processes` alone: the kernel
does not count root's processes in any other way. There a cgroup may do both, so nobody moves.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from opsicle.domain.templates import ResourceLimits
from opsicle.worker.process_limits import too_many_processes

CGROUP, CGROUP_V1 = "cgroup v2", "cgroup v1"
_CONTROLLERS = ("memory", "pids")
_OWN, _OF_PHASES = "opsicle-worker", "opsicle-phase-"
_UNITS = (".service", ".scope")
_MIB = 1024 * 1024


class NoCgroups(Exception):
    """This worker can make no cgroups; the text says why."""


class Cgroups:
    """The place in which a worker makes cgroups for phases. May be used from any thread.

    `has_memory`: they keep the limit of memory, too, and not of processes alone.
    """

    def __init__(self, folder: Path, *, has_memory: bool = True) -> None:
        self.has_memory = has_memory
        self._folder = folder
        self._lock = threading.Lock()
        self._count = 0
        self._left: list[Path] = []
        """Those in which something still ran when their phase had ended, as a daemon may."""

    @property
    def name(self) -> str:
        """Which they are, for people."""
        return CGROUP if self.has_memory else CGROUP_V1

    def keeps(self, limits: ResourceLimits) -> bool:
        """Return whether any of these limits is kept by a cgroup."""
        return limits.processes is not None or (self.has_memory and limits.memory_mib is not None)

    def make(self, limits: ResourceLimits) -> PhaseCgroup:
        """Make a cgroup that keeps a phase's limits of memory and processes. Raises OSError."""
        with self._lock:
            self._count += 1
            folder = self._folder / f"{_OF_PHASES}{self._count}"

        self._folder.mkdir(exist_ok=True)
        folder.mkdir()
        try:
            if self.has_memory and limits.memory_mib is not None:
                _limit_memory(folder, limits.memory_mib * _MIB)
            if limits.processes is not None:
                _write(folder / "pids.max", limits.processes)
        except OSError:
            folder.rmdir()
            raise
        return PhaseCgroup(self, folder, limits)

    def remove(self, folder: Path) -> None:
        """Remove the cgroup of a phase that has ended, now or once its last process has."""
        with self._lock:
            self._left = [each for each in (*self._left, folder) if not _try_remove(each)]


class PhaseCgroup:
    """The cgroup of one try of a phase."""

    def __init__(self, cgroups: Cgroups, folder: Path, limits: ResourceLimits) -> None:
        self._cgroups = cgroups
        self._folder = folder
        self._limits = limits

    def add(self, pid: int) -> None:
        """Put a process into it, with all that it will start. Raises OSError."""
        _write(self._folder / "cgroup.procs", pid)

    def exceeded(self) -> str:
        """Return which limit was hit; "" if none was."""
        if _event(self._folder / "memory.events", "oom_kill"):
            return f"killed by the memory limit of {self._limits.memory_mib} MiB"
        if _event(self._folder / "pids.events", "max"):
            return too_many_processes(self._limits)
        return ""

    def remove(self) -> None:
        """Remove it, once nothing runs in it any more."""
        self._cgroups.remove(self._folder)


def find_cgroups(
    mounts: Path = Path("/proc/self/mountinfo"), own: Path = Path("/proc/self/cgroup")
) -> Cgroups:
    """Move this process where it can make cgroups beside itself. Raises NoCgroups.

    Once in a process, before it starts others.
    """
    folder = _own_cgroup(mounts, own)
    missing = set(_CONTROLLERS) - set(_read(folder / "cgroup.controllers").split())
    if missing:
        raise NoCgroups(f"its cgroup has no controller {' and '.join(sorted(missing))}")
    if others := set(_read(folder / "cgroup.procs").split()) - {str(os.getpid())}:
        raise NoCgroups(
            f"its cgroup is not its own: others are in it, as process {min(others)}; "
            "a unit of systemd with `Delegate=memory pids` has one of its own"
        )

    if folder.suffix in _UNITS and not _is_delegated(folder):
        raise NoCgroups(
            "its cgroup is systemd's to manage; `Delegate=memory pids` in the unit hands it over"
        )

    try:
        _delegate_controllers(folder)
    except OSError as problem:
        raise NoCgroups(
            f"its cgroup is not delegated to it: {problem.strerror}; "
            "`Delegate=memory pids` in a unit does"
        ) from None
    return Cgroups(folder)


def find_pids_cgroups(
    mounts: Path = Path("/proc/self/mountinfo"), own: Path = Path("/proc/self/cgroup")
) -> Cgroups:
    """Find where this process can make cgroups of version 1 that limit processes.

    Nothing is made before the first one is needed. Raises NoCgroups.
    """
    folder = _own_v1_cgroup(mounts, own)
    if folder.suffix in _UNITS and not _is_delegated(folder):
        raise NoCgroups("its cgroup is systemd's to manage")
    if not os.access(folder, os.W_OK):
        raise NoCgroups("its cgroup is not its own to write to")
    for left in folder.glob(f"{_OWN}-*"):  # by workers that have ended
        if not Path("/proc", left.name.removeprefix(f"{_OWN}-")).exists():
            for each in left.glob(f"{_OF_PHASES}*"):
                _try_remove(each)
            _try_remove(left)
    return Cgroups(folder / f"{_OWN}-{os.getpid()}", has_memory=False)


def _own_v1_cgroup(mounts: Path, own: Path) -> Path:
    """Return the folder of this process's cgroup for the controller `pids`. Raises NoCgroups."""
    lines = [line.split(":", 2) for line in _read(own).splitlines()]
    paths = [path for _, controllers, path in lines if "pids" in controllers.split(",")]
    for line in _read(mounts).splitlines():
        before, _, after = line.partition(" - ")
        root, mount_point = before.split(" ")[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup" and "pids" in options.split(",") and paths:
            with suppress(ValueError):
                return Path(mount_point, Path(paths[0]).relative_to(root))
    raise NoCgroups("this machine shows it no cgroup with the controller pids")


def _is_delegated(folder: Path) -> bool:
    """Return whether systemd has handed the cgroup of a unit to what runs in it.

    Root may write to any; but what systemd manages it may change, and count on, at any time.
    """
    for mark in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(folder, mark) == b"1":
                return True
    return False


def _delegate_controllers(folder: Path) -> None:
    """Move below `folder`, and let its cgroups have controllers. Raises OSError."""
    for left in folder.glob(f"{_OF_PHASES}*"):  # by an earlier run of the worker
        _try_remove(left)
    (folder / _OWN).mkdir(exist_ok=True)
    _write(folder / _OWN / "cgroup.procs", os.getpid())
    try:
        _write(folder / "cgroup.subtree_control", " ".join(f"+{name}" for name in _CONTROLLERS))
    except OSError:
        with suppress(OSError):
            _write(folder / "cgroup.procs", os.getpid())
            (folder / _OWN).rmdir()
        raise


def _own_cgroup(mounts: Path, own: Path) -> Path:
    """Return the folder of the cgroup that this process is in. Raises NoCgroups."""
    paths = [line[3:] for line in _read(own).splitlines() if line.startswith("0::")]
    for line in _read(mounts).splitlines():
        before, _, after = line.partition(" - ")
        root, mount_point = before.split(" ")[3:5]
        if after.split(" ")[0] == "cgroup2" and paths:
            with suppress(ValueError):
                return Path(mount_point, Path(paths[0]).relative_to(root))
    raise NoCgroups("this machine shows it no cgroup v2")


def _limit_memory(folder: Path, limit: int) -> None:
    _write(folder / "memory.max", limit)
    # What is beyond the limit is to be told, not to be slow. Not there: no swap is accounted for.
    with suppress(FileNotFoundError):
        _write(folder / "memory.swap.max", 0)
    # All of the phase or nothing: else a shell that does not look at its commands would go on, and
    # the phase succeed without what was killed.
    _write(folder / "memory.oom.group", 1)


def _event(file: Path, name: str) -> int:
    for line in _read(file).splitlines():
        key, _, count = line.partition(" ")
        if key == name:
            return int(count)
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _write(file: Path, value: object) -> None:
    """Write to a file of the kernel's. It is never made: where it is not there, this raises."""
    with file.open("r+", encoding="ascii") as stream:
        stream.write(str(value))


def _try_remove(folder: Path) -> bool:
    """Remove a cgroup, and return whether it is gone; False while something runs in it."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True

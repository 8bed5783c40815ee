"""Finding and ending every process of a job, whatever it did to get away.

A process belongs to a job if it carries the job's tag (see process.py), or names the job in its
environment, or descends from one that does. `sudo` and the like may strip the first two, so those
once found are remembered.

A worker that starts a process carries the job's tag itself for that instant. No other worker on the
machine looks for it then: the server makes a new job id for every lease, so a job is one worker's.
"""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from opsicle.worker import process, process_ids

_KILL_SECONDS = 5.0
"""What is not dead so long after KILL hangs in the kernel; waiting longer would not help."""

_FIRST_SCAN_SECONDS, _MAX_SCAN_SECONDS = 0.005, 0.2
_TAG_BITS = 60
_OF_THE_KERNEL = 0x00200000
"""PF_KTHREAD among the flags of /proc/PID/stat, see include/linux/sched.h."""
_PIECE_BYTES = 64 * 1024


class _Process(NamedTuple):
    """One line of the process table. `start` is in clock ticks since boot."""

    pid: int
    parent: int
    session: int
    start: int


class JobTree:
    """All processes of one job on this machine.

    `sessions` are those that its phases' shells lead.
    """

    def __init__(self, job_id: str) -> None:
        self.tag = int.from_bytes(hashlib.sha256(job_id.encode()).digest()[:8], "big") >> (
            64 - _TAG_BITS
        )
        self.sessions: set[int] = set()
        self._tag_text = b" %d " % self.tag
        self._environment_line = b"OPSICLE_JOB_ID=" + job_id.encode()
        self._known: set[tuple[int, int]] = set()

    def send(self, number: signal.Signals, *, in_sessions: bool = False) -> int:
        """Send a signal to every living process of the job.

        `in_sessions` spares those that left the phases' sessions. Returns how many there were. Call
        again until it is 0: a tree may grow while it is being cut.
        """
        found = 0
        for member in self._members():
            if in_sessions and member.session not in self.sessions:
                continue
            found += self._signal_one(member, number)
        return found

    def count(self, *, in_sessions: bool = False) -> int:
        """Return how many processes of the job are alive."""
        return sum(
            1 for member in self._members() if not in_sessions or member.session in self.sessions
        )

    def has_processes(self) -> bool:
        """Return whether a process whose parent has ended still runs in a phase's session.

        Cheap where there is none.
        """
        return any(
            self._is_tagged(pid) and _session_of(pid) in self.sessions
            for pid in process.collect_orphans()
        )

    def remember(self, pid: int, instance: str) -> None:
        """Count a process in by its id, provided that it is still that instance.

        See `process_ids.is_same_instance`.
        """
        now = process_ids.instance_of(pid)
        if now and process_ids.is_same_instance(now, instance):
            self._known.add((pid, int(now.rpartition("/")[2])))

    def _members(self) -> list[_Process]:
        """Return the living, oldest first.

        A shell is to hear of its own end before it sees its command die and goes on.
        """
        everyone = {entry.pid: entry for entry in _process_table()}
        children: dict[int, list[int]] = {}
        for entry in everyone.values():
            children.setdefault(entry.parent, []).append(entry.pid)

        unseen = [pid for pid, entry in everyone.items() if self._is_root(entry)]
        members: dict[int, _Process] = {}
        while unseen:
            pid = unseen.pop()
            if pid not in members and pid != os.getpid():
                members[pid] = everyone[pid]
                unseen += children.get(pid, [])

        self._known = {(entry.pid, entry.start) for entry in members.values()}
        return sorted(members.values(), key=lambda entry: (entry.start, entry.pid))

    def _is_root(self, entry: _Process) -> bool:
        return (entry.pid, entry.start) in self._known or self._is_tagged(entry.pid)

    def _is_tagged(self, pid: int) -> bool:
        with suppress(OSError):
            if self._tag_text in _content(f"/proc/{pid}/limits"):
                return True
            return self._environment_line in _content(f"/proc/{pid}/environ").split(b"\0")
        return False

    @staticmethod
    def _signal_one(member: _Process, number: signal.Signals) -> bool:
        """Send it unless the process is gone; a later process with the same id is never hit."""
        try:
            handle = os.pidfd_open(member.pid)
        except ProcessLookupError:
            return False
        except OSError:  # a kernel that has no pidfd for us
            return _signal_by_id(member, number)

        try:
            now = _read_process(member.pid)
            if now is None or now.start != member.start:
                return False
            signal.pidfd_send_signal(handle, number)
            if number == signal.SIGTERM:
                # One that is stopped would never hear of it.
                signal.pidfd_send_signal(handle, signal.SIGCONT)
        except ProcessLookupError:
            return False
        except PermissionError:  # it runs as another user now; it counts, so that it is told of
            return True
        else:
            return True
        finally:
            os.close(handle)


def _signal_by_id(member: _Process, number: signal.Signals) -> bool:
    """Send it by the process's id, where there is no better way.

    In theory the id could pass to another process between the look and the signal.
    """
    now = _read_process(member.pid)
    if now is None or now.start != member.start:
        return False

    try:
        os.kill(member.pid, number)
        if number == signal.SIGTERM:
            os.kill(member.pid, signal.SIGCONT)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True

    return True


class TreeStop:
    """Ends a job's processes over time without ever blocking.

    TERM to all, a grace, then KILL until none is left.

    `in_sessions` spares what made a session of its own, as a daemon does. `survivors` says, once it
    is over, how many could not be ended.
    """

    def __init__(self, tree: JobTree, grace_seconds: float, *, in_sessions: bool = False) -> None:
        now = time.monotonic()
        self.survivors = 0
        self._tree = tree
        self._in_sessions = in_sessions
        self._kill_at = now + grace_seconds
        self._give_up_at = self._kill_at + _KILL_SECONDS
        self._pause = _FIRST_SCAN_SECONDS
        self._next_scan = now + self._pause
        tree.send(signal.SIGTERM, in_sessions=in_sessions)

    def turn(self, now: float) -> float | None:
        """Do what is due at `now` (monotonic seconds).

        Returns the time to call again, or None when it is over.
        """
        if now < self._next_scan:
            return self._next_scan

        process.collect_orphans()
        killing = now >= self._kill_at
        alive = self._scan(killing)
        if alive == 0 or now >= self._give_up_at:
            self.survivors = alive
            return None

        self._pause = _FIRST_SCAN_SECONDS if killing else min(self._pause * 2, _MAX_SCAN_SECONDS)
        self._next_scan = now + self._pause if killing else min(now + self._pause, self._kill_at)
        return self._next_scan

    def _scan(self, killing: bool) -> int:
        if killing:
            return self._tree.send(signal.SIGKILL, in_sessions=self._in_sessions)
        return self._tree.count(in_sessions=self._in_sessions)


def kill_orphans(
    job_id: str, pid: int | None = None, instance: str = "", *, grace_seconds: float
) -> int:
    """End what is left of a job that an earlier run of this worker ran, and wait until it is gone.

    `pid` and `instance` are those of its last child, as the journal tells them; a process that has
    merely got the same id since is left alone. Blocks up to `grace_seconds` + 5 s. Returns how many
    processes could not be ended.
    """
    tree = JobTree(job_id)
    if pid is not None:
        tree.remember(pid, instance)
    return end_tree(tree, grace_seconds)


def end_tree(tree: JobTree, grace_seconds: float) -> int:
    """End a job's processes and block until they are gone. Returns how many could not be ended."""
    stop = TreeStop(tree, grace_seconds)
    while (look_at := stop.turn(time.monotonic())) is not None:
        time.sleep(max(0.0, look_at - time.monotonic()))
    return stop.survivors


def _process_table() -> Iterator[_Process]:
    with os.scandir("/proc") as entries:
        for entry in entries:
            if entry.name.isdigit() and (found := _read_process(int(entry.name))):
                yield found


def _read_process(pid: int) -> _Process | None:
    """Return a process; None if it is gone, or dead and only waiting to be collected.

    Also None for a thread of the kernel, which belongs to no job: on many machines every second
    process is one.
    """
    try:
        fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    if fields[0] in {b"Z", b"X"} and int(fields[17]) <= 1:  # else only its first thread has ended
        return None
    if int(fields[6]) & _OF_THE_KERNEL:
        return None
    return _Process(pid, parent=int(fields[1]), session=int(fields[3]), start=int(fields[19]))


def _content(path: str) -> bytes:
    """Return what a file of /proc holds, in half the time that a file object takes.

    Each scan of the machine's processes reads several hundred. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pieces = [os.read(descriptor, _PIECE_BYTES)]
        while pieces[-1]:
            pieces.append(os.read(descriptor, _PIECE_BYTES))
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def _session_of(pid: int) -> int | None:
    found = _read_process(pid)
    return found.session if found else None

"""Starting child processes and collecting how they ended; the only place that does.

The worker is a *sub-reaper*: when a process of a job dies, the children that it leaves behind
become the worker's own instead of init's. So every process of a job stays a descendant of the
worker, however often it forks, and can be found.

Each job's processes also carry the job's *tag*: the soft limit on file locks (`RLIMIT_LOCKS`),
which Linux has not looked at since 2.4 but still hands on over fork and exec. Unlike an environment
variable, a session or a parent, a process does not lose it by clearing its environment, by
`setsid`, or by forking twice.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import resource
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from opsicle.worker import posix_spawn
from opsicle.worker.child_ids import children_of_main_thread
from opsicle.worker.os_account import OsAccount
from opsicle.worker.process_ids import boot_id, ticks_since_boot
from opsicle.worker.start_gate import StartGate
from opsicle.worker.stdio_pipes import AnonymousPipes, StdioPipes

log = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
_RLIMIT_LOCKS = 10
_CHECK_TIMEOUT_SECONDS = 5

_lock = threading.Lock()
"""Held while a child is made and noted, so that the collecting of orphans never takes one for an
orphan."""
_own_children: set[int] = set()


class _Files(NamedTuple):
    """What a process gets as its first three files; nothing to read where `stdin` is None."""

    stdin: int | None
    stdout: int
    stderr: int


class Child:
    """A started process that leads a session of its own, with the pipes that it prints to.

    `pidfd` becomes readable when it has ended. `stdout` and `stderr` are non-blocking; whoever
    takes them closes them. `instance` tells it from others of its id (see process_ids.py).
    """

    def __init__(self, started: _Started, pipes: StdioPipes) -> None:
        self._started = started
        self.pid = started.pid
        self.pidfd = _watch_end(started.pid)
        self.stdout, self.stderr = pipes.take_readers()
        self.beside: tuple[int, ...] = ()
        """More pipes to be heard, as stderr: of an engine whose phase prints into others."""
        self.instance = started.instance
        self.exit_status: int | None = None
        """Once it was collected; the negative number of a signal that has ended the process."""

    def wait(self) -> int:
        """Collect the exit code once `pidfd` is readable.

        Death by signal N counts as 128 + N, as in shells.
        """
        code = self.exit_status = self._started.wait()
        os.close(self.pidfd)
        return code if code >= 0 else 128 - code

    def has_ended(self) -> bool:
        """Return whether it has ended, be its exit code collected or not."""
        return self.exit_status is not None or bool(select.select([self.pidfd], [], [], 0)[0])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, and nobody else one where it has ended and was collected."""
        if self.exit_status is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def give_up(self) -> None:
        """Kill it, without waiting for it: whoever collects orphans does so once it has ended."""
        self.send(signal.SIGKILL)
        os.close(self.pidfd)
        self._started.give_up()


class _Started:
    """A process between its start and the collecting of its exit code.

    `popen` is its own, if it was started so.
    """

    def __init__(
        self, pid: int, instance: str, popen: subprocess.Popen[bytes] | None = None
    ) -> None:
        self.pid = pid
        self.instance = instance
        self._popen = popen

    def wait(self) -> int:
        """Wait for its end, once; the negative number of a signal that has ended it."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self._popen:
            self._popen.returncode = code  # else it would look for the process again
        self._forget()
        return code

    def give_up(self) -> None:
        """Leave its end to the collecting of orphans."""
        if self._popen:
            self._popen.returncode = -signal.SIGKILL  # else it would look for the process again
        self._forget()

    def _forget(self) -> None:
        with _lock:
            _own_children.discard(self.pid)


def spawn(  # noqa: PLR0913, PLR0917 - all that a process can be given
    argv: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    folder: Path,
    tag: int,
    account: OsAccount | None = None,
    prepare: Callable[[int], None] | None = None,
    stdin: int | None = None,
    pipes: StdioPipes | None = None,
) -> Child:
    """Start a process in a new session, in `folder`, with nothing to read unless `stdin` is given.

    As another user if an account is given. `prepare` is called with the process's id before the
    program runs; if it raises, the program never does. It prints to `pipes`, which stay the
    caller's to close, or to new ones.

    The program is looked up in the `PATH` of `environment`. Raises OSError when it cannot be
    started (no such program, too much in argv and environment, no more processes) and ValueError
    for a NUL byte.
    """
    streams = pipes or AnonymousPipes((account.uid, account.gid) if account else None)
    gate = StartGate() if prepare else None
    started: _Started | None = None

    try:
        files = _Files(gate.stdin if gate else stdin, *streams.writers)
        argv = gate.argv(argv) if gate else argv
        started = _start(argv, environment, folder, tag, account, files)
        if prepare and gate:
            prepare(started.pid)
            gate.open()
        return Child(started, streams)
    except BaseException:
        if started is not None:  # no file descriptor was left to watch it with
            os.kill(started.pid, signal.SIGKILL)
            started.wait()
        raise
    finally:
        if streams is not pipes:
            streams.close()
        if gate:
            gate.close()


def _start(
    argv: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    folder: Path,
    tag: int,
    account: OsAccount | None,
    files: _Files,
) -> _Started:
    """Start a process and note it, in the quickest way that can do what is asked.

    Raises as `spawn` does.
    """
    is_plain = (
        account is None
        and b"/" in argv[0]
        and min(files.stdin or 3, files.stdout, files.stderr) > 2
        and posix_spawn.is_possible()
    )
    popen: subprocess.Popen[bytes] | None = None

    with _lock, _Tagged(tag):
        _become_subreaper()
        earliest = ticks_since_boot()
        if is_plain:
            pid = posix_spawn.spawn(argv, environment, os.fsencode(folder), *files)
        else:
            popen = _popen(argv, environment, folder, account, files)
            pid = popen.pid
        _own_children.add(pid)

    return _Started(pid, f"{boot_id()}/{earliest}-{ticks_since_boot()}", popen)


def _popen(
    argv: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    folder: Path,
    account: OsAccount | None,
    files: _Files,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - running what the template says is what a worker is for
        argv,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL if files.stdin is None else files.stdin,
        stdout=files.stdout,
        stderr=files.stderr,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=account.groups if account else None,
    )


def succeeds(argv: Sequence[bytes], account: OsAccount | None = None) -> bool:
    """Return whether a short check exits with 0; False if it cannot be run."""
    try:
        with _lock:
            popen = subprocess.Popen(  # noqa: S603
                argv,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=account.groups if account else None,
            )
            _own_children.add(popen.pid)
    except (OSError, ValueError):
        return False

    try:
        return popen.wait(_CHECK_TIMEOUT_SECONDS) == 0
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
        return False
    finally:
        with _lock:
            _own_children.discard(popen.pid)


def collect_orphans() -> list[int]:
    """Reap the dead among the processes that jobs left, and return the living ones' ids.

    Never touches a child that was started here. Cheap where nothing was left: it reads one small
    file.
    """
    alive = []
    with _lock:
        for pid in children_of_main_thread() - _own_children:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    alive.append(pid)
    return alive


class _Tagged:
    """While inside, what this process starts carries the tag.

    Needs `_lock`: a limit belongs to the whole process.
    """

    def __init__(self, tag: int) -> None:
        self._tag = tag

    def __enter__(self) -> None:
        self._before = resource.getrlimit(_RLIMIT_LOCKS)
        # Where a lower hard limit stands in the way, the environment and the ancestry must do.
        with suppress(ValueError, OSError):
            resource.setrlimit(_RLIMIT_LOCKS, (self._tag, self._before[1]))

    def __exit__(self, *_: object) -> None:
        with suppress(ValueError, OSError):
            resource.setrlimit(_RLIMIT_LOCKS, self._before)


def _watch_end(pid: int) -> int:
    """Return a descriptor that becomes readable at the process's end, even without pidfd."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.EPERM}:
            raise
    end = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    # Whoever waits closes the other one, perhaps before this thread has told of the end.
    keep = os.dup(end)

    def wait() -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.eventfd_write(keep, 1)
        os.close(keep)

    threading.Thread(target=wait, name=f"end-of-{pid}", daemon=True).start()
    return end


@cache
def _become_subreaper() -> bool:
    """Become a sub-reaper, once; False, and a word in the log, where the kernel refuses.

    Needs `_lock`: else the first two jobs would both do it.

    Then what a job leaves behind is init's, and found by the marks that it carries (see
    process_tree.py).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        return True
    reason = os.strerror(ctypes.get_errno())
    log.warning(
        "the kernel lets this process be no sub-reaper: "
        "what jobs leave behind is found by their marks alone",
        extra={"reason": reason},
    )
    return False

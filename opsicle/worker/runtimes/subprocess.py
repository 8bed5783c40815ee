"""Running a phase as a child process, under the worker's own account or another."""

from __future__ import annotations

import errno
import logging
import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from functools import cache

from opsicle.domain.templates import Phase
from opsicle.domain.workers import SUBPROCESS
from opsicle.wire.jobs import Work
from opsicle.worker import process
from opsicle.worker.cgroups import Cgroups, NoCgroups, find_cgroups, find_pids_cgroups
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.phase_limits import RLIMITS, PhaseLimits
from opsicle.worker.phase_shell import folder_of, phase_environment, shell_arguments
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process_tree import JobTree, TreeStop, kill_orphans
from opsicle.worker.runtimes.local_workspace import InLocalWorkspace
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace

log = logging.getLogger(__name__)

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_NOT_FOUND = 127  # the exit code that shells use


class SubprocessRuntime:
    """Runs each phase's shell as a child of the worker; see `Runtime` for the contract.

    `base` is what commands get of the worker's environment, if it is not what `base_environment`
    says; that is found once for each account. `cgroups` keep the limits of phases, where this
    process may make some.
    """

    name = "subprocess"
    kind = SUBPROCESS

    def __init__(self, base: Mapping[str, str] | None = None) -> None:
        self._base = base
        self._base_by_account: dict[OsAccount | None, Mapping[str, str]] = {}
        self.cgroups: Cgroups | None = None

    @property
    def limits_by(self) -> str:
        """By what it keeps the limits of memory and processes."""
        if self.cgroups is None or self.cgroups.has_memory:
            return self.cgroups.name if self.cgroups else RLIMITS
        return f"{RLIMITS}, and {self.cgroups.name} for processes"

    def unavailable_reason(self) -> str:
        """Return "", as a worker can always start processes; look for cgroups."""
        try:
            self.cgroups = find_cgroups()
        except NoCgroups as problem:
            with suppress(NoCgroups):
                self.cgroups = find_pids_cgroups()
            facts = {"limits_by": self.limits_by, "reason": str(problem)}
            log.info("limits are not kept by cgroup v2", extra=facts)
        return ""

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        _private: PrivateFiles,
        _cancellation: Cancellation,
    ) -> SubprocessJob:
        """Return what runs this job's phases."""
        return SubprocessJob(work, workspace, account, self._base_for(account), self.cgroups)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End what is left of a job, found by its marks and by its last child."""
        child = (last_child.pid, last_child.instance) if last_child else (None, "")
        return kill_orphans(job_id, *child, grace_seconds=grace_seconds)

    def _base_for(self, account: OsAccount | None) -> Mapping[str, str]:
        if self._base is not None:
            return self._base
        if account not in self._base_by_account:
            self._base_by_account[account] = base_environment(account)
        return self._base_by_account[account]


class SubprocessJob(InLocalWorkspace):
    """One job's processes; see `JobRuntime` for the contract.

    A daemon is what made a session of its own.
    """

    def __init__(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        base: Mapping[str, str],
        cgroups: Cgroups | None,
    ) -> None:
        self._work = work
        self._workspace = workspace
        self._account = account
        self._base = base
        self._cgroups = cgroups
        self._limits: PhaseLimits | None = None
        self._tree = JobTree(work.job_id)

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return a phase's environment.

        It has what is handed on of the worker's own, and all that tells of the job.
        """
        return phase_environment(
            self._work, phase, self._base, self._workspace.path, private, outputs
        )

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> process.Child:
        """Start a phase's shell with its script. Raises CannotStart."""
        asked = self._work.phases[phase]
        self._limits = None
        if asked.limits is not None:
            self._limits = PhaseLimits(asked.limits, self._cgroups, self._account)

        try:
            child = _start(
                asked,
                script,
                environment,
                self._workspace,
                self._tree.tag,
                self._account,
                self._limits,
            )
        except CannotStart:
            if self._limits:
                self._limits.release()
            raise

        self._tree.sessions.add(child.pid)
        return child

    def limits_text(self, _phase: int) -> str:
        """Return the limits of the phase that was started last."""
        return self._limits.description() if self._limits else ""

    def exceeded_limit(self, _phase: int, exit_code: int) -> str:
        """Return which limit the phase that was started last has hit."""
        return self._limits.exceeded(exit_code) if self._limits else ""

    def has_processes(self) -> bool:
        """Return whether a process still runs in a phase's session after its parent."""
        return self._tree.has_processes()

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> TreeStop:
        """Begin to end the job's processes."""
        return TreeStop(self._tree, grace_seconds, in_sessions=keep_daemons)


def base_environment(account: OsAccount | None = None) -> dict[str, str]:
    """Return what commands get of the worker's own environment, and nothing else does.

    That is PATH, HOME, LANG and TZ.

    `HOME` is that of the account, whatever the worker was started with; `TZ` is absent where the
    worker has none.
    """
    base = {
        "PATH": os.environ.get("PATH") or DEFAULT_PATH,
        "LANG": os.environ.get("LANG") or "C.UTF-8",
    }
    base["HOME"] = os.environ.get("HOME") or "/"
    if account:
        base["HOME"] = account.home
    else:
        base["HOME"] = _home_of(os.geteuid()) or base["HOME"]
    if "TZ" in os.environ:
        base["TZ"] = os.environ["TZ"]
    return base


@cache
def _home_of(uid: int) -> str:
    """Return an account's home; "" for one that has only a number.

    Looked up once, as it reads several files.
    """
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return ""


def _start(  # noqa: PLR0913, PLR0917 - all that a phase's shell is given
    phase: Phase,
    script: Script,
    environment: Mapping[str, str],
    workspace: Workspace,
    tag: int,
    account: OsAccount | None,
    limits: PhaseLimits | None,
) -> process.Child:
    """Start a phase's shell with its script, as another user if an account is given.

    Raises CannotStart.
    """
    try:
        folder = folder_of(phase, workspace)
        argv = shell_arguments(phase, script, workspace)
        encoded = {
            name.encode(errors="surrogateescape"): value.encode(errors="surrogateescape")
            for name, value in environment.items()
        }
        if limits:
            if "/" in phase.shell and not (folder / phase.shell).exists():
                raise FileNotFoundError  # what limits itself first would only exit with 127
            argv = limits.argv(argv)
        prepare = limits.prepare if limits else None
        return process.spawn(argv, encoded, folder, tag, account, prepare, pipes=script.pipes)
    except ValueError as problem:
        reason = (
            "a command or a variable contains a NUL byte"
            if "null byte" in str(problem)
            else str(problem)
        )
        raise CannotStart(reason) from None
    except OSError as problem:
        raise _explain(phase, problem) from None


def _explain(phase: Phase, problem: OSError) -> CannotStart:
    if isinstance(problem, FileNotFoundError):
        return CannotStart(f"the shell {phase.shell} was not found on the worker", _NOT_FOUND)
    if isinstance(problem, PermissionError):
        return CannotStart(f"the worker may not execute the shell {phase.shell}")
    if problem.errno == errno.E2BIG:
        return CannotStart("the variables are together larger than this system hands to a process")
    return CannotStart(f"the shell {phase.shell} could not be started: {problem.strerror}")

"""Running a phase as a child process, under the worker's own account or another."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from opsicle.domain.secrets import secret_environment_name
from opsicle.domain.templates import Phase
from opsicle.domain.workers import SUBPROCESS
from opsicle.wire.jobs import Work
from opsicle.worker import process
from opsicle.worker.journal import ChildProcess
from opsicle.worker.process_tree import JobTree, TreeStop, kill_orphans
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script, is_posix_shell
from opsicle.worker.workspace import Workspace

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_LONGEST_ARGUMENT = 100_000  # bytes; the kernel takes 128 KiB (MAX_ARG_STRLEN)
_NOT_FOUND = 127  # the exit code that shells use


class SubprocessRuntime:
    """Runs each phase's shell as a child of the worker; see `Runtime` for the contract.

    `base` is what commands get of the worker's environment, if it is not what `base_environment`
    says; that is found once for each account.
    """

    name = "subprocess"
    kind = SUBPROCESS

    def __init__(self, base: Mapping[str, str] | None = None) -> None:
        self._base = base
        self._base_by_account: dict[process.OsAccount | None, Mapping[str, str]] = {}

    def unavailable_reason(self) -> str:
        """Return "": a worker can always start processes."""
        return ""

    def open_job(
        self, work: Work, workspace: Workspace, account: process.OsAccount | None
    ) -> SubprocessJob:
        """Return what runs this job's phases."""
        return SubprocessJob(work, workspace, account, self._base_for(account))

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End what is left of a job, found by its marks and by its last child."""
        child = (last_child.pid, last_child.life) if last_child else (None, "")
        return kill_orphans(job_id, *child, grace_seconds=grace_seconds)

    def _base_for(self, account: process.OsAccount | None) -> Mapping[str, str]:
        if self._base is not None:
            return self._base
        if account not in self._base_by_account:
            self._base_by_account[account] = base_environment(account)
        return self._base_by_account[account]


class SubprocessJob:
    """One job's processes; see `JobRuntime` for the contract.

    A daemon is what made a session of its own.
    """

    def __init__(
        self,
        work: Work,
        workspace: Workspace,
        account: process.OsAccount | None,
        base: Mapping[str, str],
    ) -> None:
        self._work = work
        self._workspace = workspace
        self._account = account
        self._base = base
        self._tree = JobTree(work.job_id)

    def environment(self, phase: int, private: Mapping[str, str]) -> dict[str, str]:
        """Return a phase's environment.

        What is handed on of the worker's, and all that tells of the job.
        """
        return phase_environment(self._work, phase, self._base, self._workspace, private)

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> process.Child:
        """Start a phase's shell with its script. Raises CannotStart."""
        child = _start(
            self._work.phases[phase],
            script,
            environment,
            self._workspace,
            self._tree.tag,
            self._account,
        )
        self._tree.sessions.add(child.pid)
        return child

    def left_something(self) -> bool:
        """Return whether a process still runs in a phase's session after its parent."""
        return self._tree.left_something()

    def stop(self, grace_seconds: float, *, spares_daemons: bool = False) -> TreeStop:
        """Begin to end the job's processes."""
        return TreeStop(self._tree, grace_seconds, in_sessions=spares_daemons)


def base_environment(account: process.OsAccount | None = None) -> dict[str, str]:
    """Return what commands get of the worker's own environment, and nothing else does.

    PATH, HOME, LANG, TZ.

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


def phase_environment(
    work: Work,
    phase: int,
    base: Mapping[str, str],
    workspace: Workspace,
    private: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of a phase, as the template format promises it.

    What tells of the job always wins.

    `private` are the variables that name its private files.
    """
    return {
        **base,
        **work.environment,
        **work.phases[phase].env,
        **work.secret_environment,
        **private,
        **{
            secret_environment_name(name): work.secrets[name] for name in work.phases[phase].secrets
        },
        "OPSICLE_AUTOMATION_ID": work.automation_id,
        "OPSICLE_JOB_ID": work.job_id,
        "OPSICLE_TEMPLATE": work.template,
        "OPSICLE_PHASE": work.phases[phase].name,
        "OPSICLE_REQUESTER": work.requester,
        "OPSICLE_WORKSPACE": str(workspace.path),
        "OPSICLE_OUTPUT": str(workspace.output_for(phase)),
    }


def _start(
    phase: Phase,
    script: Script,
    environment: Mapping[str, str],
    workspace: Workspace,
    tag: int,
    account: process.OsAccount | None,
) -> process.Child:
    """Start a phase's shell with its script, as another user if an account is given.

    Raises CannotStart.
    """
    try:
        folder = _folder(phase, workspace)
        argv = _argv(phase, script, workspace)
        encoded = {_bytes(name): _bytes(value) for name, value in environment.items()}
        return process.spawn(argv, encoded, folder, tag, account)
    except ValueError as problem:
        reason = (
            "a command or a variable contains a NUL byte"
            if "null byte" in str(problem)
            else str(problem)
        )
        raise CannotStart(reason) from None
    except OSError as problem:
        raise _explain(phase, problem) from None


def _folder(phase: Phase, workspace: Workspace) -> Path:
    try:
        return workspace.folder_for(phase.working_directory)
    except OSError as problem:
        raise CannotStart(
            f"the workspace is gone and cannot be made anew: {problem.strerror}"
        ) from None


def _argv(phase: Phase, script: Script, workspace: Workspace) -> list[bytes]:
    shell = phase.shell.encode()
    if not is_posix_shell(phase.shell):
        return [shell, os.fsencode(workspace.write_script(script.text))]
    if len(script.text) > _LONGEST_ARGUMENT:
        return [shell, b"-e", os.fsencode(workspace.write_script(script.text))]

    return [
        shell,
        b"-e",
        b"-c",
        script.text,
        phase.name.encode(),
    ]  # the name is $0: messages begin with it


def _explain(phase: Phase, problem: OSError) -> CannotStart:
    if isinstance(problem, FileNotFoundError):
        return CannotStart(f"the shell {phase.shell} was not found on the worker", _NOT_FOUND)
    if isinstance(problem, PermissionError):
        return CannotStart(f"the worker may not execute the shell {phase.shell}")
    if problem.errno == errno.E2BIG:
        return CannotStart("the variables are together larger than this system hands to a process")
    return CannotStart(f"the shell {phase.shell} could not be started: {problem.strerror}")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")

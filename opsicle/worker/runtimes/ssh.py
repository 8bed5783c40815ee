"""Running a job's phases on its target, over SSH; see docs/targets.md."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from opsicle.domain.files import FOLDER
from opsicle.domain.templates import ResourceLimits, When
from opsicle.domain.workers import SSH
from opsicle.wire.jobs import TargetAccess, Work
from opsicle.worker import process
from opsicle.worker.artifact_sources import NotTaken
from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.container_options import exceeded_in_container
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.pausing import FolderElsewhere
from opsicle.worker.phase_shell import phase_environment
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.process_limits import exceeded_by_exit, too_many_processes
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script, is_posix_shell
from opsicle.worker.ssh_artifacts import SshArtifacts
from opsicle.worker.ssh_connection import (
    NO_JOB,
    SshConnection,
    SshFiles,
    local_environment,
)
from opsicle.worker.ssh_containers import RemoteContainer
from opsicle.worker.ssh_results import RemoteResult, read_result
from opsicle.worker.ssh_scripts import (
    PHASE_COMMAND,
    RESULT_BYTES,
    RESULT_COMMAND,
    PhaseStart,
    RemoteFolder,
)
from opsicle.worker.ssh_stop import SshStop
from opsicle.worker.ssh_task_limits import prepare_task_limit
from opsicle.worker.ssh_workspace import RemoteWorkspace
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace

_FOLLOW = """\
nonce=$1 bytes=$2 phase=$3 result=$4 files=$5 unpack=$6
shift 6
if [ -n "$files" ] && ! tar -C "$files" -cf - . | "$@" "$unpack"; then
    echo "$nonce files" >"$JOB-result"
    exit 255
fi
if "$@" "$phase" <"$JOB-script"; then
    "$@" "$result" <"$JOB-fetch" 2>/dev/null | head -c "$bytes" >"$JOB-result"
fi
code=$(sed -n "s/^$nonce code \\([0-9]\\{1,3\\}\\) .*/\\1/p" "$JOB-result" | head -n 1)
exit "${code:-255}"
"""
"""What follows a phase on this side: its output comes as it is, and at last its exit code, which is
not ssh's, with what it has handed on."""

_SESSION = 'exec "$@" <"$JOB-fetch" 2>/dev/null'


class SshRuntime:
    """Runs phases on targets; see `Runtime` for the contract."""

    name = "ssh"
    kind = SSH
    limits_by = "rlimits on the target"

    def __init__(self) -> None:
        self._program = ""

    def unavailable_reason(self) -> str:
        """Look for the program."""
        self._program = shutil.which("ssh") or ""
        return "" if self._program else "there is no program `ssh`"

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        _account: OsAccount | None,
        private: PrivateFiles,
        cancellation: Cancellation,
    ) -> SshJob:
        """Return what runs this job's phases.

        ssh runs as the worker itself, whoever its jobs run as: nothing of this one runs here, and
        the others are not to get at its key.
        """
        assert work.target
        return SshJob(work, work.target, workspace, private, cancellation, self._program)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """Do nothing: ssh is a process with the job's mark, which whoever finds those ends.

        With it, or with its worker, its connection ends, and the keeper at its other end ends what
        runs there.
        """
        return 0


class SshJob:
    """One job's use of its target; see `JobRuntime` for the contract.

    What a phase has started ends with it; a daemon is what made a session of its own.
    """

    def __init__(
        self,
        work: Work,
        target: TargetAccess,
        workspace: Workspace,
        private: PrivateFiles,
        cancellation: Cancellation,
        program: str,
    ) -> None:
        self._work = work
        self._target = target
        self._workspace = workspace
        self._cancellation = cancellation
        self._files = SshFiles(private, target)
        self._program = program
        self._remote = RemoteWorkspace(work, target, self._files, program)
        self._child: Child | None = None
        self._results: dict[str, Path] = {}
        self._tries = 0  # in containers
        self._problem = ""  # that kept the last try from running

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is added to PATH, HOME, LANG and TZ of the login.

        What lies in the job's folder on the target is named when that is known. Where the phase's
        outputs and summary belong on this side is kept for `fetch_result`.
        """
        named = {name: path for name, path in private.items() if name != "OPSICLE_MASK"}
        self._results = {
            file: Path(private[name])
            for name, file in (("OPSICLE_OUTPUT", "output"), ("OPSICLE_SUMMARY", "summary"))
        }
        return phase_environment(self._work, phase, {}, self._workspace.path, named, outputs)

    def shell_streams(self, phase: int, _pipes: NamedPipes) -> ShellStreams:
        """Return the pipes on the target. Blocks as `start` does. Raises CannotStart."""
        return self._connect(phase).folder.streams

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Start a phase. Blocks while it connects. Raises CannotStart."""
        connection = self._connect(phase)
        self._remote.require_kept(phase)
        folder = connection.folder
        asked = self._work.phases[phase]
        try:
            start = self._phase_start(phase, folder, environment, script)
            content = folder.phase_script(start, script.text, asked.working_directory or ".")
            command = self._files.arguments(self._program)
            self._files.write("script", content)
            self._files.write("fetch", folder.result_script())
            self._files.write("result", b"")
        except ValueError:
            raise CannotStart("a command or a variable contains a NUL byte") from None
        except OSError as problem:
            raise CannotStart(f"the files for ssh could not be made: {problem.strerror}") from None

        constants = [folder.nonce, str(RESULT_BYTES), PHASE_COMMAND, RESULT_COMMAND]
        constants += [self._files_to_carry(), folder.unpack_command()]
        argv = ["/bin/sh", "-c", _FOLLOW, "sh", *constants, *command]
        self._child = child = self._spawn(argv)
        self._remote.note_start(phase, connection)
        return child

    def _phase_start(
        self, phase: int, folder: RemoteFolder, environment: Mapping[str, str], script: Script
    ) -> PhaseStart:
        """Return how a phase is started. Raises CannotStart, ValueError for a NUL byte."""
        asked = self._work.phases[phase]
        at = str(folder.path / "script")
        shell = [asked.shell, "-e", at] if is_posix_shell(asked.shell) else [asked.shell, at]
        secrets = {f"secret.{name}": self._work.secret_values[name] for name in asked.secrets}
        seen = folder.environment(environment, self._work.files)
        if asked.image is not None:
            self._tries += 1
            container = RemoteContainer(self._work, phase, folder, self._tries)
            pipes = folder.pipes if script.word else None
            argv = [each.encode() for each in shell]
            start_in = asked.working_directory or "."
            return container.start(argv, seen, secrets, start_in, pipes)

        limits = asked.limits or ResourceLimits()
        if limits.nice is not None:
            shell = ["nice", "-n", str(limits.nice), *shell]
        prepare = prepare_task_limit(limits.processes) if limits.processes else ""
        return PhaseStart([each.encode() for each in shell], seen, secrets, limits, prepare)

    def fetch_result(self, phase: int, _exit_code: int) -> str:
        """Take what a try has left out of its answer; without one, nobody knows how it ended."""
        assert self._remote.used
        nonce = self._remote.used.folder.nonce
        self._problem = ""
        result = read_result(self._files.path("result"), nonce, self._results)
        if result is RemoteResult.LOST:
            return self._lost()
        if result is RemoteResult.TOO_MANY_PROCESSES:
            self._problem = too_many_processes(self._work.phases[phase].limits)
        if result is RemoteResult.NO_FILES:
            self._remote.has_files = False
            self._problem = f"its files could not be carried over to {self._target.name}"
        return ""

    def left_files(self, phase: int) -> SshArtifacts:
        """Return the files in the workspace on the target, which the last try has left."""
        used = self._remote.used
        folder = used.folder if used else RemoteFolder(self._work.job_id, "")
        return SshArtifacts(
            folder, self._work.artifact_limits, self._start_session, lambda: self._is_cut(phase)
        )

    def limits_text(self, _phase: int) -> str:
        """Return nothing: they are rlimits of each process, as the documentation says."""
        return ""

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        """Return which limit an exit code tells of, or what it was that kept it from running."""
        asked = self._work.phases[phase]
        exceeded = exceeded_by_exit if asked.image is None else exceeded_in_container
        return self._problem or exceeded(asked.limits or ResourceLimits(), exit_code)

    def has_processes(self) -> bool:
        """Return False: each phase has ended what it had started."""
        return False

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> SshStop:
        """Begin to end what runs on the target."""
        return SshStop(self._remote.connection, self._child, grace_seconds)

    def leave(self) -> FolderElsewhere | None:
        """Let the folder wait on the target. One that was lost is not there to come back to."""
        return self._remote.leave()

    def come_back(self, folder: FolderElsewhere) -> None:
        """Go on in a folder that waits on the target."""
        self._remote.come_back(folder)

    def close(self) -> str:
        """End the connection. Return why the job's folder is left on the target."""
        left = self._remote.close()
        self._files.remove()
        return left

    def _is_cut(self, phase: int) -> bool:
        """Return whether a cancel ends this phase."""
        is_ended_by_it = self._work.phases[phase].when is When.SUCCESS
        return is_ended_by_it and self._cancellation.requested

    def _connect(self, phase: int) -> SshConnection:
        return self._remote.connect(phase, lambda: self._is_cut(phase))

    def _files_to_carry(self) -> str:
        """Return where the job's files are that are not on the target yet; "" if none are."""
        if not self._work.files or self._remote.has_files:
            return ""
        self._remote.has_files = True
        return str(self._workspace.path / FOLDER)

    def _start_session(self, script: bytes) -> Child:
        """Run a short script there, beside what runs. Raises OSError, NotTaken."""
        open_one = self._remote.connection
        if not (open_one and open_one is self._remote.used and open_one.is_alive):
            raise NotTaken(f"there is no connection to {self._target.name} any more")
        try:
            command = self._files.arguments(self._program)
            self._files.write("fetch", script)
            return self._spawn(["/bin/sh", "-c", _SESSION, "sh", *command, RESULT_COMMAND])
        except CannotStart as problem:
            raise NotTaken(str(problem)) from None

    def _lost(self) -> str:
        """Give the connection up, and return that nobody can say how the try ended."""
        reason = self._remote.give_up()
        why = f": {reason}" if reason else ""
        return (
            f"the connection to {self._target.name} was lost while it ran, "
            f"so that nobody can say what it did{why}"
        )

    def _spawn(self, argv: list[str]) -> Child:
        """Start a shell beside ssh's files. Raises CannotStart."""
        environment = local_environment(self._work.job_id)
        environment[b"JOB"] = os.fsencode(self._files.path("").name.removesuffix("-"))
        try:
            return process.spawn(
                [os.fsencode(argument) for argument in argv],
                environment,
                self._files.folder,
                NO_JOB,
            )
        except OSError as problem:
            raise CannotStart(f"ssh could not be started: {problem.strerror}") from None

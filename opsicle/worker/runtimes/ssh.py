"""Running a job's phases on its target, over SSH; see docs/targets.md."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath

from opsicle.domain.files import FOLDER
from opsicle.domain.templates import ResourceLimits, When
from opsicle.domain.workers import SSH
from opsicle.wire.jobs import TargetAccess, Work
from opsicle.worker import process
from opsicle.worker.input_files import file_environment
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.phase_shell import phase_environment
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child, OsAccount
from opsicle.worker.process_limits import exceeded_by_exit
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script, is_posix_shell
from opsicle.worker.ssh_connection import (
    NO_JOB,
    SSH_FAILED,
    SshConnection,
    SshFiles,
    local_environment,
)
from opsicle.worker.ssh_scripts import PHASE_COMMAND, RESULT_BYTES, RESULT_COMMAND
from opsicle.worker.workspace import Workspace

_SECONDS_BEYOND_GRACE = 30.0
"""How long the target may take, after the grace, to end what runs and to remove what is left."""

_LOOK_SECONDS = 0.05
"""How often it is looked whether the target has ended what it was told to end."""

_STOPPED = re.compile(r"stopped ([0-9]{1,9})")
"""What the keeper answers to `stop`. A target may say anything else, which is no answer."""

_FOLLOW = """\
nonce=$1 marks=$2 here=$3 bytes=$4 phase=$5 result=$6 files=$7 unpack=$8
shift 8
if [ -n "$files" ] && ! tar -C "$files" -cf - . | "$@" "$unpack"; then
    echo "$nonce files" >"$JOB-result"
    exit 255
fi
if [ -n "$marks" ]; then
    "$@" "exec cat $marks" </dev/null >>"$here" 2>/dev/null & relay=$!
fi
if "$@" "$phase" <"$JOB-script"; then
    [ -z "$marks" ] || wait "$relay"
    "$@" "$result" <"$JOB-fetch" 2>/dev/null | head -c "$bytes" >"$JOB-result"
elif [ -n "$marks" ]; then
    kill "$relay"
fi
code=$(sed -n "s/^$nonce code \\([0-9]\\{1,3\\}\\) .*/\\1/p" "$JOB-result" | head -n 1)
exit "${code:-255}"
"""
"""What follows a phase on this side: its output comes as it is, its boundaries of commands into the
job's own pipe, and at last its exit code, which is not ssh's, with what it has handed on."""


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
    ) -> SshJob:
        """Return what runs this job's phases.

        ssh runs as the worker itself, whoever its jobs run as: nothing of this one runs here, and
        the others are not to get at its key.
        """
        assert work.target
        return SshJob(work, work.target, workspace, private, self._program)

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
        program: str,
    ) -> None:
        self._work = work
        self._target = target
        self._workspace = workspace
        self._private = private
        self._files = SshFiles(private, target)
        self._program = program
        self._connection: SshConnection | None = None
        self._child: Child | None = None
        self._used: SshConnection | None = None  # by the try that was started last
        self._first_phase: int | None = None  # that was started
        self._results: dict[str, Path] = {}
        self._problem = ""  # that kept the last try from running
        self._left_there: list[str] = []
        self._carried_over: SshConnection | None = None  # for which the job's files are there

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is added to PATH, HOME, LANG and TZ of the login.

        What lies in the job's folder on the target is named when that is known. Where the phase's
        outputs and summary belong on this side is kept for `settle`.
        """
        named = {name: path for name, path in private.items() if name != "OPSICLE_MASK"}
        self._results = {
            file: Path(private[name])
            for name, file in (("OPSICLE_OUTPUT", "output"), ("OPSICLE_SUMMARY", "summary"))
        }
        return phase_environment(self._work, phase, {}, self._workspace.path, named, outputs)

    def marks_path(self, _path: Path) -> PurePath:
        """Return the pipe on the target."""
        return self._connected().folder.marks

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Start a phase. Blocks while it connects. Raises CannotStart."""
        connection = self._connected()
        self._require_workspace(phase, connection)
        folder = connection.folder
        asked = self._work.phases[phase]
        at = str(folder.path / "script")
        arguments = [asked.shell, "-e", at] if is_posix_shell(asked.shell) else [asked.shell, at]
        if (limits := asked.limits or ResourceLimits()).nice is not None:
            arguments = ["nice", "-n", str(limits.nice), *arguments]
        secrets = {f"secret.{name}": self._work.secrets[name] for name in asked.secrets}

        try:
            content = folder.phase_script(
                [argument.encode() for argument in arguments],
                script.text,
                self._as_seen_there(environment),
                secrets,
                limits,
                asked.working_directory or ".",
            )
            command = self._files.arguments(self._program)
            self._files.write("script", content)
            self._files.write("fetch", folder.result_script())
            self._files.write("result", b"")
        except ValueError:
            raise CannotStart("a command or a variable contains a NUL byte") from None
        except OSError as problem:
            raise CannotStart(f"the files for ssh could not be made: {problem.strerror}") from None

        marks = str(folder.marks) if str(folder.marks).encode() in script.text else ""
        pipe = str(self._workspace.sibling("marks"))
        constants = [folder.nonce, marks, pipe, str(RESULT_BYTES), PHASE_COMMAND, RESULT_COMMAND]
        constants += [self._files_to_carry(connection), folder.unpack_command()]
        argv = ["/bin/sh", "-c", _FOLLOW, "sh", *constants, *command]
        self._child, self._used = self._spawn(argv), connection
        if self._first_phase is None:
            self._first_phase = phase
        return self._child

    def settle(self, _phase: int, _exit_code: int) -> str:
        """Take what a try has left out of its answer; without one, nobody knows how it ended."""
        assert self._used
        nonce = self._used.folder.nonce
        self._problem = ""
        try:
            answer = self._files.path("result").read_bytes()
            if answer == f"{nonce} files\n".encode():
                self._carried_over = None
                self._problem = f"its files could not be carried over to {self._target.name}"
                return ""
            _, found, rest = answer.partition(f"\n{nonce} code ".encode())
            facts, _, content = rest.partition(b"\n")
            _, size, of_summary = map(int, facts.split())
            for file, length in (("output", size), ("summary", of_summary)):
                _put(self._results[file], content[:length] if length >= 0 else None)
                content = content[max(0, length) :]
        except (OSError, ValueError):
            found = b""
        return "" if found else self._lost()

    def limits_text(self, _phase: int) -> str:
        """Return nothing: they are rlimits of each process, as the documentation says."""
        return ""

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        """Return which limit an exit code tells of, or what it was that kept it from running."""
        return self._problem or exceeded_by_exit(
            self._work.phases[phase].limits or ResourceLimits(), exit_code
        )

    def has_processes(self) -> bool:
        """Return False: each phase has ended what it had started."""
        return False

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> SshStop:
        """Begin to end what runs on the target."""
        return SshStop(self._connection, self._child, grace_seconds)

    def close(self) -> str:
        """End the connection. Return why the job's folder is left on the target."""
        connection, self._connection = self._connection, None
        if connection:
            self._left_there.append(connection.close(_SECONDS_BEYOND_GRACE))
        return "; ".join(filter(None, self._left_there))

    def _connected(self) -> SshConnection:
        """Return the job's connection; another one where that was lost. Raises CannotStart."""
        if self._connection and not self._connection.is_alive:
            self.close()
        if self._connection is None:
            try:
                self._connection = SshConnection(
                    self._target, self._work.job_id, self._files, self._program
                )
            except OSError as problem:
                raise CannotStart(
                    f"the files for ssh could not be made: {problem.strerror}"
                ) from None
        return self._connection

    def _require_workspace(self, phase: int, connection: SshConnection) -> None:
        """Raise CannotStart where what earlier phases have left is gone with their connection.

        The first one finds on a new connection what it found before, and cleaning up is better done
        without than not at all.
        """
        is_kept = self._used in {None, connection} or phase == self._first_phase
        if not is_kept and self._work.phases[phase].when is When.SUCCESS:
            raise CannotStart(
                f"the connection to {self._target.name} was lost before it began, "
                "and with it the workspace of the phases before, so nothing was run",
                SSH_FAILED,
            )

    def _files_to_carry(self, connection: SshConnection) -> str:
        """Return where the job's files are that are not on the target yet; "" if none are."""
        if not self._work.files or self._carried_over is connection:
            return ""
        self._carried_over = connection
        return str(self._workspace.path / FOLDER)

    def _lost(self) -> str:
        """Give the connection up, and return that nobody can say how the try ended."""
        connection = self._used
        assert connection
        connection.give_up()
        why = f": {connection.reason}" if connection.reason else ""
        return (
            f"the connection to {self._target.name} was lost while it ran, "
            f"so that nobody can say what it did{why}"
        )

    def _as_seen_there(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with the paths of the target in the place of those here."""
        assert self._connection
        folder, seen = self._connection.folder, dict(environment)
        seen |= {
            name: path
            for name, path in file_environment(self._work.files, folder.workspace).items()
            if name in environment
        }
        seen["OPSICLE_WORKSPACE"] = str(folder.workspace)
        for name in environment:
            if name in {"OPSICLE_OUTPUT", "OPSICLE_SUMMARY"}:
                seen[name] = str(folder.private(name.removeprefix("OPSICLE_").lower()))
            elif name.startswith("OPSICLE_SECRET_FILE_"):
                seen[name] = str(
                    folder.private(f"secret.{environment[name].rpartition('secret.')[2]}")
                )
        return seen

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


def _put(path: Path, content: bytes | None) -> None:
    """Leave here what was left on the target: a file, or something (None) that is none."""
    if content is None:
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(content)


class SshStop:
    """Lets the keeper end what runs on the target; see `Stop` for the contract."""

    def __init__(
        self, connection: SshConnection | None, child: Child | None, grace_seconds: float
    ) -> None:
        self.survivors = 0
        self._connection = connection
        self._child = child if child and child.exit_status is None else None
        self._is_stopped = self._child is None
        self._give_up_at = time.monotonic() + grace_seconds + _SECONDS_BEYOND_GRACE
        if connection and self._child:
            connection.tell(f"stop {round(grace_seconds + 0.49)}")

    def turn(self, now: float) -> float | None:
        """Do what is due at `now`, and return when to call again, or None once all is over."""
        for answer in self._connection.answers() if self._connection else ():
            if found := _STOPPED.fullmatch(" ".join(answer)):
                self._is_stopped = True
                self.survivors = int(found[1])
        has_ended = self._child is None or self._child.has_ended()
        if has_ended and (self._is_stopped or not (self._connection and self._connection.is_alive)):
            self._note_unstopped()
            return None
        if now >= self._give_up_at:
            self._cut()
            return None
        return now + _LOOK_SECONDS

    def _cut(self) -> None:
        """Let go of a target that does not answer."""
        if self._connection:
            self._connection.kill()
        if self._child and not self._child.has_ended():
            with suppress(OSError):
                os.killpg(self._child.pid, signal.SIGKILL)
        self._note_unstopped()

    def _note_unstopped(self) -> None:
        if not self._is_stopped:
            self.survivors = max(1, self.survivors)

"""Running a phase as a job of Slurm; see docs/slurm.md."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from opsicle.domain.outputs import MAX_OUTPUT_FILE_BYTES
from opsicle.domain.templates import SlurmOptions
from opsicle.domain.workers import SLURM
from opsicle.wire.jobs import Work
from opsicle.worker import engine_calls, process
from opsicle.worker.cluster_stop import ClusterStop
from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.phase_results import put_left, read_left
from opsicle.worker.phase_shell import folder_of, phase_environment, shell_arguments
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.runtimes.cluster import ClusterJob, end_unfollowed
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script
from opsicle.worker.slurm_ends import read_end
from opsicle.worker.slurm_scripts import FOLLOW, batch_script, first_script, streams
from opsicle.worker.slurm_stop import STOP, list_jobs, slurm_name
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace, remove_folder

log = logging.getLogger(__name__)

_PROGRAMS = ("sbatch", "scancel", "scontrol", "squeue")
_DEFAULTS = (
    "PARTITION",
    "ACCOUNT",
    "QOS",
    "TIMELIMIT",
    "MEM_PER_NODE",
    "RESERVATION",
    "CONSTRAINT",
)
"""What a worker may be started with, each as SBATCH_…, for phases that do not say."""

_ASK_TENTHS = 100
"""How often Slurm is asked for a job that runs, in tenths of a second."""

_NO_JOB = 1
"""The tag of what is found by its environment (see process.py)."""


class SlurmRuntime:
    """Runs each phase as a job of Slurm; see `Runtime` for the contract."""

    name = "slurm"
    kind = SLURM
    limits_by = "Slurm"

    def unavailable_reason(self) -> str:
        """Look for the programs, and ask the cluster."""
        for program in _PROGRAMS:
            if shutil.which(program) is None:
                return f"there is no program `{program}`"
        answer = engine_calls.call("squeue", "--noheader", "--states=SUSPENDED")
        return f"`squeue` does not work: {answer.reason}" if answer.exit_code else ""

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        _private: PrivateFiles,
        _cancellation: Cancellation,
    ) -> SlurmJob:
        """Return what runs this job's phases."""
        return SlurmJob(work, workspace, account)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End what Slurm has of a job, by its name.

        What Slurm has not even been given yet finds nothing that it could begin (see cleanup.py);
        what followed it here carries the job's mark, by which others end it.
        """
        try:
            if not list_jobs(job_id):
                return 0
            return end_unfollowed(STOP, slurm_name(job_id), grace_seconds)
        except OSError as problem:
            facts = {"job_id": job_id, "reason": str(problem)}
            log.warning("what Slurm has of a job cannot be listed", extra=facts)
            return 0


class SlurmJob(ClusterJob):
    """One job's phases in Slurm; see `JobRuntime` for the contract.

    Each try is a job of Slurm.
    """

    def __init__(self, work: Work, workspace: Workspace, account: OsAccount | None) -> None:
        super().__init__(work, workspace.sibling("slurm"))
        self._workspace = workspace
        self._account = account

    @property
    def _try_folder(self) -> Path:
        return self._folder / str(self._tries)

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is added to what Slurm sets on the node.

        Private files are where the nodes see them.
        """
        self._tries += 1
        names = self._take_private(private)
        there = {variable: str(self._try_folder / name) for variable, name in names.items()}
        base = {"LANG": os.environ.get("LANG") or "C.UTF-8"}
        return phase_environment(self._work, phase, base, self._workspace.path, there, outputs)

    def shell_streams(self, _phase: int, _pipes: NamedPipes) -> ShellStreams:
        """Return the files of the try that comes next."""
        return streams(self._folder / str(self._tries + 1))

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Hand a phase to Slurm. Raises CannotStart."""
        asked = self._work.phases[phase]
        folder = self._try_folder
        try:
            arguments = shell_arguments(asked, script, self._workspace)
            start_in = folder_of(asked, self._workspace)
            first = first_script(folder, start_in, environment, arguments)
            self._make_folder(first)
            self._child = self._follow(phase)
        except ValueError as problem:
            reason = str(problem)
            if "null byte" in reason:
                reason = "a command or a variable contains a NUL byte"
            raise CannotStart(reason) from None
        except OSError as problem:
            raise CannotStart(f"the job of Slurm could not be made: {problem.strerror}") from None
        self._is_running = True
        return self._child

    def _make_folder(self, first: bytes) -> None:
        """Make the folder of a try, which only whoever runs the job can open.

        The one that it lies in stays ours: else a job could have us read through a link of its own.
        """
        if problem := remove_folder(self._folder):
            raise ValueError(problem)
        self._folder.mkdir(mode=0o700)
        if self._account:
            self._folder.chmod(0o711)
        self._try_folder.mkdir(mode=0o700)
        contents = {"first": first, "batch": batch_script(self._try_folder)}
        contents |= dict.fromkeys(("out", "err"), b"")
        contents |= {name: path.read_bytes() for name, path in self._private.items()}

        for name, content in contents.items():
            path = self._try_folder / name
            path.touch(mode=0o600)
            path.write_bytes(content)
            self._workspace.hand_over(path)
        self._workspace.hand_over(self._try_folder)

    def _follow(self, phase: int) -> Child:
        options = sbatch_options(self._work, phase, self._try_folder)
        argv = ["/bin/sh", "-c", FOLLOW, "sh", str(_ASK_TENTHS), *options]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            "OPSICLE_JOB_ID": self._work.job_id,
            "FOLDER": str(self._try_folder),
        }
        given = ("SLURM_CONF", *(f"SBATCH_{name}" for name in _DEFAULTS))
        environment |= {name: os.environ[name] for name in given if name in os.environ}
        return process.spawn(
            list(map(os.fsencode, argv)),
            {os.fsencode(name): os.fsencode(value) for name, value in environment.items()},
            Path("/"),
            _NO_JOB,
            self._account,
        )

    def fetch_result(self, phase: int, _exit_code: int) -> str:
        """Take outputs and summary from where the node has left them; see how it ended."""
        folder = self._try_folder
        try:
            for name in ("output", "summary"):
                put_left(self._private[name], _left(folder / name))
            end = read_end(folder)
        except OSError as problem:
            self._problem = ""
            return f"{folder} cannot be read any more: {problem.strerror}"
        self._is_running = not end.is_gone
        self._problem = end.problem_text(self._asked(phase), self._folder)
        return end.lost_text()

    def _asked(self, phase: int) -> SlurmOptions:
        return self._work.phases[phase].slurm or SlurmOptions()

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> ClusterStop:
        """Begin to end what Slurm has of the job. What has not begun cannot any more."""
        with suppress(OSError):
            (self._try_folder / "first").unlink()
        return self._begin_stop(STOP, slurm_name(self._work.job_id), grace_seconds)


def sbatch_options(work: Work, phase: int, folder: Path) -> Iterator[str]:
    """Yield what Slurm is told of a phase: nothing of it is a value that could be secret."""
    asked = work.phases[phase].slurm or SlurmOptions()
    yield from (
        "--parsable",
        f"--job-name={slurm_name(work.job_id)}",
        f"--comment=opsicle {work.automation_id} {phase}",
        "--no-requeue",
        "--export=NIL",
        "--propagate=NONE",
        "--nodes=1",
        "--ntasks=1",
        "--chdir=/",
        "--open-mode=append",
        f"--output={folder}/out",
        f"--error={folder}/err",
    )
    told = {
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "time": asked.time and math.ceil(asked.time / 60),
        "cpus-per-task": asked.cpus,
        "mem": asked.memory_mib and f"{asked.memory_mib}M",
    }
    yield from (f"--{option}={value}" for option, value in told.items() if value)


def _left(path: Path) -> bytes | None:
    """Return what a phase has left in a file, None if that is none any more."""
    try:
        return read_left(path, MAX_OUTPUT_FILE_BYTES + 1)
    except OSError:
        return None

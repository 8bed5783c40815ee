"""What a way to run phases offers to the runner and the worker, which know no more of it than this.

A `Runtime` is one for the whole worker; a `JobRuntime` is what it makes for one job that uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from opsicle.wire.jobs import Work
from opsicle.worker.artifact_sources import ArtifactSource
from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.pausing import FolderElsewhere
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.script import Script
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace

GRACE_SECONDS = 10.0
"""How long processes that were told to end (TERM) may take before they are killed."""

_CANNOT_EXECUTE = 126  # the exit code that shells use


class CannotStart(Exception):
    """A phase could not be started; the text says why, `exit_code` is what a shell would say."""

    def __init__(self, reason: str, exit_code: int = _CANNOT_EXECUTE) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class StartCancelled(CannotStart):
    """A phase was not started, as its job is being cancelled."""

    def __init__(self) -> None:
        super().__init__("cancelled before it began")


class Stop(Protocol):
    """The ending of what runs of a job, over time: told to end (TERM), a grace, then killed.

    It has begun when it exists. Belongs to the job's thread.
    """

    @property
    def survivors(self) -> int:
        """How many processes (or containers) could not be ended, once `turn` has said None."""

    def turn(self, now: float) -> float | None:
        """Do what is due at `now`, and return when to call again, or None once all is over.

        Both are monotonic seconds. Never blocks for long: the job's output is read between two
        calls. It is over in bounded time, whatever does not die.
        """


class JobRuntime(Protocol):
    """One job's use of a runtime.

    All its methods are called by the thread that carries out the job.

    Phases are named by their number in the job's work. What was started is ended through `stop`;
    the workspace is removed by whoever has made it.
    """

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the whole environment of a phase, as the template format promises it.

        `private` are the variables that name its private files, `outputs` those that earlier phases
        have handed on; they, and what tells of the job, win over what the template says. Called
        once for every try of a phase; starts nothing.
        """

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Start a phase, and return the process whose output and exit code are the phase's.

        The caller reads both pipes and closes them, and calls `wait` once the process has ended;
        `process.spawn` makes such a process. Values never go into its arguments. A runtime with a
        file system of its own shows the phase, at the same paths, the workspace and what the
        script and the environment name: its pipes, private files.

        Raises CannotStart, and then nothing runs that was not running before; StartCancelled where
        a cancel that ends this phase came meanwhile. An earlier phase's background processes may be
        alive.
        """

    def shell_streams(self, phase: int, pipes: NamedPipes) -> ShellStreams | None:
        """Return how a phase's shell reaches its two streams at any time, to set markers in them.

        None where it cannot. A runtime that makes the `pipes` has `start` print into them. Raises
        CannotStart.
        """

    def fetch_result(self, phase: int, exit_code: int) -> str:
        """Bring here what a try has left, now that its process has ended with `exit_code`.

        Its files are where the environment's `private` said. Returns why nobody can say how it
        ended; "" if that is known. Called once for each try, before `exceeded_limit`.
        """

    def left_files(self, phase: int) -> ArtifactSource | None:
        """Return where the files are that a phase has left; None: in the workspace here."""

    def limits_text(self, phase: int) -> str:
        """Return the limits of the phase that was started last, and by what they are kept.

        For the job's log; "" where the phase has none.
        """

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        """Return which limit a try of a phase has hit, as far as that is known; "" if none.

        Asked once for each try, when its process has ended with `exit_code`. A phase of which
        something is told here has failed, whatever it exits with.
        """

    def has_processes(self) -> bool:
        """Return whether anything still runs that the phases have started, daemons aside.

        Asked at each job's end and before each retry, when no phase runs: to be cheap.
        """

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> Stop:
        """Begin to end all that runs of this job, in every phase.

        `keep_daemons` leaves alone what made itself independent of its phase, where the runtime
        allows that. With a grace of 0 it is killed at once. May be called again, also before an
        earlier stop is over, and when nothing runs.
        """

    def leave(self) -> FolderElsewhere | None:
        """Let go of a job that waits for people; return its folder, where that is not here.

        No phase of it runs then. If it goes on at once, that is as if it had come back. Takes
        bounded time.
        """

    def come_back(self, folder: FolderElsewhere) -> None:
        """Go on in the folder that an earlier run of this job has left. Before any other method."""

    def close(self) -> str:
        """Let go of what belongs to the job as a whole, when no phase of it runs any more.

        Return what of it is left behind, for people; "" if nothing is. Takes bounded time.
        Harmless to call again.
        """


class Runtime(Protocol):
    """A way to run phases. Its methods may be called from any thread, and several at once.

    `name` is its own (`subprocess`, `podman`), for logs. `kind` is what phases ask for and the
    worker announces to its server (see `domain/workers.py: runtime_of`); of several runtimes of a
    kind the first that is available is used. `limits_by` says by what it keeps the limits of
    phases, once it was asked whether it is available.
    """

    @property
    def name(self) -> str:
        """What logs call it."""

    @property
    def kind(self) -> str:
        """What phases it is for."""

    @property
    def limits_by(self) -> str:
        """By what it keeps the limits of phases, for people."""

    def unavailable_reason(self) -> str:
        """Return why it cannot run phases on this machine, for people; "" if it can.

        Asked once, when the worker starts, before any other method. May take seconds; leaves
        nothing behind.
        """

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        private: PrivateFiles,
        cancellation: Cancellation,
    ) -> JobRuntime:
        """Return what runs this job's phases, as `account`'s user if one is given.

        `cancellation` is for what blocks in a method; the runner ends what it has started. What is
        written into `private` goes at the end of each try, as a phase's secrets do.

        Called once for a job, and only if it has a phase for this runtime. The workspace exists.
        Starts nothing and makes nothing: there is no counterpart that would undo it.
        """

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End and remove what is left of a job, and return how many could not be ended.

        For a job that an earlier run of the worker has run, of which only its id is known and
        `last_child`, the process that `start` has returned last, if that was noted; any runtime
        may have started it. Also to kill what a job of this run runs while the worker ends: so
        the job's own thread may be in any other method.

        Blocks for the grace and some seconds. Safe to call twice, and for jobs that it never saw.
        """

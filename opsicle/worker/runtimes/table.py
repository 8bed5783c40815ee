"""The runtimes of a worker, and one job's use of them: its phases may need several."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from opsicle.domain.workers import runtime_of
from opsicle.wire.jobs import Work
from opsicle.worker.artifact_sources import ArtifactSource
from opsicle.worker.command_markers import ShellStreams
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.pausing import FolderElsewhere
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.runtimes.protocol import GRACE_SECONDS, JobRuntime, Runtime, Stop
from opsicle.worker.script import Script
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace


class Runtimes:
    """The runtimes that are available here, by the kind of phase that each is for. Never changes.

    `unavailable` says why the others are not, by their names.
    """

    def __init__(self, known: Iterable[Runtime]) -> None:
        """Ask each of the known runtimes whether it is available, which may take seconds."""
        self._by_kind: dict[str, Runtime] = {}
        self.unavailable: dict[str, str] = {}
        for runtime in known:
            if reason := runtime.unavailable_reason():
                self.unavailable[runtime.name] = reason
            else:
                self._by_kind.setdefault(runtime.kind, runtime)

    @property
    def names(self) -> tuple[str, ...]:
        """Those that are used, for logs."""
        return tuple(runtime.name for runtime in self._by_kind.values())

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the worker announces to its server."""
        return tuple(self._by_kind)

    @property
    def limits_by(self) -> dict[str, str]:
        """By what each kind of phase has its limits kept."""
        return {kind: runtime.limits_by for kind, runtime in self._by_kind.items()}

    def get(self, kind: str) -> Runtime:
        """Return the runtime for phases of a kind. Raises KeyError if there is none."""
        return self._by_kind[kind]

    def sweep(
        self,
        job_id: str,
        last_child: ChildProcess | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> int:
        """End and remove what any runtime has left of a job; see `Runtime.sweep`."""
        return sum(
            runtime.sweep(job_id, last_child, grace_seconds) for runtime in self._by_kind.values()
        )


class JobRuntimes:
    """One job's use of the runtimes that its phases need, each opened at its first phase.

    Belongs to the job's thread, as a `JobRuntime` does, whose contract its methods share.
    """

    def __init__(
        self,
        runtimes: Runtimes,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        private: PrivateFiles,
        cancellation: Cancellation,
    ) -> None:
        self._runtimes = runtimes
        self._work = work
        self._workspace = workspace
        self._account = account
        self._private = private
        self._cancellation = cancellation
        self._opened: dict[str, JobRuntime] = {}

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the whole environment of a phase."""
        return self._for(phase).environment(phase, private, outputs)

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Start a phase. Raises CannotStart."""
        return self._for(phase).start(phase, script, environment)

    def shell_streams(self, phase: int, pipes: NamedPipes) -> ShellStreams | None:
        """Return how a phase's shell reaches its two streams at any time. Raises CannotStart."""
        return self._for(phase).shell_streams(phase, pipes)

    def fetch_result(self, phase: int, exit_code: int) -> str:
        """Bring here what a try has left, and return why nobody can say how it ended."""
        return self._for(phase).fetch_result(phase, exit_code)

    def left_files(self, phase: int) -> ArtifactSource | None:
        """Return where the files are that a phase has left; None: in the workspace here."""
        return self._for(phase).left_files(phase)

    def limits_text(self, phase: int) -> str:
        """Return the limits of the phase that was started last, and by what they are kept."""
        return self._for(phase).limits_text(phase)

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        """Return which limit a try of a phase has hit, as far as that is known."""
        return self._for(phase).exceeded_limit(phase, exit_code)

    def has_processes(self) -> bool:
        """Return whether anything still runs that the phases have started, daemons aside."""
        return any(runtime.has_processes() for runtime in self._opened.values())

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> Stop:
        """Begin to end all that runs of this job, in every runtime at once."""
        opened = self._opened.values()
        return _StopAll(
            [runtime.stop(grace_seconds, keep_daemons=keep_daemons) for runtime in opened]
        )

    def leave(self) -> FolderElsewhere | None:
        """Let go of a job that waits for people; return its folder, where that is not here."""
        return next(filter(None, [runtime.leave() for runtime in self._opened.values()]), None)

    def come_back(self, phase: int, folder: FolderElsewhere) -> None:
        """Go on at a phase in the folder that an earlier run of this job has left."""
        self._for(phase).come_back(folder)

    def close(self) -> str:
        """Let go of what belongs to the job as a whole; return what is left behind."""
        return "; ".join(filter(None, [runtime.close() for runtime in self._opened.values()]))

    def kill(self) -> int:
        """Kill all that runs of this job, and block until it is gone.

        Returns how many could not be killed.
        """
        stop = self.stop(grace_seconds=0)
        while (look_at := stop.turn(time.monotonic())) is not None:
            time.sleep(max(0.0, look_at - time.monotonic()))
        return stop.survivors

    def _for(self, phase: int) -> JobRuntime:
        kind = runtime_of(self._work.phases[phase], on_target=self._work.target is not None)
        if kind not in self._opened:
            runtime = self._runtimes.get(kind)
            self._opened[kind] = runtime.open_job(
                self._work, self._workspace, self._account, self._private, self._cancellation
            )
        return self._opened[kind]


class _StopAll:
    """Several stops that go on beside each other."""

    def __init__(self, stops: list[Stop]) -> None:
        self._stops = stops
        self._pending = stops

    @property
    def survivors(self) -> int:
        return sum(stop.survivors for stop in self._stops)

    def turn(self, now: float) -> float | None:
        due = [(stop.turn(now), stop) for stop in self._pending]
        self._pending = [stop for at, stop in due if at is not None]
        return min((at for at, _ in due if at is not None), default=None)

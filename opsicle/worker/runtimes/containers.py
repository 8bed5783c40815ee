"""Running a phase in a container of its own, by podman or docker; see docs/containers.md."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from opsicle.domain.templates import Phase, Pull, ResourceLimits
from opsicle.domain.workers import CONTAINER
from opsicle.wire.jobs import Work
from opsicle.worker import engine_calls
from opsicle.worker.container_mounts import mount, resolve
from opsicle.worker.container_options import (
    ENGINE_OPTIONS,
    JOB_LABEL,
    exceeded_in_container,
    run_options,
)
from opsicle.worker.container_script import TERM_ALL, TERMINATED, first_script
from opsicle.worker.container_stop import ContainersStop, RunningContainer
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.os_account import OsAccount
from opsicle.worker.phase_shell import folder_of, phase_environment, shell_arguments
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child, collect_orphans
from opsicle.worker.process_ids import instance_of, is_same_instance
from opsicle.worker.process_limits import described_limits
from opsicle.worker.runtimes.local_workspace import InLocalWorkspace
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.script import Script
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace

log = logging.getLogger(__name__)

_ENGINE_FAILED = 125  # what engines exit with when they could not run a container
_LOOK_SECONDS = 0.2
_ASK = {
    # Its `info` also asks the package manager for versions, which takes ten times as long.
    "podman": ("ps", "--quiet"),
    "docker": ("version", "--format", "{{range .Server.Components}}{{.Name}} {{end}}"),
}
"""What an engine is asked to learn whether it works."""


class ContainerRuntime:
    """Runs each phase in a container of an engine; see `Runtime` for the contract.

    `allowed_mounts` are folders of this machine, outside of workspaces, that containers may see.
    """

    kind = CONTAINER

    def __init__(self, engine: str, allowed_mounts: Sequence[Path] = ()) -> None:
        self.name = engine
        self._allowed_mounts = tuple(allowed_mounts)
        self._lock = threading.Lock()
        self._clients: dict[str, list[Child]] = {}

    @property
    def limits_by(self) -> str:
        """By what it keeps the limits of memory and processes."""
        return self.name

    def unavailable_reason(self) -> str:
        """Ask the engine."""
        if shutil.which(self.name) is None:
            return f"there is no program `{self.name}`"
        answer = engine_calls.call(self.name, *_ASK[self.name])
        if answer.exit_code:
            return f"`{self.name}` does not work: {answer.reason}"
        if self.name == "docker" and "podman" in answer.output.lower():
            # It tells docker's program that a container ended with 0, whatever that ended with.
            return "`docker` speaks with podman's service, which hides how a container ended"
        return ""

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        private: PrivateFiles,
        _cancellation: Cancellation,
    ) -> ContainerJob:
        """Return what runs this job's phases."""
        return ContainerJob(self, work, workspace, account, private)

    def start(self, job_id: str, arguments: Sequence[str | bytes]) -> Child:
        """Start the engine's program for a job, and remember it for a sweep. Raises OSError."""
        with self._lock:
            clients = self._clients.setdefault(job_id, [])
            clients[:] = [client for client in clients if client.exit_status is None]
            clients.append(client := engine_calls.start(arguments))
            for other in [key for key, each in self._clients.items() if _all_over(each)]:
                del self._clients[other]
        return client

    def mounts(self, work: Work, workspace: Workspace) -> list[tuple[Path, str]]:
        """Return what a job's containers see beside the workspace. Raises CannotStart."""
        return resolve(work.volume_mounts, workspace.path, self._allowed_mounts)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        """End and remove the job's containers, which carry its label.

        First whoever might still make one: the engine's program that a job of this run or the last
        one has started, also if that ended before it could note it. One that is overlooked cannot
        start a container any more, since the script that it is to show it is gone (see cleanup.py).
        """
        self._kill_clients(job_id, last_child)
        deadline = time.monotonic() + grace_seconds
        left = self._list(job_id)
        if left and grace_seconds > 0:
            for name in left:
                self._terminate(name)
            while self._list_running(job_id) and time.monotonic() < deadline:
                time.sleep(_LOOK_SECONDS)

        for _ in range(3):
            for name in self._list(job_id):
                engine_calls.call(self.name, "kill", "--signal", "KILL", name)
                engine_calls.call(self.name, "rm", "--force", name)
            if not (left := self._list(job_id)):
                break
        return len(left)

    def _terminate(self, name: str) -> None:
        """Send TERM to all in a container, also in one that somebody has paused."""
        told = engine_calls.call(self.name, "exec", name, *TERM_ALL)
        is_told = told.exit_code in TERMINATED
        if not is_told and engine_calls.call(self.name, "unpause", name).exit_code == 0:
            engine_calls.call(self.name, "exec", name, *TERM_ALL)
        engine_calls.call(self.name, "kill", "--signal", "TERM", name)

    def _kill_clients(self, job_id: str, last_child: ChildProcess | None) -> None:
        with self._lock:
            for client in self._clients.get(job_id, ()):
                client.send(signal.SIGKILL)
        engine_calls.kill_calls_with(f"{JOB_LABEL}={job_id}")
        if last_child is None:
            return
        now = instance_of(last_child.pid)
        if now and is_same_instance(now, last_child.instance):
            with suppress(OSError):
                os.kill(last_child.pid, signal.SIGKILL)

    def _list(self, job_id: str) -> list[str]:
        return self._ps(job_id, "--all")

    def _list_running(self, job_id: str) -> list[str]:
        return self._ps(job_id)

    def _ps(self, job_id: str, *more: str) -> list[str]:
        label = f"label={JOB_LABEL}={job_id}"
        answer = engine_calls.call(self.name, "ps", "--quiet", *more, "--filter", label)
        if answer.exit_code:
            log.error(
                "the containers of a job cannot be listed",
                extra={"job_id": job_id, "engine": self.name, "reason": answer.reason},
            )
            return []
        return answer.output.split()


class ContainerJob(InLocalWorkspace):
    """One job's containers; see `JobRuntime` for the contract.

    A phase's container ends with its shell, and all that it has started with that: there are no
    daemons.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        private: PrivateFiles,
    ) -> None:
        self._runtime = runtime
        self._work = work
        self._workspace = workspace
        self._account = account
        self._private = private
        self._private_paths: list[Path] = []
        self._containers: list[RunningContainer] = []
        self._count = 0

    def environment(
        self, phase: int, private: Mapping[str, str], outputs: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what is added to the image's own environment, from which PATH and HOME are."""
        self._private_paths = [Path(path) for path in private.values()]
        base = {"LANG": os.environ.get("LANG") or "C.UTF-8"}
        if "TZ" in os.environ:
            base["TZ"] = os.environ["TZ"]
        return phase_environment(self._work, phase, base, self._workspace.path, private, outputs)

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        """Start a phase's container. Raises CannotStart."""
        asked = self._work.phases[phase]
        self._check(asked)
        self._count += 1
        name = f"opsicle-{self._work.job_id}-{phase}-{self._count}"

        try:
            options = [*self._options(asked, name), *self._folders(asked, script)]
            options += self._first_script(phase, script, environment)
            path = options.pop()
            argv = [self._runtime.name, "run", *options, str(asked.image), path]
            client = self._runtime.start(self._work.job_id, argv)
        except ValueError as problem:
            reason = (
                "a command or a variable contains a NUL byte"
                if "null byte" in str(problem)
                else str(problem)
            )
            raise CannotStart(reason) from None
        except OSError as problem:
            raise CannotStart(f"the container could not be started: {problem.strerror}") from None

        # Whoever it is inside may open them again, as in `echo >/dev/stderr`.
        os.fchmod(client.stdout, 0o666)
        os.fchmod(client.stderr, 0o666)
        if script.pipes:
            client.beside = (client.stdout, client.stderr)
            client.stdout, client.stderr = script.pipes.take_readers()
        self._containers.append(RunningContainer(self._runtime.name, name, client))
        return client

    def _first_script(
        self, phase: int, script: Script, environment: Mapping[str, str]
    ) -> list[str]:
        """Write the container's first script; return the options that show it, and its path."""
        options: list[str] = []
        arguments = shell_arguments(self._work.phases[phase], script, self._workspace)
        in_file = self._workspace.sibling("script")
        if arguments[-1] == os.fsencode(in_file):
            _let_in(in_file, None)
            options += _show(in_file, is_read_only=True)

        mode = 0o600 if self._account else 0o644
        limits = self._work.phases[phase].limits or ResourceLimits()
        paths = script.pipes.paths if script.pipes else None
        first = first_script(environment, arguments, limits, paths)
        path = self._private.write(f"container-{phase}", first, mode)
        return [*options, *_show(path, is_read_only=True), str(path)]

    def limits_text(self, phase: int) -> str:
        """Return the limits of a phase: the engine keeps those of all of the container."""
        limits = self._work.phases[phase].limits or ResourceLimits()
        engine = self._runtime.name
        return described_limits(limits, f"memory by {engine}", f"by {engine}")

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        """Return which limit a container's end tells of."""
        return exceeded_in_container(self._work.phases[phase].limits or ResourceLimits(), exit_code)

    def has_processes(self) -> bool:
        """Return whether a container may be left whose engine's program did not end by itself.

        Each container's monitor has become our child, and has ended: it is collected here, too.
        """
        collect_orphans()
        return bool(self._not_gone())

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> ContainersStop:
        """Begin to end the job's containers."""
        return ContainersStop(self._not_gone(), time.monotonic(), grace_seconds)

    def _not_gone(self) -> list[RunningContainer]:
        self._containers = [each for each in self._containers if not each.is_gone]
        return self._containers

    def _check(self, asked: Phase) -> None:
        """Raise CannotStart for what this worker cannot or may not do."""
        if self._account and asked.user:
            raise CannotStart(
                f"`user` cannot be chosen here: this worker runs the job as {self._account.name}"
            )
        if asked.pull is Pull.NEVER:
            answer = engine_calls.call(self._runtime.name, "image", "inspect", str(asked.image))
            if answer.exit_code:
                raise CannotStart(
                    f"the image {asked.image} is not on the worker, "
                    "and `pull: never` keeps it from being fetched",
                    _ENGINE_FAILED,
                )

    def _options(self, asked: Phase, name: str) -> list[str]:
        user = f"{self._account.uid}:{self._account.gid}" if self._account else asked.user
        return [*run_options(self._work, asked, name, user), *ENGINE_OPTIONS[self._runtime.name]]

    def _folders(self, asked: Phase, script: Script) -> list[str]:
        """Return the options that show the workspace, the volume mounts, and named files."""
        home = self._workspace.path
        start_in = home / folder_of(asked, self._workspace).relative_to(home.resolve())
        if not self._account:
            home.chmod(0o777)  # inside it may be another user's number; outside nobody gets there

        options = ["--mount", mount(home, home), "--workdir", str(start_in)]
        for source, target in self._runtime.mounts(self._work, self._workspace):
            options += ["--mount", mount(source, target)]
        for path in self._named(asked, script):
            options += _show(path)
        return options

    def _named(self, asked: Phase, script: Script) -> list[Path]:
        """Return the files of the job, outside of the workspace, that its phase is told of."""
        named = [*self._private_paths, *(script.pipes.paths if script.pipes else ())]
        if not self._account:
            for path in named:
                _let_in(path, asked.user)
        return named


def _show(path: Path, *, is_read_only: bool = False) -> list[str]:
    """Return the options by which a container sees a file at the same place."""
    return ["--mount", mount(path, path, is_read_only=is_read_only)]


def _let_in(path: Path, user: str | None) -> None:
    """Let a container's user use a file; only folders of the worker's own lead to it.

    Programs such as ssh want a secret file to be their user's, and readable to nobody else.
    """
    if path.is_fifo() or not path.name.partition(".")[2].startswith("secret."):
        path.chmod(0o666)
    elif user and os.geteuid() == 0:
        uid, _, gid = user.partition(":")
        os.chown(path, int(uid), int(gid or 0))


def _all_over(clients: Sequence[Child]) -> bool:
    return all(client.exit_status is not None for client in clients)

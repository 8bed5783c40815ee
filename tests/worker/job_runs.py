"""Carrying out small jobs in tests: phases in, outcome and log out."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opsicle.domain.templates import Phase
from opsicle.kit.clock import SystemClock
from opsicle.kit.ids import new_id
from opsicle.wire.jobs import STDERR, STDOUT, Outcome, PhaseReport, Work
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.runner import Cancellation, Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.ssh_servers import SshServer
from tests.support import wait_until


class Log:
    """A sink in memory.

    `has_space` can be set to False to see what happens when the spool is full.
    """

    def __init__(self) -> None:
        self.chunks: list[tuple[int, int, int, bytes]] = []
        self.length = 0
        self.has_space = True
        self.states: list[str] = []
        self.offered = 0

    def write(self, phase: int, stream: int, at_ms: int, data: bytes) -> int | None:
        self.offered += 1
        if not self.has_space:
            return None
        self.chunks.append((phase, stream, at_ms, data))
        self.length += len(data)
        return self.length

    def progress(self, phases: Sequence[PhaseReport]) -> None:
        self.states.append(" ".join(f"{phase.name}={phase.state}" for phase in phases))

    @property
    def everything(self) -> bytes:
        return b"".join(chunk[3] for chunk in self.chunks)

    def of(self, phase: int | None = None, stream: int | None = None) -> bytes:
        return b"".join(
            data for at, of, _, data in self.chunks if phase in {None, at} and stream in {None, of}
        )

    @property
    def stdout(self) -> bytes:
        return self.of(stream=STDOUT)

    @property
    def stderr(self) -> bytes:
        return self.of(stream=STDERR)


class Machine:
    """A place to run jobs on, with a short grace for processes that are stubborn."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.private_folder: Path | None = None
        self.log = Log()
        self.cancellation = Cancellation()
        self.children: list[tuple[int, str]] = []
        self.beside: list[threading.Thread] = []
        self.seconds = 0.0
        self.runtimes: Runtimes | None = None
        self.artifacts: ArtifactSpool | None = None
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/home/of-worker",
            "LANG": "C.UTF-8",
        }
        self.on_child: Callable[[int, str], None] = lambda pid, instance: self.children.append(
            (pid, instance)
        )

    def work(self, *phases: Phase, **more: Any) -> Work:
        job_id = more.pop("job_id", None) or new_id(SystemClock().now())
        return Work(
            automation_id=f"automation-{job_id}",
            job_id=job_id,
            fence=1,
            template="t",
            requester="alice",
            phases=phases,
            **more,
        )

    def run(self, *phases: Phase, grace_seconds: float = 0.5, **more: Any) -> Outcome:
        work = self.work(*phases, **more)
        host = RunnerHost(
            workspace_root=self.root,
            private_folder=self.private_folder,
            runtimes=self.runtimes or Runtimes((SubprocessRuntime(self.environment),)),
            grace_seconds=grace_seconds,
            on_child=self.on_child,
            artifacts=self.artifacts,
        )
        began = time.monotonic()
        outcome = Runner(work, self.log, host, self.cancellation).run()
        self.seconds = time.monotonic() - began
        return outcome


def under_headings(log: Log, outcome: Outcome, phase: int = 0) -> list[bytes]:
    """Return what stands under each command of a phase, to the phase's end."""
    end = at = 0
    for of, _, _, content in log.chunks:
        at += len(content)
        end = at if of == phase else end
    begins = [each.log_offset for each in outcome.phases[phase].commands]
    places = [begin for begin in begins if begin is not None]
    return [log.everything[a:b] for a, b in zip(places, [*places[1:], end], strict=True)]


def number_twice(count: int) -> list[str]:
    """Return commands that print their own number to each of their streams and end at once."""
    return [f"echo {number}; echo {number} >&2" for number in range(count)]


def printed_twice(count: int) -> list[bytes]:
    """Return what stands under the headings of `number_twice`."""
    return [b"%d\n" % number * 2 for number in range(count)]


def in_background(
    machine: Machine, *phases: Phase, **more: Any
) -> tuple[threading.Thread, list[Outcome]]:
    """Run a job beside the test. Return its thread, and where its outcome will be."""
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(machine.run(*phases, **more)))
    machine.beside.append(thread)
    thread.start()
    return thread, outcomes


def cut_between_tries(machine: Machine, sshd: SshServer) -> threading.Thread:
    """Cut the connection while a job waits for its next try."""

    def cut() -> None:
        wait_until(lambda: b"the next begins in" in machine.log.everything)
        sshd.kill_sessions()

    thread = threading.Thread(target=cut)
    thread.start()
    return thread


def phase(*commands: str, name: str = "work", **more: Any) -> Phase:
    """Return a phase; `timeout` may be a fraction of a second here."""
    return Phase(name=name, commands=commands, **more)


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is more than a dead entry of the process table."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in {
            b"Z",
            b"X",
        }
    except OSError:
        return False

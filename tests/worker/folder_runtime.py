"""A second runtime, for the tests of the seam: an image is a folder in which its phases run.

Nothing that the subprocess runtime goes by finds its processes: they carry no mark of their job,
and it keeps what it has started in files of its own, as an engine of containers does. Run as a
program, this is a worker that knows it beside the subprocess runtime.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from opsicle.domain.workers import CONTAINER
from opsicle.kit import logging
from opsicle.wire.jobs import Work
from opsicle.worker import process
from opsicle.worker.journal_lines import ChildProcess
from opsicle.worker.main import WorkerOptions, run
from opsicle.worker.os_account import OsAccount
from opsicle.worker.private_files import PrivateFiles
from opsicle.worker.process import Child
from opsicle.worker.runtimes.local_workspace import InLocalWorkspace
from opsicle.worker.runtimes.protocol import CannotStart
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.script import Script
from opsicle.worker.waiting import Cancellation
from opsicle.worker.workspace import Workspace

_TAG = 1
_PAUSE_SECONDS = 0.01


class FolderRuntime:
    """Runs phases in the folder that their image names.

    `records` is where it notes what it has started.
    """

    name = "folders"
    kind = CONTAINER
    limits_by = "nothing"

    def __init__(self, records: Path) -> None:
        self._records = records

    def unavailable_reason(self) -> str:
        return "" if self._records.is_dir() else f"there is no folder {self._records}"

    def open_job(
        self,
        work: Work,
        workspace: Workspace,
        account: OsAccount | None,
        private: PrivateFiles,
        cancellation: Cancellation,
    ) -> FolderJob:
        assert account is None
        return FolderJob(work, self._records / work.job_id)

    def sweep(self, job_id: str, last_child: ChildProcess | None, grace_seconds: float) -> int:
        stop = GroupStop(self._records / job_id, grace_seconds)
        while (look_at := stop.turn(time.monotonic())) is not None:
            time.sleep(max(0.0, look_at - time.monotonic()))
        return stop.survivors


class FolderJob(InLocalWorkspace):
    """What runs of one job: process groups, whose numbers stand in its record."""

    def __init__(self, work: Work, record: Path) -> None:
        self._work = work
        self._record = record

    def environment(
        self, phase: int, private: Mapping[str, str], _outputs: Mapping[str, str]
    ) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "IMAGE": str(self._work.phases[phase].image), **private}

    def start(self, phase: int, script: Script, environment: Mapping[str, str]) -> Child:
        folder = Path(environment["IMAGE"])
        if not folder.is_dir():
            raise CannotStart(f"there is no image {folder.name}", 125)
        encoded = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        argv = [b"/bin/sh", b"-e", b"-c", script.text]
        child = process.spawn(argv, encoded, folder, _TAG, pipes=script.pipes)
        with self._record.open("a") as record:
            record.write(f"{child.pid}\n")
        return child

    def limits_text(self, phase: int) -> str:
        return ""

    def exceeded_limit(self, phase: int, exit_code: int) -> str:
        return ""

    def has_processes(self) -> bool:
        return any(is_group_alive(group) for group in groups(self._record))

    def stop(self, grace_seconds: float, *, keep_daemons: bool = False) -> GroupStop:
        return GroupStop(self._record, grace_seconds)


class GroupStop:
    """Ends the groups in a record, and then removes that."""

    def __init__(self, record: Path, grace_seconds: float) -> None:
        self._record = record
        self._groups = groups(record)
        self._kill_at = time.monotonic() + grace_seconds
        self.survivors = 0
        self._signal(signal.SIGTERM)

    def turn(self, now: float) -> float | None:
        process.collect_orphans()
        if now >= self._kill_at:
            self._signal(signal.SIGKILL)
        if any(is_group_alive(group) for group in self._groups):
            return now + _PAUSE_SECONDS
        self._record.unlink(missing_ok=True)
        return None

    def _signal(self, number: signal.Signals) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, number)


def groups(record: Path) -> list[int]:
    return [int(line) for line in record.read_text().split()] if record.exists() else []


def is_group_alive(group: int) -> bool:
    """Return whether any of its processes is more than a dead entry of the process table."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(of) == group and state not in {"Z", "X"}:
                    return True
    return False


if __name__ == "__main__":
    logging.configure()
    data_folder, records = map(Path, sys.argv[1:3])
    run(WorkerOptions(data_folder=data_folder), (SubprocessRuntime(), FolderRuntime(records)))

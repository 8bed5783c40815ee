"""A real worker process beside a stand-in of its server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from opsicle.worker.identity import DataFolder
from tests.support import wait_until
from tests.worker.peer import Peer

ROOT = Path(__file__).parents[2]


def run_worker(folder: Path, *arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run a worker that is expected to end by itself."""
    return subprocess.run(_command(folder, *arguments), capture_output=True, text=True, timeout=timeout, check=False)


def _command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "opsicle.py"), "worker", "--data-dir", str(folder), *arguments]


class Working:
    """A worker of `peer` that has enrolled already; `start` may be called again after it has ended."""

    def __init__(self, folder: Path, peer: Peer, slots: int = 4, options: tuple[str, ...] = ()) -> None:
        self.peer = peer
        self.folder = folder / "worker"
        self.log = folder / "worker.log"
        self.slots = slots
        self.options = options
        self.prefix: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None
        data = DataFolder.open(self.folder)
        data.save_identity(peer.identity())
        data.close()

    def start(self) -> None:
        polls = len(self.peer.polls)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *_command(self.folder, "--slots", str(self.slots), *self.options)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(lambda: len(self.peer.polls) > polls + 1, "the worker's first polls")

    def wait(self, condition, what: str, timeout: float = 60) -> None:
        """Wait for something; show the worker's log if it does not come."""
        try:
            wait_until(condition, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- the worker's log:\n{self.log.read_text()}") from None

    def wait_for_finish(self, job_id: str, timeout: float = 60) -> str:
        self.wait(lambda: job_id in self.peer.finished, f"the end of {job_id}", timeout)
        return self.peer.finished[job_id].state

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        """As the power supply does, but for this process only."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def wait_for_end(self, timeout: float = 60) -> int:
        assert self.process
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker did not end\n--- its log:\n{self.log.read_text()}") from None

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def files(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.folder / name).iterdir())


def is_alive(pid: int) -> bool:
    """Whether a process lives, and is not only waiting to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def let_pass(seconds: float) -> None:
    """Wait for nothing in particular: for faults at a random moment, and to see that something does not happen."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 10, f"{seconds} s to pass")


def as_user(uid: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a worker as a user who is only a number: no entry in the list of users, no home, no environment.

    It may read everything, because the Python of these tests may lie in a folder of root's own; no more than that.
    """
    folder.mkdir()
    os.chown(folder, uid, uid)
    caps = "+dac_read_search"
    who = [
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        f"--inh-caps={caps}",
        f"--ambient-caps={caps}",
    ]
    return subprocess.run(
        [*who, *_command(folder, *arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PATH": os.environ["PATH"]},
        cwd="/",
    )

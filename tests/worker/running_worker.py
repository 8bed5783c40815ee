"""A real worker process beside a stand-in of its server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from opsicle.worker.identity import WorkerDataFolder
from tests import private_folders
from tests.processes import is_checkout
from tests.support import wait_until
from tests.warm_cli import Started, WarmCli, warm_cli
from tests.worker.fake_server import FakeServer

ROOT = Path(__file__).parents[2]

_ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""So that no worker is left behind when the process of the tests is killed; it gets a session of
its own. What begins workers as copies of itself sees to that as well."""


def run_worker(
    folder: Path, *arguments: str, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a worker that is expected to end by itself."""
    if warm := _warm_cli():
        return warm.run(_arguments(folder, *arguments), os.environ, timeout)
    return subprocess.run(
        _command(folder, *arguments), capture_output=True, text=True, timeout=timeout, check=False
    )


def _command(folder: Path, *arguments: str) -> list[str]:
    return [
        *_ENDS_WITH_US,
        sys.executable,
        str(ROOT / "opsicle.py"),
        *_arguments(folder, *arguments),
    ]


def _arguments(folder: Path, *arguments: str) -> list[str]:
    return ["worker", "--data-dir", str(folder), *arguments]


def _warm_cli() -> WarmCli | None:
    """Return what begins a worker as a copy of a loaded process, where that makes no difference."""
    warm = warm_cli((), "worker")
    return warm if is_checkout() and warm.suits(os.environ) else None


class RunningWorker:
    """A worker of `fake_server` that has enrolled already.

    `start` may be called again after it has ended.
    """

    def __init__(
        self, folder: Path, fake_server: FakeServer, slots: int = 4, options: tuple[str, ...] = ()
    ) -> None:
        self.fake_server = fake_server
        self.folder = folder / "worker"
        self.log = folder / "worker.log"
        self.slots = slots
        self.options = options
        self.prefix: tuple[str, ...] = ()
        """What comes before the command, as a program that runs it otherwise."""
        self.command: tuple[str, ...] = ()
        """What is run instead of the product's own."""
        self.process: subprocess.Popen[bytes] | Started | None = None
        private_folders.note(self.folder / "workspaces")
        data = WorkerDataFolder.open(self.folder)
        data.save_identity(fake_server.identity())
        data.close()

    def start(self) -> None:
        polls = len(self.fake_server.polls)
        arguments = ("--slots", str(self.slots), *self.options)
        with self.log.open("ab") as log:
            if not self.prefix and not self.command and (warm := _warm_cli()):
                self.process = warm.start(_arguments(self.folder, *arguments), os.environ, log, log)
            else:
                self.process = subprocess.Popen(
                    [*self.prefix, *(self.command or _command(self.folder, *arguments))],
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

        try:
            self.wait(lambda: len(self.fake_server.polls) > polls + 1, "the worker's first polls")
        except BaseException:
            self.close()  # nobody has it yet who would
            raise

    def wait(self, condition, what: str, timeout: float = 60) -> None:
        """Wait for something; show the worker's log if it does not come."""
        try:
            wait_until(condition, timeout, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._condition()}") from None

    def _condition(self) -> str:
        """Tell what can be known of the worker: if it lives, what it asked for, what it says."""
        fake_server = self.fake_server
        facts = {
            "exit code": self.process and self.process.poll(),
            "calls": dict(fake_server.calls),
            "last polls": fake_server.polls[-2:],
            "finished": sorted(fake_server.finished),
        }
        told = "\n".join(f"{name}: {value}" for name, value in facts.items())
        return f"{told}\n--- the worker's log:\n{self.log.read_text()}"

    def wait_for_finish(self, job_id: str, timeout: float = 60) -> str:
        self.wait(lambda: job_id in self.fake_server.finished, f"the end of {job_id}", timeout)
        return self.fake_server.finished[job_id].state

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
            raise AssertionError(
                f"the worker did not end\n--- its log:\n{self.log.read_text()}"
            ) from None

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


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def let_pass(seconds: float) -> None:
    """Wait for nothing in particular.

    For faults at a random moment, and to see that something does not happen.
    """
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until, seconds + 10, f"{seconds} s to pass")


def as_user(uid: int, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a worker as a user who is only a number.

    No entry in the list of users, no home, no environment.

    It may read everything, because the Python of these tests may lie in a folder of root's own; no
    more than that.
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
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"]},
        cwd="/",
    )

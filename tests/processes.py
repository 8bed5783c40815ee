"""Processes of the product, started by command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import wait_until
from tests.warm_cli import Started, WarmCli, warm_cli

CHECKOUT = Path(__file__).parents[1]
START_SECONDS = 60.0
"""A hang guard: starting takes well under a second, on a machine that does nothing else."""


def program() -> list[str]:
    """Return what is tested: the file that `OPSICLE_UNDER_TEST` names, or else the checkout.

    By which Python, alike.
    """
    python = os.environ.get("OPSICLE_TEST_PYTHON", sys.executable)
    return [python, os.environ.get("OPSICLE_UNDER_TEST", str(CHECKOUT / "opsicle.py"))]


def is_checkout() -> bool:
    """Return whether what is tested is the checkout, by our Python."""
    return program() == [sys.executable, str(CHECKOUT / "opsicle.py")]


@dataclass
class Process:
    """One process of the product; its output is kept in files that `log` reads.

    A server or worker that `is_warm` begins as a copy of a loaded process, where that makes no
    difference. So does any command, of the `caller` that is given.
    """

    arguments: Sequence[str]
    folder: Path
    name: str
    environment: Mapping[str, str] = field(default_factory=dict)
    is_warm: bool = False
    caller: WarmCli | None = None
    popen: subprocess.Popen[bytes] | Started = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = self.folder / f"{self.name}.out", self.folder / f"{self.name}.err"
        environment = clean_environment(self.environment)
        with self._out.open("ab") as out, self._err.open("ab") as err:
            if warm := self.caller or self._warm_cli(environment):
                after_program = self.arguments[self.arguments.index(program()[1]) + 1 :]
                self.popen = warm.start(after_program, environment, out, err)
                return
            self.popen = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
            )

    def _warm_cli(self, environment: Mapping[str, str]) -> WarmCli | None:
        if not (self.is_warm and is_checkout() and [*self.arguments[:2]] == program()):
            return None
        warm = warm_cli((), self.arguments[2])
        return warm if warm.suits(environment) else None

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        return self._out.read_text(errors="replace")

    def log(self) -> str:
        return (
            f"--- {self.name}, stdout\n{self.output()}\n--- {self.name}, stderr\n"
            + self._err.read_text(errors="replace")
        )

    def wait_for(self, text: str, count: int = 1) -> None:
        """Wait until `text` stands in the standard output `count` times.

        Fail at once if the process ends first.
        """

        def is_there() -> bool:
            if self.output().count(text) >= count:
                return True
            assert self.popen.poll() is None, (
                f"{self.name} ended with {self.popen.returncode}\n{self.log()}"
            )
            return False

        try:
            wait_until(is_there, START_SECONDS, f"{text!r} from {self.name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def stop(self, timeout: float = 60.0) -> int:
        """Send SIGTERM and wait; where that does not help, send SIGKILL and fail the test."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"{self.name} did not stop within {timeout} s\n{self.log()}"
            ) from None

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a user who has set nothing of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPSICLE_")}
    return {**kept, **extra}

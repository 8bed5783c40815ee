"""Commands of the command line by processes that need not start from nothing.

Most of what a command costs is that Python starts, and loads what every command of its role loads:
those that call a server, those that read documents, the server's and the worker's. One process a
role, `tests/forking_cli.py`, does that once for all commands of a test process, and forks for each.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

CHECKOUT = Path(__file__).parents[1]
OF_THE_INTERPRETER = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
"""What variables begin with that Python looks at when it starts, and not again."""

_RUNNING: dict[tuple[str, tuple[str, ...]], WarmCli] = {}
"""By role, and the prefix of the place where they are."""


def warm_cli(prefix: tuple[str, ...], role: str = "caller") -> WarmCli:
    """Return what runs commands in a place, to which a prefix such as `ip netns exec N` leads."""
    key = role, prefix
    if key not in _RUNNING:
        _RUNNING[key] = WarmCli(prefix, role)
    return _RUNNING[key]


def close(prefix: tuple[str, ...]) -> None:
    """End what runs commands in a place that is about to go, if there is such a process."""
    for key in [key for key in _RUNNING if key[1] == prefix]:
        _RUNNING.pop(key).close()


@atexit.register
def _close_all() -> None:
    for _, prefix in list(_RUNNING):
        close(prefix)


class WarmCli:
    """Starts that process, and has it run commands. It ends with this one, or by `close`."""

    def __init__(self, prefix: tuple[str, ...] = (), role: str = "caller") -> None:
        self._environment = dict(os.environ)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.forking_cli", role, str(theirs.fileno())],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Return whether Python would start in this environment as it has started here."""
        return _of_the_interpreter(environment) == _of_the_interpreter(self._environment)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as subprocess.run does, with nothing on its standard input.

        Raises TimeoutExpired for one that has not ended after so many seconds, and is killed.
        """
        out, err = _memory("stdout"), _memory("stderr")
        with out, err, self.start(arguments, environment, out, err) as started:
            try:
                code = started.wait(timeout)
            except subprocess.TimeoutExpired:
                started.kill()
                raise
            for each in (out, err):
                each.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], out: IO[Any], err: IO[Any]
    ) -> Started:
        """Start a command that goes on meanwhile, with nothing on its standard input."""
        ours, theirs = socket.socketpair()
        with theirs, _memory("request") as request:
            json.dump([[*arguments], {**environment}, str(Path.cwd())], request)
            request.seek(0)
            descriptors = [each.fileno() for each in (request, out, err, theirs)]
            socket.send_fds(self._requests, [b"."], descriptors)
        return Started(arguments, ours)

    def close(self) -> None:
        """End the process."""
        self._requests.close()
        self._process.wait()


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if name.startswith(OF_THE_INTERPRETER)
    }


def _memory(name: str) -> TextIOWrapper:
    return os.fdopen(os.memfd_create(name), "w+", errors="surrogateescape")


class Started:
    """A command that was started; as a subprocess.Popen. A context that does not wait for it."""

    def __init__(self, arguments: Sequence[str], answers: socket.socket) -> None:
        """Take the socket by which its process id, and then its exit code, come in."""
        self.args = arguments
        self.returncode: int | None = None
        self._answers = answers
        self._lines = answers.makefile("rb", buffering=0)
        self.pid = self._number()

    def __enter__(self) -> Started:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._answers.close()

    def poll(self) -> int | None:
        """Return how it has ended, None if it has not."""
        if self.returncode is None and self._has_answered(0):
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not self._has_answered(timeout):
                assert timeout is not None
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _has_answered(self, seconds: float | None) -> bool:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        return bool(poll.poll(None if seconds is None else 1000 * seconds))

    def _end(self) -> None:
        self.returncode = self._number()
        self.__exit__()

    def _number(self) -> int:
        return int(self._lines.readline())

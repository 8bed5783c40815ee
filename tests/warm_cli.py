"""Commands of the command line by processes that need not start from nothing.

Most of what a command costs is that Python starts, and loads what every command loads that calls a
server. One process, `tests/forking_cli.py`, does that once for all commands of a test process, and
forks for each.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
OF_THE_INTERPRETER = ("PYTHON", "LANG", "LC_", "LD_", "TZ")
"""What variables begin with that Python looks at when it starts, and not again."""

_RUNNING: dict[tuple[str, ...], WarmCli] = {}
"""By the prefix of the place where they are."""


def warm_cli(prefix: tuple[str, ...]) -> WarmCli:
    """Return what runs commands in a place, to which a prefix such as `ip netns exec N` leads."""
    if prefix not in _RUNNING:
        _RUNNING[prefix] = WarmCli(prefix)
    return _RUNNING[prefix]


def close(prefix: tuple[str, ...]) -> None:
    """End what runs commands in a place that is about to go, if there is such a process."""
    if running := _RUNNING.pop(prefix, None):
        running.close()


@atexit.register
def _close_all() -> None:
    for prefix in list(_RUNNING):
        close(prefix)


class WarmCli:
    """Starts that process, and has it run commands. It ends with this one, or by `close`."""

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        self._environment = dict(os.environ)
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.forking_cli", str(theirs.fileno())],
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
        out, err, request = (_memory(name) for name in ("stdout", "stderr", "request"))
        ours, theirs = socket.socketpair()
        with out, err, request, ours:
            json.dump([[*arguments], {**environment}, str(Path.cwd())], request)
            request.seek(0)
            with theirs:
                descriptors = [each.fileno() for each in (request, out, err, theirs)]
                socket.send_fds(self._requests, [b"."], descriptors)

            code = _exit_code(ours, arguments, timeout)
            for each in (out, err):
                each.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read(), err.read())

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


def _exit_code(answers: socket.socket, arguments: Sequence[str], timeout: float) -> int:
    """Return how the command ends whose process id, and then exit code, come in by this socket."""
    with answers.makefile() as lines:
        pid = int(lines.readline())
        answers.settimeout(timeout)
        try:
            return int(lines.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout) from None

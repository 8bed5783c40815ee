"""Calls of a container engine's own program: `podman` or `docker`, whose commands are alike."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from opsicle.worker import process

CALL_SECONDS = 60.0
"""How long a call may take that only asks or ends something; on a busy machine it takes seconds."""

_KEPT_BYTES = 256 * 1024
_NO_JOB = 1
"""The tag of what is no process of a job's (see process.py): what an engine starts for all of its
containers, such as rootless podman's pause process, must outlive each of them."""


class EngineAnswer(NamedTuple):
    """What a call has printed, and its exit code."""

    exit_code: int
    output: str
    errors: str

    @property
    def reason(self) -> str:
        """The last line of what went wrong."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip()]
        return lines[-1] if lines else f"it ended with exit code {self.exit_code}"


class EngineCall:
    """A call that is under way. Raises OSError if it cannot even be started.

    `answer` has to be asked until it says something, or `give_up` be called.
    """

    def __init__(self, arguments: Sequence[str | bytes]) -> None:
        self._child = start(arguments)
        self._give_up_at = time.monotonic() + CALL_SECONDS
        self._kept = {self._child.stdout: b"", self._child.stderr: b""}
        self._open = set(self._kept)
        self._answer: EngineAnswer | None = None

    def answer(self) -> EngineAnswer | None:
        """Return what came of it, None if it is not over yet. Never blocks."""
        if self._answer is not None:
            return self._answer

        has_ended = self._child.has_ended()
        for pipe in tuple(self._open):
            self._read(pipe)
        if not has_ended:
            if time.monotonic() >= self._give_up_at:
                self._child.send(signal.SIGKILL)
            return None

        for pipe in self._open:
            os.close(pipe)
        out, errors = (
            self._kept[pipe].decode(errors="replace")
            for pipe in (self._child.stdout, self._child.stderr)
        )
        self._answer = EngineAnswer(self._child.wait(), out, errors)
        return self._answer

    def wait(self) -> EngineAnswer:
        """Wait for its end, `CALL_SECONDS` at most; it is killed then."""
        while (answer := self.answer()) is None:
            select.select([self._child.pidfd, *self._open], [], [], 0.2)
        return answer

    def give_up(self) -> None:
        """End it if it is still under way; nobody asks for its answer any more. Never blocks."""
        if self._answer is None:
            for pipe in self._open:
                os.close(pipe)
            self._child.give_up()

    def _read(self, pipe: int) -> None:
        try:
            while content := os.read(pipe, 65536):
                self._kept[pipe] = (self._kept[pipe] + content)[-_KEPT_BYTES:]
        except BlockingIOError:
            return
        self._open.remove(pipe)
        os.close(pipe)


def start(arguments: Sequence[str | bytes]) -> process.Child:
    """Start an engine's program with the worker's own environment. Raises OSError, ValueError.

    That does not reach into containers; it says where the engine keeps its things, and whom to ask.
    """
    argv = [os.fsencode(argument) for argument in arguments]
    return process.spawn(argv, dict(os.environb), Path("/"), _NO_JOB)


def call(*arguments: str | bytes) -> EngineAnswer:
    """Call an engine and wait for the answer; 127 and a reason if there is no such program."""
    try:
        return EngineCall(arguments).wait()
    except (OSError, ValueError) as problem:
        return EngineAnswer(127, "", str(problem))


def kill_calls_with(argument: str) -> None:
    """Kill every call of an engine that has this argument, whoever has started it."""
    wanted = b"\0" + os.fsencode(argument) + b"\0"
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended, or is somebody else's
                if wanted in Path(entry.path, "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)

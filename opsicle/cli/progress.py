"""What a person sees of an automation while it runs.

Its output, and on stderr which phase it is in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import BinaryIO

from opsicle.cli.output import STATE_COLOURS
from opsicle.cli.terminal import StatusLine, printable, say, styled

_STDERR = 2
_NOT_RUN = frozenset({"pending", "skipped", "done_before"})


class ProgressDisplay:
    """Passes a job's bytes on as they are, and puts a heading on stderr where a phase begins.

    What the job prints to stdout goes to stdout, unless `is_stdout_taken` (by a JSON value): then
    all goes to stderr.
    """

    def __init__(self, phases: list[str], *, is_stdout_taken: bool) -> None:
        self._phases = phases
        self._begun = -1
        self._ran: set[int] = set()
        self._ends_with_newline = True
        self._is_one_place = is_stdout_taken or os.path.sameopenfile(
            sys.stdout.fileno(), sys.stderr.fileno()
        )
        self._status = StatusLine()
        self._stdout: BinaryIO | None = sys.stderr.buffer if is_stdout_taken else sys.stdout.buffer

    def note_phases(self, states: Iterable[str]) -> None:
        """Learn how the phases stand, so that one that prints nothing gets its heading too."""
        self._ran = {index for index, state in enumerate(states) if state not in _NOT_RUN}

    def begin_phase(self, index: int) -> None:
        """Show this phase's heading, unless it was shown, and before it those of silent phases."""
        while self._begun < index < len(self._phases):
            self._begun += 1
            if self._begun == index or self._begun in self._ran:
                self.say(styled(f"── {printable(self._phases[self._begun])}", "cyan"))

    def write(self, phase: int, stream: int, data: bytes) -> None:
        """Pass on what the job printed.

        A reader that has gone away costs its output, not the job.
        """
        self.begin_phase(phase)
        self._status.clear()

        target = sys.stderr.buffer if stream == _STDERR else self._stdout
        if target is None:
            return

        try:
            target.write(data)
            target.flush()
        except BrokenPipeError:
            self._stdout = None

        self._ends_with_newline = data.endswith(b"\n")

    def say(self, text: str) -> None:
        """Write a line of our own, on a line of its own."""
        self._status.clear()
        if not self._ends_with_newline and self._is_one_place:
            say("")
        self._ends_with_newline = True
        say(text)

    def show_status(self, text: str) -> None:
        """Say how things stand, until the next output."""
        self._status.show(text)

    def end(self, state: str, explanation: str, seconds: float | None = None) -> None:
        """Say how it ended."""
        self.begin_phase(max(self._ran, default=-1))
        took = f" after {seconds:.1f} s" if seconds is not None else ""

        # "rejected by bob@example.com: too late" is a sentence of its own.
        if explanation.startswith(f"{state} "):
            why = printable(explanation.removeprefix(state))
        else:
            why = f": {printable(explanation)}" if explanation else ""

        self.say(f"{styled(state, STATE_COLOURS.get(state, 'white'))}{took}{why}")

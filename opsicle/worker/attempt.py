"""One try of one phase: its shell from start to end, with all that can come between."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import NamedTuple

from opsicle.wire.jobs import STDERR, STDOUT, CommandReport, PhaseReport, StepState
from opsicle.worker.command_markers import Boundary, CommandMarkers
from opsicle.worker.output import JobOutput, now_ms
from opsicle.worker.process import Child
from opsicle.worker.runtimes.table import JobRuntimes
from opsicle.worker.script import Script
from opsicle.worker.waiting import Cancellation, Waiter


class RunContext(NamedTuple):
    """What the tries of a job share."""

    waiter: Waiter
    output: JobOutput
    runtimes: JobRuntimes
    cancellation: Cancellation
    grace_seconds: float
    on_child: Callable[[int, str], None]
    report_progress: Callable[[], None]
    """Called when a phase or a command has started or ended."""


class Limits(NamedTuple):
    """The deadline of a try (monotonic seconds), its message, and whether a cancel ends it."""

    deadline: float
    explanation: str
    heeds_cancel: bool


class Attempt:
    """Follows one running shell and keeps the phase's report up to date."""

    def __init__(self, context: RunContext, report: PhaseReport) -> None:
        self._context = context
        self._report = report
        self._script: Script | None = None
        self._markers: CommandMarkers | None = None
        self._commands: list[CommandReport] = []
        """Those of this try: after another one began, the report has others."""
        self._exit_code: int | None = None
        self._exceeded = self._lost = ""
        self._phase_index = 0
        self._current = 0
        self._is_closed = False

    def begin_commands(self, count: int, script: Script) -> None:
        """Note that the first of `count` commands begins.

        They are not told of where their boundaries cannot be told apart. Before the shell starts.
        """
        self._script = script
        self._commands = [CommandReport() for _ in range(count if script.has_markers else 0)]
        self._report.commands = self._commands
        if self._commands:
            self._begin_command(0)
        if script.word:
            self._markers = CommandMarkers(
                script.word, self._pass_boundary, self._context.report_progress
            )

    def refuse(self, state: StepState, explanation: str, exit_code: int | None) -> None:
        """Record that the shell was not even started."""
        for command in self._commands:
            command.state = StepState.SKIPPED
            command.started_at_ms = command.log_offset = None
        self._report.state = state
        self._report.exit_code = exit_code
        self._report.explanation = explanation

    def run(self, child: Child, phase_index: int, limits: Limits) -> None:
        """Follow the shell until it has ended, or until its whole tree has been ended.

        The report says how. Whatever is raised by those we tell of it, nothing of the job is alive
        when this is left.
        """
        context = self._context
        self._phase_index = phase_index
        if limits_text := context.runtimes.limits_text(phase_index):
            context.output.note(limits_text, phase_index)
        # If both have spoken before they are watched, stderr has most likely spoken first: it holds
        # the shell's traces.
        for fd in child.beside:
            context.output.add(fd, phase_index, STDERR)
        stderr = context.output.add(child.stderr, phase_index, STDERR, self._markers)
        stdout = context.output.add(child.stdout, phase_index, STDOUT, self._markers)
        if self._markers:
            stderr.join(stdout)
        context.waiter.watch(child.pidfd, lambda: self._collect(child))

        try:
            context.on_child(child.pid, child.instance)
            context.report_progress()
            self._follow(child, limits)
        except BaseException:
            if context.runtimes.kill() == 0:
                self._collect(child)
            raise

    def _follow(self, child: Child, limits: Limits) -> None:
        context = self._context
        while self._exit_code is None:
            now = time.monotonic()
            if limits.heeds_cancel and context.cancellation.requested:
                self._stop(child, StepState.CANCELLED, "cancelled")
                return
            if now >= limits.deadline:
                explanation = limits.explanation
                if context.output.is_held_up:
                    explanation += "; its output waited for room on the worker"
                self._stop(child, StepState.TIMED_OUT, explanation)
                return
            context.waiter.turn(min(limits.deadline, context.output.turn(now)))

        if self._lost:
            self._exit_code = None
            self._close(StepState.UNKNOWN, self._lost)
            return
        if self._exceeded and self._exit_code == 0:
            self._exit_code = None  # a success that left out what did not fit is none
        self._close(
            StepState.SUCCEEDED if self._exit_code == 0 else StepState.FAILED,
            self._exceeded or _why(self._exit_code),
        )

    def _stop(self, child: Child, state: StepState, explanation: str) -> None:
        survivors = stop_job(self._context)
        if survivors:
            explanation += f"; {survivors} of its processes could not be ended"
            self._hear_out()
        else:
            self._collect(child)
        self._close(state, explanation)

    def _collect(self, child: Child) -> None:
        """Take the shell's exit code and last words; harmless to call again."""
        if self._exit_code is None:
            self._context.waiter.unwatch(child.pidfd)
            self._exit_code = child.wait()
            self._lost = self._context.runtimes.fetch_result(self._phase_index, self._exit_code)
            self._exceeded = self._context.runtimes.exceeded_limit(
                self._phase_index, self._exit_code
            )
            self._hear_out()

    def _hear_out(self) -> None:
        """Take what the shell has printed until its end, with the boundaries in it."""
        if self._script and self._script.pipes:
            self._script.pipes.end_writing()
        if self._markers:
            for boundary in self._context.output.end_commands(self._markers):
                self._pass_boundary(boundary)
        else:
            self._context.output.drain()

    def _pass_boundary(self, boundary: Boundary) -> None:
        """Note that a command has ended, and that what is printed from here on is the next one's.

        Where the sink has no room when the shell ends, a boundary is noted at once, and again when
        all before it was taken: only then its place in the log is known.
        """
        number = boundary.next_command
        if self._is_closed and number > self._current:
            return  # what a phase has left behind may print what it likes
        if self._current < number < len(self._commands):
            self._end_command(StepState.SUCCEEDED, boundary.exit_code)
            self._begin_command(number)
        elif number <= self._current:
            self._commands[number].log_offset = self._context.output.offset

    def _begin_command(self, number: int) -> None:
        self._current = number
        command = self._commands[number]
        command.state = StepState.RUNNING
        command.started_at_ms = now_ms()
        command.log_offset = self._context.output.offset

    def _end_command(self, state: StepState, exit_code: int | None) -> None:
        command = self._commands[self._current]
        command.state = state
        command.finished_at_ms = now_ms()
        command.exit_code = exit_code

    def _close(self, state: StepState, explanation: str) -> None:
        report = self._report
        self._is_closed = True
        if self._commands:
            self._end_command(state, self._exit_code)
            for command in self._commands[self._current + 1 :]:
                command.state = StepState.SKIPPED
        report.state = state
        report.exit_code = self._exit_code
        report.explanation = explanation


def stop_job(context: RunContext, *, keep_daemons: bool = False) -> int:
    """End what runs of the job (TERM, grace, KILL) and take its last words.

    Return how many could not be ended.

    `keep_daemons` leaves alone what made itself independent of its phase.
    """
    stop = context.runtimes.stop(context.grace_seconds, keep_daemons=keep_daemons)
    while (look_at := stop.turn(time.monotonic())) is not None:
        context.waiter.turn(min(look_at, context.output.turn(time.monotonic())))
    context.output.drain()
    return stop.survivors


def _why(exit_code: int | None) -> str:
    """Explain an exit code that says more than "failed"."""
    if exit_code is not None and exit_code > 128:
        try:
            return f"ended by {signal.Signals(exit_code - 128).name}"
        except ValueError:
            return ""
    return ""

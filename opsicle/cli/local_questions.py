"""Asking whoever runs a file what it asks people in its midst: on the terminal, and at once."""

from __future__ import annotations

import select
import sys
from collections.abc import Sequence

from opsicle.cli.progress import ProgressDisplay
from opsicle.cli.terminal import printable
from opsicle.domain.errors import InvalidInput
from opsicle.domain.pauses import Choice, ResumeVerdict
from opsicle.domain.templates import Pause, Phase, Value, Variable
from opsicle.domain.variables import check_values, environment, parse_text
from opsicle.worker.pausing import Answered, PausedRun
from opsicle.worker.waiting import Cancellation

_LOOK_SECONDS = 0.2
"""How soon a Ctrl-C ends a question."""


class LocalQuestions:
    """Asks on the terminal. A Ctrl-C, and an input that ends, stop the run."""

    def __init__(
        self, phases: Sequence[Phase], progress: ProgressDisplay, cancellation: Cancellation
    ) -> None:
        self._phases = phases
        self._progress = progress
        self._cancellation = cancellation

    def ask(self, run: PausedRun) -> Answered:
        """Ask what a run asks at a phase, and return the answer."""
        phase = self._phases[run.phase]
        try:
            if phase.pause is not None:
                return self._ask_to_go_on(phase.pause)
            return self._ask_for_choice(phase)
        except EOFError:
            return Answered(verdict=ResumeVerdict.STOP, reason="stopped at a question")

    def _ask_to_go_on(self, pause: Pause) -> Answered:
        self._progress.say(printable(pause.message))
        values = {
            variable.id: value
            for variable in pause.variables
            if (value := self._ask_for_value(variable)) is not None
        }
        if self._line("Go on? [y/N] ").lower() not in {"y", "yes"}:
            return Answered(verdict=ResumeVerdict.STOP, reason="stopped by whoever ran it")
        checked = check_values(pause.variables, values, "this pause")
        return Answered(
            verdict=ResumeVerdict.CONTINUE, environment=environment(pause.variables, checked)
        )

    def _ask_for_value(self, variable: Variable) -> Value | None:
        question = printable(variable.label or variable.id)
        if variable.default is not None:
            question += " (empty: the default)"
        while True:
            text = self._line(f"{question}: ")
            try:
                value = parse_text(variable, text) if text else None
                check_values((variable,), {variable.id: value})
            except InvalidInput as error:
                self._progress.say("; ".join(each.message for each in error.problems))
            else:
                return value

    def _ask_for_choice(self, phase: Phase) -> Answered:
        choices = ", ".join(Choice)
        while True:
            word = self._line(f"{printable(phase.name)} failed. What now: {choices}? ").lower()
            if word in list(Choice):
                return Answered(verdict=ResumeVerdict(word))

    def _line(self, question: str) -> str:
        """Return a line from the terminal. Raises EOFError where none comes any more."""
        self._progress.say(question)
        while not self._cancellation.requested:
            if select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
                line = sys.stdin.readline()
                if not line:
                    break
                return line.strip()
        raise EOFError

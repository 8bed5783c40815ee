"""Collecting every mistake in what was given, so that a person mends them all in one go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.visible_text import visible

MAX_PROBLEMS = 50
"""More than this many at once help nobody, and an alias could repeat one mistake thousands of
times."""

_SHOWN_CHARACTERS = 60


class Problems:
    """The mistakes found so far, in the order of the document."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._unshown = 0

    def add(self, path: str, message: str, line: int = 0) -> None:
        """Note one mistake; the same one again is not noted twice."""
        problem = Problem(path, message, line)
        if len(self._found) < MAX_PROBLEMS:
            self._found[problem] = None
        elif problem not in self._found:
            self._unshown += 1

    def suggest(self, word: str, known: Iterable[str]) -> str:
        """Return what `did_you_mean` does while a further problem would be shown.

        A thousand look-ups take seconds.
        """
        return did_you_mean(word, known) if len(self._found) < MAX_PROBLEMS else ""

    def __len__(self) -> int:
        return len(self._found) + self._unshown

    def listed(self) -> tuple[Problem, ...]:
        """Return all mistakes by line.

        When there were too many, a last one says how many were left out.
        """
        found = sorted(self._found, key=lambda problem: problem.line)
        if self._unshown:
            found.append(Problem("", f"and {self._unshown} more mistakes"))
        return tuple(found)

    def raise_if_any(self, subject: str) -> None:
        """Raise InvalidInput that holds every mistake, unless there was none."""
        if self._found:
            count = "1 mistake" if len(self) == 1 else f"{len(self)} mistakes"
            raise InvalidInput(f"{subject} cannot be used: {count}", problems=self.listed())


def refuse(subject: str, message: str, line: int = 0, path: str = "") -> InvalidInput:
    """Build the error for a single mistake after which it makes no sense to read on."""
    return InvalidInput(
        f"{subject} cannot be used: {message}", problems=(Problem(path, message, line),)
    )


def quoted(text: str) -> str:
    """Show a word of the input inside a message: on one line and not too long."""
    shown = text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"
    return f"`{visible(shown)}`"


def listed(words: Iterable[str]) -> str:
    """Join words for a message: `a`, `b` or `c`."""
    names = [quoted(word) for word in words]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " or " + names[-1]


def first_names(names: Sequence[str], most: int) -> str:
    """Join the first `most` names for a message, and say how many more there are."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean `x`?)" for the known word most like this one, "" if none is near."""
    if len(word) > 100:  # difflib takes quadratic time, and nobody mistypes a word of that length
        return ""
    import difflib  # only who mistypes a word needs it

    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {quoted(by_lower[found[0]])}?)" if found else ""

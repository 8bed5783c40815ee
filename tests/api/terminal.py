"""The command line at a terminal, with somebody who answers its questions."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.product import User, clean_environment, program
from tests.support import wait_until

Answer = str | Callable[[str], str]
"""What is typed, or how that follows from all that has been shown."""


def at_a_terminal(
    user: User, *arguments: str, answers: Sequence[tuple[str, Answer]]
) -> tuple[int, str]:
    """Run the tool with a terminal on all three streams.

    Each answer is typed when its question has been shown.
    """
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*program(), *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment({**user.environment, "TERM": "xterm"}),
        start_new_session=True,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    shown = b""

    def read() -> bytes:
        nonlocal shown
        with suppress(OSError):  # nothing there yet, or the process has gone
            shown += os.read(ours, 65536)
        return shown

    def place_of(question: str, after: int) -> int:
        """Return where the question stands, 0 if it does not yet; fails if it never will."""
        has_ended = process.poll() is not None
        found = read().find(question.encode(), after) + 1
        assert found or not has_ended, (
            f"ended with {process.returncode} without {question!r}: {shown!r}"
        )
        return found

    try:
        asked = 0
        for question, answer in answers:
            try:
                asked = wait_until(
                    lambda q=question, at=asked: place_of(q, at), what=repr(question)
                )
            except AssertionError as error:
                raise AssertionError(f"{error}; shown so far: {shown!r}") from None
            typed = answer(shown.decode()) if callable(answer) else answer
            os.write(ours, typed.encode() + b"\n")
        wait_until(lambda: read() is not None and process.poll() is not None, 60)
        read()
        return process.returncode, shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(ours)

"""Where one command's output ends and the next one's begins, said within the output itself.

Between two commands their shell writes a *marker* into each of its two streams: a word that nobody
can guess, the number of the next command, and the exit code. A pipe keeps its order and writes a
line as short as this in one piece, so what stands before a marker was printed before the boundary.
The two streams meet at each boundary: the one that is there first is not heard any further until
the other is there, too. The shell writes both markers before it goes on, and waits for nobody.

The word is new for each try. It stands in the script, so a job could write a marker of its own: it
would deceive nobody but the readers of its own log. What merely shows the script, as `ps` does,
shows no marker, since that has numbers where the script has variables.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import NamedTuple

_BEGIN = b"\x1e"
"""Begins a marker and is rare elsewhere: what may be a part of one has to be held back."""

_MARKER = re.compile(rb"(\x1e[0-9a-f]{32}) ([0-9]{1,4}) ([0-9]{1,3})\n")
_BEHIND_WORD = re.compile(rb"(?: (?:[0-9]{1,4}(?: [0-9]{0,3})?)?)?")
"""What may be there of a marker behind its word. For any word: to compile one takes 0.3 ms."""


class ShellStreams(NamedTuple):
    """How a phase's shell reaches its two streams, whatever its own first files are by then.

    They are redirections of its file 1 that neither wait for a reader nor cut anything off.
    """

    stdout: str
    stderr: str


class Boundary(NamedTuple):
    """The end of a command, with its exit code, and the number of the one that comes next."""

    next_command: int
    exit_code: int


def new_word() -> bytes:
    """Return a word for the markers of one try."""
    return _BEGIN + secrets.token_hex(16).encode()


class MarkerReader:
    """Takes the markers out of one stream."""

    def __init__(self, word: bytes) -> None:
        self._word = word
        self._held = b""

    def read(self, content: bytes) -> list[bytes | Boundary]:
        """Take what comes next; return the output, and the boundaries where they are in it.

        What may be the first part of a marker is held back until more comes.
        """
        content = self._held + content
        self._held = b""
        if _BEGIN not in content:
            return [content] if content else []

        pieces: list[bytes | Boundary] = []
        at = 0
        for found in _MARKER.finditer(content):
            if found[1] != self._word:
                continue
            pieces += [content[at : found.start()]] if found.start() > at else []
            pieces.append(Boundary(int(found[2]), int(found[3])))
            at = found.end()

        last = content.rfind(_BEGIN, at)
        if last >= 0 and self._may_begin_marker(content[last:]):
            self._held = content[last:]
            content = content[:last]
        return [*pieces, content[at:]] if content[at:] else pieces

    def finish(self) -> bytes:
        """Return what was held back: nothing more comes."""
        held, self._held = self._held, b""
        return held

    def _may_begin_marker(self, content: bytes) -> bool:
        length = len(self._word)
        return self._word.startswith(content[:length]) and bool(
            _BEHIND_WORD.fullmatch(content[length:])
        )


class CommandMarkers:
    """The boundaries of one try, which its two streams pass together.

    `on_boundary` is called at each when all that was printed before it, and nothing that was
    printed behind it, has been taken; `on_passed` once for several that are passed at once.
    """

    def __init__(
        self,
        word: bytes,
        on_boundary: Callable[[Boundary], None],
        on_passed: Callable[[], None],
    ) -> None:
        self.word = word
        self.is_over = False
        """Whether the shell has ended: a marker that is missing will not come."""
        self.passed = 0
        self._on_boundary = on_boundary
        self._on_passed = on_passed
        self._has_news = False

    def pass_boundary(self, boundary: Boundary) -> None:
        """Pass a boundary; nothing, where it was passed before."""
        if boundary.next_command > self.passed:
            self.passed = boundary.next_command
            self._has_news = True
            self._on_boundary(boundary)

    def report(self) -> None:
        """Tell of what was passed since the last time."""
        if self._has_news:
            self._has_news = False
            self._on_passed()

"""Reading one pipe that a job's processes print to, and what was read and not taken yet."""

from __future__ import annotations

import fcntl
import os
from collections import deque
from contextlib import suppress

from opsicle.worker.command_markers import Boundary, CommandMarkers, MarkerReader
from opsicle.worker.masking import Mask

CHUNK_BYTES = 64 * 1024

_BUSY_BYTES = 16 * 1024  # who has printed so much at once may well print more than a pipe holds
_PIPE_BYTES = 256 * 1024  # room for what such a command prints while a pipe is left alone


class PipeReader:
    """The reading end of a pipe.

    `unwritten` was read but not taken yet, with the boundaries in it; `due` is when to look again,
    0 while it is watched.

    `release_at` is when to show what the mask holds back for no more than a moment, 0 if there is
    no such thing. `sibling` passes the same boundaries, of `markers`, while it is open.
    """

    def __init__(
        self, fd: int, phase: int, stream: int, mask: Mask | None, markers: CommandMarkers | None
    ) -> None:
        self.fd = fd
        self.phase = phase
        self.stream = stream
        self.unwritten: deque[bytes | Boundary] = deque()
        self.read_at_ms = 0
        self.due = 0.0
        self.mask = mask
        self.markers = markers
        self.sibling: PipeReader | None = None
        self.release_at = 0.0
        self._reader = MarkerReader(markers.word) if markers else None
        self._is_widened = False

    def join(self, sibling: PipeReader) -> None:
        """Pass boundaries together from now on."""
        self.sibling, sibling.sibling = sibling, self

    @property
    def boundary(self) -> Boundary | None:
        """The one at which it is."""
        first = self.unwritten[0] if self.unwritten else None
        return first if isinstance(first, Boundary) else None

    @property
    def can_pass(self) -> bool:
        """Whether it is at a boundary before which nothing more can come."""
        boundary, other = self.boundary, self.sibling
        if boundary is None or self.markers is None:
            return False
        if other is None or boundary.next_command <= self.markers.passed:
            return True
        if not other.unwritten:
            return self.markers.is_over
        return other.boundary is not None and (other.boundary.next_command >= boundary.next_command)

    def put(self, content: bytes) -> None:
        """Add what was read."""
        for piece in self._reader.read(content) if self._reader else [content]:
            if isinstance(piece, Boundary):
                if self.mask:
                    self._put_shown(self.mask.pass_boundary())
                self.unwritten.append(piece)
            else:
                self._put_shown(self.mask.feed(piece) if self.mask else piece)

    def end(self) -> None:
        """Add what was held back, as nothing more will be read; harmless to call again."""
        if self._reader and (held := self._reader.finish()):
            self._put_shown(self.mask.feed(held) if self.mask else held)
        if self.mask:
            self._put_shown(self.mask.finish())

    def release(self) -> None:
        """Add what the mask holds back only because more could have come."""
        self.release_at = 0.0
        if self.mask and self.mask.can_release:
            self._put_shown(self.mask.release())

    def _put_shown(self, content: bytes) -> None:
        if content:
            self.unwritten.append(content)

    def read(self) -> bytes:
        """Read what is there. Raises BlockingIOError if nothing is."""
        content = os.read(self.fd, CHUNK_BYTES)
        if len(content) >= _BUSY_BYTES and not self._is_widened:
            self._is_widened = True
            # Refused when the user's share of pipe memory is used up: the usual 64 KiB do.
            with suppress(OSError):
                fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return content

"""From the pipes that a job's processes print to, into whatever keeps the log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from opsicle.wire.jobs import STDERR, PhaseReport
from opsicle.worker.command_markers import Boundary, CommandMarkers
from opsicle.worker.masking import KEY_BYTES, Mask, Masking
from opsicle.worker.pipe_reader import CHUNK_BYTES, PipeReader
from opsicle.worker.private_files import MaskRequests
from opsicle.worker.waiting import Waiter

_GATHER_SECONDS = 0.004
"""So long a pipe that has just been read is left alone: many small writes make one chunk."""

_SPOOL_FULL_SECONDS = 0.05  # until data that was not taken is offered again
_SILENT_SECONDS = 0.2  # after so long, a few bytes that might begin a secret are shown all the same
_NOT_MASKED = (
    "a value written to OPSICLE_MASK is not masked: "
    f"it is shorter than {KEY_BYTES} bytes, too long, or one too many"
)
_READS_AT_ONCE = 16
"""1 MiB read and taken, more than a pipe holds; what prints on and on cannot hold up the rest."""


class Sink(Protocol):
    """Takes what a job prints and how it gets on. Called by the runner's thread only."""

    def write(self, phase: int, stream: int, at_ms: int, data: bytes) -> int | None:
        """Take up to 64 KiB that phase number `phase` printed to `stream`.

        `at_ms` is when it was read (Unix milliseconds).

        Returns the job's log offset just behind it, at which the next data will begin. None means
        that there is no room: nothing was taken, and the runner offers the same again a little
        later, with the pipe left unread, so that the command pauses. It should not block for long:
        cancelling and time limits wait meanwhile.
        """

    def progress(self, phases: Sequence[PhaseReport]) -> None:
        """Learn that a phase or a command has started or ended.

        The reports change later: encode or copy them now.
        """


class JobOutput:
    """All pipes of a job, with its secrets masked.

    They stay open beyond their phase, for as long as something of it may print. `offset` is the
    job's log offset at which the next data will begin. Behind `max_bytes` of output, more is only
    counted, in `dropped_bytes`.

    Two pipes have no order of their own, so it is made by when they are read. Only the pipe that
    spoke last is left alone to gather more; the others are read as soon as there is something, and
    the one that spoke last is emptied before them: what it holds was mostly written first. So the
    order is right where it changes from one stream to the other more slowly than this process wakes
    up, and what one stream says in a row is never torn apart.
    """

    def __init__(
        self,
        sink: Sink,
        waiter: Waiter,
        masking: Masking | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self.offset = 0
        # Called when commands have named the first value to mask.
        self.on_mask: Callable[[], None] = lambda: None
        self.dropped_bytes = 0
        self._max_bytes = max_bytes
        self.masking = masking
        self._requests: MaskRequests | None = None
        self._has_new_masks = self._has_warned_of_ignored = False
        self._notes: list[bytes] = []
        self._phase = 0  # of what was printed last
        self._is_at_line_start = True
        self._sink = sink
        self._waiter = waiter
        self._pipes: dict[int, PipeReader] = {}
        self._last_read: PipeReader | None = None
        # The sink had no room for what this one holds: nothing may overtake that.
        self._refused: PipeReader | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything could still print, or has printed what was not taken yet."""
        return bool(self._pipes)

    @property
    def is_held_up(self) -> bool:
        """Whether something was printed that the sink has had no room for."""
        pipes = self._pipes.values()
        return bool(self._notes) or any(pipe.unwritten and not pipe.boundary for pipe in pipes)

    def without_secrets(self, text: str) -> str:
        """Return a text about the job with its secrets masked, and what it has asked to mask."""
        if not text:
            return text
        self._read_mask_requests()
        return self.masking.text(text) if self.masking else text

    def add(
        self, fd: int, phase: int, stream: int, markers: CommandMarkers | None = None
    ) -> PipeReader:
        """Carry what comes from `fd`, a non-blocking pipe that is closed when its other end is.

        The two with the same `markers` are to be joined.
        """
        mask = Mask(self.masking) if self.masking else None
        pipe = self._pipes[fd] = PipeReader(fd, phase, stream, mask, markers)
        self._watch(pipe)
        return pipe

    def watch_mask_requests(self, requests: MaskRequests) -> None:
        """Mask what commands ask for from then on."""
        self._requests = requests
        self._waiter.watch(requests.fd, self._read_mask_requests)

    def note(self, text: str, phase: int | None = None) -> None:
        """Say something of our own in the log, on a line of its own, as soon as the sink has room.

        `phase` is where it belongs; None: where the last output came from.
        """
        self._phase = self._phase if phase is None else phase
        self._notes.append(f"opsicle: {text}\n".encode())
        self._write_notes()

    def _write_notes(self) -> bool:
        """Give the sink our own lines. False if it has no room."""
        while self._notes:
            line = self._notes[0] if self._is_at_line_start else b"\n" + self._notes[0]
            if not self._pass_on(self._phase, STDERR, now_ms(), line):
                return False
            self._notes.pop(0)
        return True

    def _pass_on(self, phase: int, stream: int, at_ms: int, piece: bytes) -> bool:
        """Give the sink a piece of up to 64 KiB. False if it has no room."""
        offset = self._sink.write(phase, stream, at_ms, piece)
        if offset is None:
            return False
        self.offset, self._phase, self._is_at_line_start = offset, phase, piece.endswith(b"\n")
        return True

    def _read_mask_requests(self) -> None:
        values = self._requests.read() if self._requests else []
        if self._requests and self._requests.has_ignored and not self._has_warned_of_ignored:
            self._has_warned_of_ignored = True
            self.note(_NOT_MASKED)
        if not values:
            return

        if not self._has_new_masks:
            self._has_new_masks = True
            self.on_mask()

        if self.masking is None:
            self.masking = Masking(values)
        else:
            self.masking.add(values)
        for pipe in self._pipes.values():
            pipe.mask = pipe.mask or Mask(self.masking)

    def turn(self, now: float) -> float:
        """Look again at the pipes that were left alone.

        Returns the monotonic time by which to call again.
        """
        next_due = float("inf") if self._write_notes() else now + _SPOOL_FULL_SECONDS
        for pipe in self._in_order():
            if pipe.due and pipe.due <= now:
                self._take(pipe)
            if pipe.release_at and pipe.release_at <= now:
                pipe.release()
                self._take(pipe)
        for pipe in self._pipes.values():
            next_due = min(next_due, pipe.due or next_due, pipe.release_at or next_due)
        return next_due

    def drain(self) -> None:
        """Take all that has been printed up to now."""
        for pipe in self._in_order():
            self._take(pipe)

    def end_commands(self, markers: CommandMarkers) -> list[Boundary]:
        """Take all that a try has printed, with its last boundaries, as its shell has ended.

        Returns those that are still to come, since the sink has no room for what is before them.
        """
        pipes = [pipe for pipe in self._in_order() if pipe.markers is markers]
        for pipe in pipes:
            for _ in range(_READS_AT_ONCE):
                if not self._read(pipe):
                    break
        markers.is_over = True
        self.drain()

        pending = {each for pipe in pipes for each in pipe.unwritten if isinstance(each, Boundary)}
        return sorted(pending)

    def close(self) -> None:
        """Stop listening; what still prints gets SIGPIPE."""
        self._requests = None
        pipes = self._in_order()
        for pipe in pipes:
            pipe.end()
            if pipe.markers:
                pipe.markers.is_over = True
        for pipe in pipes:
            self._take(pipe, most_reads=0)
        for pipe in pipes:
            self._drop(pipe)

    def _handle_readable(self, pipe: PipeReader) -> None:
        """Take what a watched pipe has to say, after what was said before it."""
        before = self._last_read
        if before and before is not pipe and before.due:
            self._take(before)
        self._take(pipe)

    def _in_order(self) -> list[PipeReader]:
        """Return the pipes, first those whose content was printed first as far as that is known."""
        return sorted(
            self._pipes.values(),
            key=lambda pipe: (pipe is not self._refused, pipe is not self._last_read),
        )

    def _take(self, pipe: PipeReader, most_reads: int = _READS_AT_ONCE) -> None:
        """Take what a pipe has to say, and then what has waited for that at a boundary."""
        following: PipeReader | None = pipe
        while following:
            sibling, markers = following.sibling, following.markers
            self._take_one(following, most_reads)
            if markers:
                markers.report()
            following = sibling if sibling and sibling.can_pass else None

    def _take_one(self, pipe: PipeReader, most_reads: int) -> None:
        if self._pipes.get(pipe.fd) is not pipe:  # its other end was closed
            return
        pipe.due = 0.0
        while self._write_out(pipe) and most_reads and self._read(pipe):
            most_reads -= 1

        if pipe.fd not in self._pipes:
            return
        if pipe.boundary:
            self._await_sibling(pipe)
        elif not pipe.due:
            self._watch(pipe)

    def _write_out(self, pipe: PipeReader) -> bool:
        """Give the sink what was read of a pipe, and pass the boundaries in it.

        False where it has to wait: for room, or at a boundary.
        """
        while pipe.unwritten or self._refused:
            if (boundary := pipe.boundary) and pipe.markers:
                if not pipe.can_pass:
                    return False
                pipe.unwritten.popleft()
                pipe.markers.pass_boundary(boundary)
            elif self._offer(pipe):
                self._note_read(pipe)
            else:
                self._pause(pipe, _SPOOL_FULL_SECONDS)
                return False
        return True

    def _await_sibling(self, pipe: PipeReader) -> None:
        """Hear no more of a pipe until its sibling is at the same boundary."""
        self._waiter.unwatch(pipe.fd)
        pipe.due = 0.0
        if pipe.sibling and not pipe.sibling.unwritten:
            self._watch(pipe.sibling)

    def _note_read(self, pipe: PipeReader) -> None:
        """Leave the pipe that spoke last alone to gather more, and none but it."""
        before, self._last_read = self._last_read, pipe
        if before and before is not pipe and before.due and not before.unwritten:
            self._watch(before)
        self._pause(pipe, _GATHER_SECONDS)

    def _read(self, pipe: PipeReader) -> bool:
        """Read what is there. False if nothing is, for now or for ever."""
        try:
            content = pipe.read()
        except BlockingIOError:
            return False
        pipe.read_at_ms = now_ms()
        # After the pipe: what was printed behind a value to mask was read behind it, too.
        self._read_mask_requests()

        if not content:
            pipe.end()
            if not pipe.unwritten:
                self._drop(pipe)
            return bool(pipe.unwritten)

        pipe.put(content)

        pipe.release_at = (
            time.monotonic() + _SILENT_SECONDS if pipe.mask and pipe.mask.can_release else 0.0
        )
        return True

    def _offer(self, pipe: PipeReader) -> bool:
        """Give the sink some of what the pipe holds.

        False if it has no room, or something else comes first.
        """
        if self._refused not in {None, pipe}:
            return False
        content = pipe.unwritten[0]
        assert isinstance(content, bytes)
        if self._is_full():
            self.dropped_bytes += len(content)
            pipe.unwritten.popleft()
            return True

        piece = content[:CHUNK_BYTES]  # what the mask held back may have made it longer
        if self._max_bytes is not None:
            piece = piece[: self._max_bytes - self.offset]
        is_taken = self._pass_on(pipe.phase, pipe.stream, pipe.read_at_ms, piece)
        self._refused = None if is_taken else pipe
        if not is_taken:
            return False

        pipe.unwritten.popleft()
        if len(piece) < len(content):
            pipe.unwritten.appendleft(content[len(piece) :])
        if self._is_full():
            self.note(
                f"the log ends here: a job may log {self._max_bytes} bytes. "
                "The job goes on; the rest is counted"
            )
        return True

    def _is_full(self) -> bool:
        return self._max_bytes is not None and self.offset >= self._max_bytes

    def _watch(self, pipe: PipeReader) -> None:
        pipe.due = 0.0
        self._waiter.watch(pipe.fd, lambda: self._handle_readable(pipe))

    def _pause(self, pipe: PipeReader, seconds: float) -> None:
        pipe.due = time.monotonic() + seconds
        self._waiter.unwatch(pipe.fd)

    def _drop(self, pipe: PipeReader) -> None:
        self._waiter.unwatch(pipe.fd)
        os.close(pipe.fd)
        del self._pipes[pipe.fd]
        self._last_read = None if self._last_read is pipe else self._last_read
        self._refused = None if self._refused is pipe else self._refused
        pipe.due = pipe.release_at = 0.0
        if pipe.sibling:
            pipe.sibling.sibling = None


def now_ms() -> int:
    """Unix milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000

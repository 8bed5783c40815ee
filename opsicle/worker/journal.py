"""What the worker is about to do, written down before it does it.

So its next run knows what this one left.

An append-only file of lines, each `crc32 as 8 hex digits, space, JSON`. A line that was torn by a
crash does not match its checksum and is passed over. A job's lines, in order:

    spent      before `starting`: the order to do the job, which counts once
    ran        likewise: the automation, which this worker does not run again, not even after its
               server was restored
    forgotten  up to when the expired orders are not listed any more
    starting   before the server is asked whether the job may begin
    clean-up   before anything runs, where the job has clean-up phases: what a next run needs to
               run them
    begun      before the first process of a clean-up phase, so that it is begun once
    masked     once the job has values to be masked of which only this run knows
    child      a process of the job exists (its `life` tells it from a later owner of its id)
    progress   how far the phases were when that was last told to the server
    paused     before people are asked in its midst: how far it is. The server may not know yet
    resuming   before the server is asked whether it may go on, under the fence of a new lease
    finished   how it ended, before the server is told
    closed     the server knows, or does not want to know: nothing is left to do

All of it outlives this process once it was written. What must outlive the machine is on its disk
when `sync` returns; one fsync serves all who wait for it: `spent` and `starting` before anything is
executed, `finished` as soon as the server could not be told at once.
"""

from __future__ import annotations

import logging
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from opsicle.domain.manifests import WorkOrder
from opsicle.kit import files
from opsicle.wire.jobs import Outcome, PhaseReport
from opsicle.worker.journal_lines import (
    BegunLine,
    ChildLine,
    ChildProcess,
    CleanUpLine,
    CleanUpPlan,
    FinishedLine,
    ForgottenLine,
    JobEntry,
    JournalClosed,
    Line,
    MaskedLine,
    PausedLine,
    ProgressLine,
    RanLine,
    ResumingLine,
    Starting,
    UsedLine,
    apply,
    lines_of,
)
from opsicle.worker.pausing import PausedRun
from opsicle.worker.ran_automations import RanAutomations, RanEntry
from opsicle.worker.replay_guard import ReplayGuard, UsedOrder
from opsicle.worker.verification import Refused

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode

COMPACT_BYTES = 1024 * 1024
"""Beyond this size (and twice what it was after the last time) the journal is written anew with
what still matters."""


class Journal:
    """The worker's journal.

    Safe to call from any thread; every method that writes raises OSError when it cannot.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._replay_guard = ReplayGuard()
        self._ran = RanAutomations()
        self._open: dict[str, JobEntry] = {}
        for line in _read(path):
            self._apply(line)
        self._lock = threading.Lock()
        self._sync_lock = threading.Lock()
        self._lines_written = 0
        self._lines_synced = 0
        self._fd = -1
        self._rewrite()

    def open_jobs(self) -> list[JobEntry]:
        """Return the jobs that are not closed; at the start of a run, what the last one left."""
        with self._lock:
            return list(self._open.values())

    def record_order(self, order: WorkOrder, job_id: str, fence: int) -> None:
        """Note that an order is about to be carried out.

        Raises Refused if it, or what it orders, was before.
        """
        if not self.spend(UsedOrder(job_id, fence, order.nonce, order.expires_at)):
            raise Refused("its order was carried out before")
        if not order.is_plan:  # which keeps nothing else of its automation from running
            ran = RanEntry(order.automation_id, order.epoch, fence, order.issued_at)
            self.remember(ran, goes_on=order.resume is not None)

    def remember(self, ran: RanEntry, *, goes_on: bool = False) -> None:
        """Note that an automation is about to run.

        Raises Refused if it has run here before, so that it must not. One that `goes_on` has, up to
        the pause at which this worker keeps it; so it may, whatever epoch its server is in.
        """
        with self._lock:
            if (before := self._ran.find_before(ran)) and not goes_on:
                raise Refused(
                    f"it ran on this worker already, on {before.at:%Y-%m-%d at %H:%M} UTC, "
                    "and its server does not know"
                )
            self._write(RanLine(ran))

    def list_ran(self, most: int) -> list[RanEntry]:
        """Return the newest automations that this worker has begun, at most so many."""
        with self._lock:
            return self._ran.newest(most)

    def spend(self, order: UsedOrder) -> bool:
        """Take up an order, unless that was done before: then False."""
        with self._lock:
            if self._replay_guard.has(order):
                return False
            self._write(UsedLine(order))
            return True

    def starting(self, job_id: str, fence: int) -> None:
        """Note that the server will be asked whether this job may begin."""
        self._append(Starting(job_id, fence))

    def clean_up(self, job_id: str, plan: CleanUpPlan) -> None:
        """Note how the job's clean-up phases could be run by a next run."""
        self._append(CleanUpLine(job_id, plan))

    def begun(self, job_id: str, phase: int) -> None:
        """Note that a clean-up phase begins."""
        self._append(BegunLine(job_id, phase))

    def masked(self, job_id: str) -> None:
        """Note that the job has values to be masked of which only this run knows."""
        self._append(MaskedLine(job_id))

    def child(self, job_id: str, child: ChildProcess) -> None:
        """Note a process of the job."""
        self._append(ChildLine(job_id, child))

    def progress(self, job_id: str, phases: tuple[PhaseReport, ...]) -> None:
        """Note how far the phases are."""
        self._append(ProgressLine(job_id, phases))

    def paused(self, job_id: str, run: PausedRun) -> None:
        """Note that people are asked about the job, and how far it is, durably."""
        self._append(PausedLine(job_id, run))
        self.sync()

    def resuming(self, job_id: str, fence: int) -> None:
        """Note that the server will be asked whether a paused job may go on."""
        self._append(ResumingLine(job_id, fence))

    def finished(self, job_id: str, outcome: Outcome, log_bytes: int) -> None:
        """Note how the job ended, and how long its log is."""
        self._append(FinishedLine(job_id, outcome, log_bytes))

    def closed(self, job_id: str) -> None:
        """Note that nothing is left to do for this job."""
        self._append(JournalClosed(job_id))
        if self._size > self._compact_at:
            with self._sync_lock, self._lock:
                self._rewrite()

    def close(self) -> None:
        """Let go of the file."""
        with self._sync_lock, self._lock:
            os.close(self._fd)

    def _append(self, line: Line) -> int:
        """Write one line; returns its number."""
        with self._lock:
            return self._write(line)

    def _write(self, line: Line) -> int:
        content = _sealed(line)
        try:
            files.write_all(self._fd, content)
        except OSError:
            os.ftruncate(self._fd, self._size)  # half a line would spoil the next one
            raise
        self._size += len(content)
        self._lines_written += 1
        self._apply(line)
        return self._lines_written

    def sync(self) -> None:
        """Make durable what has been noted up to now."""
        number = self._lines_written
        with self._sync_lock:
            if self._lines_synced >= number:
                return  # whoever had the lock before did it for us
            with self._lock:
                written = self._lines_written
            os.fdatasync(self._fd)
            self._lines_synced = written

    def _rewrite(self) -> None:
        self._replay_guard.forget(self._now())
        self._ran.forget(self._now())
        content = b"".join(_sealed(line) for line in self._lines())
        files.replace(self._path, content)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._size = len(content)
        self._compact_at = max(COMPACT_BYTES, 2 * self._size)
        self._lines_synced = self._lines_written

    def _lines(self) -> Iterator[Line]:
        """Return all records that still matter."""
        if self._replay_guard.forgotten_to:
            yield ForgottenLine(self._replay_guard.forgotten_to)
        for ran in self._ran:
            yield RanLine(ran)
        for order in self._replay_guard:
            yield UsedLine(order)
        for entry in self._open.values():
            yield from lines_of(entry)

    def _apply(self, line: Line) -> None:
        if isinstance(line, UsedLine):
            self._replay_guard.add(line.order)
        elif isinstance(line, RanLine):
            self._ran.add(line.ran)
        elif isinstance(line, ForgottenLine):
            self._replay_guard.forgotten_to = line.up_to
        else:
            apply(self._open, line)


def _sealed(line: Line) -> bytes:
    content = _encode(line)
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _read(path: Path) -> Iterator[Line]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return

    damaged = 0
    for line in lines:
        try:
            checksum, content = line[:8], line[9:]
            if int(checksum, 16) != zlib.crc32(content):
                raise ValueError("torn")
            decoded = _decode(content)
        except ValueError:  # also what msgspec raises
            damaged += 1
        else:
            yield decoded

    if damaged:
        log.warning("damaged lines of the journal were passed over", extra={"count": damaged})

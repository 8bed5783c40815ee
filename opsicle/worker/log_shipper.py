"""Carrying jobs' output from their spools to the server, about every 100 ms while there is any.

One thread sends for all jobs in turn, a request at a time. What the server has acknowledged as
durable leaves the spool; after any failure the next request begins where the last acknowledged one
ended.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from opsicle.domain.errors import Internal, LogIncomplete, OpsicleError
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import PhaseReport
from opsicle.wire.worker_api import (
    MAX_LOG_REQUEST_BYTES,
    FinishRequest,
    LogReply,
    LogRequest,
    PauseRequest,
)
from opsicle.worker.connection import AWAY, ServerConnection
from opsicle.worker.journal import Journal
from opsicle.worker.spool import Spool

log = logging.getLogger(__name__)

_decode_phases = msgspec.msgpack.Decoder(tuple[PhaseReport, ...]).decode


class JobLog:
    """What one job says: its output and how far its phases are. The runner's `Sink`.

    `on_refused` is called by the shipper when the server takes no more of it, with the reason.
    """

    def __init__(
        self,
        fence: int,
        spool: Spool,
        shipper: LogShipper,
        journal: Journal,
        on_refused: Callable[[OpsicleError], None],
    ) -> None:
        self.fence = fence
        self.spool = spool
        self.on_refused = on_refused
        self._shipper = shipper
        self._journal = journal
        # The job's thread alone sets the newest phases, the sending one alone those that the server
        # has: so a request that fails cannot put older ones over newer.
        self._phases = self._sent_phases = self._known_phases = b""
        self.is_after_loss = False
        """Whether the server has lost a part of this log that it had acknowledged; what is here
        goes on behind that."""

    def write(self, phase: int, stream: int, at_ms: int, data: bytes) -> int | None:
        """Take up to 64 KiB of output; see `Sink`."""
        end = self.spool.write(phase, stream, at_ms, data)
        if self.has_unsent:
            self._shipper.schedule(self)
        return end

    def progress(self, phases: Sequence[PhaseReport]) -> None:
        """Take note of how far the phases are; see `Sink`."""
        self._phases = msgspec.msgpack.encode(phases)
        self._shipper.schedule(self)

    def detach(self) -> None:
        """Send no more of it until there is news; waits for the request that is under way."""
        self._shipper.detach(self)

    @property
    def has_unsent(self) -> bool:
        """Whether there is anything that the server does not know."""
        has_any = self.spool.pending or self._phases is not self._known_phases
        return bool(has_any) and not self.spool.is_discarded

    def next_request(self) -> LogRequest:
        """Return what to send next.

        The phases are noted in the journal, for a next run that may have to report them.
        """
        self._sent_phases = newest = self._phases
        phases = _decode_phases(newest) if newest is not self._known_phases else None
        if phases:
            try:
                self._journal.progress(self.spool.job_id, phases)
            except OSError as error:
                log.warning("the journal cannot be written", extra={"reason": str(error)})

        chunks = tuple(self.spool.read())
        return LogRequest(
            fence=self.fence, chunks=chunks, phases=phases, is_after_loss=self.is_after_loss
        )

    def acknowledge(self, request: LogRequest, reply: LogReply) -> None:
        """Let go of what the server has.

        If it misses what it acknowledged before, that is said with the next request.

        Raises LogIncomplete if it still misses that when it has been told: then it takes no more.
        """
        if request.phases is not None:
            self._known_phases = self._sent_phases
        if request.chunks and reply.durable_to < request.chunks[0][0]:
            self.lost(request, reply.durable_to)
            return
        self.spool.acknowledge(reply.durable_to)

    def lost(self, request: LogRequest | FinishRequest | PauseRequest, durable_to: int) -> None:
        """Note that the server has the log only up to a byte, and the rest is lost here.

        Raises LogIncomplete.
        """
        if request.is_after_loss:
            raise LogIncomplete(f"the server has lost the log from byte {durable_to} on")
        log.error(
            "the server has lost a part of a log",
            extra={"job_id": self.spool.job_id, "from_byte": durable_to},
        )
        self.is_after_loss = True


class LogShipper:
    """The thread that sends.

    `interval` in seconds is how long output waits for more to go with it.
    """

    def __init__(self, connection: ServerConnection) -> None:
        self.interval = 0.1
        self._connection = connection
        self._changed = threading.Condition()
        self._due: dict[JobLog, float] = {}
        self._wakes_at = math.inf
        self._sender: JobLog | None = None
        self._is_stopping = False
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self._run, name="log-shipper", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """End after the request that is under way, for which it waits so long.

        The rest stays in the spools.
        """
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        self._connection.wake()
        self._thread.join(seconds)

    def schedule(self, job_log: JobLog) -> None:
        """Send news one interval from now, or at once if it fills a request."""
        is_full = job_log.spool.pending >= MAX_LOG_REQUEST_BYTES
        if job_log in self._due and not is_full:
            return
        with self._changed:
            self._schedule(job_log, is_full)

    def detach(self, job_log: JobLog) -> None:
        """Send no more of this job's; waits for the request that is under way."""
        with self._changed:
            self._due.pop(job_log, None)
            self._changed.wait_for(lambda: self._sender is not job_log)
            self._due.pop(job_log, None)

    def _schedule(self, job_log: JobLog, is_full: bool) -> None:
        now = time.monotonic()
        due = self._due.get(job_log)
        wanted = now if is_full else now + self.interval
        if due is None or wanted < due:
            self._due[job_log] = wanted
            # Most jobs are over before that: waking the thread for each costs more than all.
            if wanted < self._wakes_at:
                self._changed.notify_all()

    def _run(self) -> None:
        while job_log := self._next():
            seen = self._connection.times_reached
            try:
                failure = self._send(job_log)
            except Exception:
                log.exception(
                    "the log shipper failed at a job", extra={"job_id": job_log.spool.job_id}
                )
                failure = Internal("the log shipper failed")

            self._sent(job_log)
            if failure:
                self._connection.wait_for_return(
                    self._backoff, failure, seen, until=lambda: self._is_stopping
                )

    def _next(self) -> JobLog | None:
        """Wait until something is due; None when stopping."""
        with self._changed:
            while not self._is_stopping:
                first = min(self._due, key=self._due.__getitem__, default=None)
                left = self._due[first] - time.monotonic() if first else None
                if first and left is not None and left <= 0:
                    del self._due[first]
                    self._sender = first
                    return first
                self._wakes_at = self._due[first] if first else math.inf
                self._changed.wait(left)

        return None

    def _send(self, job_log: JobLog) -> OpsicleError | None:
        """Send one request. Returns why the server cannot be told now, or None."""
        if not job_log.has_unsent:
            return None

        request = job_log.next_request()
        try:
            reply = self._connection.call(
                endpoints.LOG.path_of(job_log.spool.job_id), request, LogReply
            )
            job_log.acknowledge(request, reply)
        except AWAY as error:
            log.debug(
                "output waits for the server",
                extra={"job_id": job_log.spool.job_id, "reason": error.message},
            )
            return error
        except OpsicleError as error:
            job_log.on_refused(error)

        self._backoff.reset()
        return None

    def _sent(self, job_log: JobLog) -> None:
        with self._changed:
            self._sender = None
            if job_log.has_unsent:
                self._schedule(job_log, job_log.spool.pending >= MAX_LOG_REQUEST_BYTES)
            self._changed.notify_all()

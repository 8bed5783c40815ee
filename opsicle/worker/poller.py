"""Asking the server for work, for ever: the one loop by which it learns that this worker lives."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

import msgspec

from opsicle.domain.errors import ClockOff, NotAllowed, NotAuthenticated, OpsicleError
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS, newest_common
from opsicle.kit.backoff import Backoff
from opsicle.version import __version__
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import MAX_EXPLANATION, Work
from opsicle.wire.worker_api import (
    MAX_LISTED_JOBS,
    POLL_SECONDS,
    PollReply,
    PollRequest,
    RanAutomation,
    RunningJob,
)
from opsicle.worker.audit_monitor import AuditMonitor
from opsicle.worker.connection import AWAY, ServerConnection
from opsicle.worker.known_epoch import KnownEpoch
from opsicle.worker.output import now_ms
from opsicle.worker.ran_automations import RanEntry

log = logging.getLogger(__name__)

LONGEST_DELAY_SECONDS = 4.0
"""Between two tries to reach a server that is away: with the connecting, it is found within 5 s of
its return, and 2,000 workers, each at a moment of its own, come back over 4 s. All else that
waits for the server goes on when the poll has reached it, and may so be far lazier (see
`ServerConnection.retry`)."""

_AT_ONCE_SECONDS = 0.05
"""An empty answer that is quicker than this was not held: the server is on its way out, and left in
peace a little."""

AFTER_WORK_SECONDS = 0.012
"""How long a poll waits behind one that has brought work, unless all of it has ended before: in
both processes it would stand in the way of that work's beginning, and of the end of what is short,
and cost each a twentieth of its time."""


class Holder(Protocol):
    """The jobs, as far as a poll concerns them.

    `takes_more`: whether the end of one makes room for another.
    """

    takes_more: bool

    @property
    def can_begin(self) -> bool:
        """Whether one that comes now could begin."""

    def held(self) -> tuple[RunningJob, ...]:
        """Return the jobs held now."""

    def paused(self) -> tuple[RunningJob, ...]:
        """Return the jobs that wait for people."""

    def take(self, work: Work) -> None:
        """Begin a job."""

    def cancel(self, job_id: str) -> None:
        """Stop a job, as a person asked."""

    def drop(self, job_id: str) -> None:
        """Stop a job and forget it."""

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until none is held. False if some still are after `seconds`."""


class WorkerDescription(msgspec.Struct, frozen=True):
    """What the worker says of itself in every poll. `boot_id` names this instance of its process.

    `runtimes` are the kinds of phases that it can run, `limits_by` what keeps the limits of each.
    """

    boot_id: str
    labels: dict[str, str]
    slots: int
    runtimes: tuple[str, ...]
    limits_by: dict[str, str] = {}


class Poller:
    """The poll loop, in a thread of its own.

    `on_answered` is called after every good answer, with the log interval in seconds; `on_rejected`
    once, when the server (or TLS) says that this worker is none of its own: then the loop has
    ended. `audit_monitor` is shown every checkpoint of the audit record, `on_granted` is called
    with the labels that the server grants beyond this worker's own, `on_told_urls` with the
    addresses that it names; set all before `start`.
    """

    def __init__(
        self,
        description: WorkerDescription,
        connection: ServerConnection,
        jobs: Holder,
        on_answered: Callable[[float], None],
        on_rejected: Callable[[OpsicleError], None],
        between_polls: Callable[[], None],
    ) -> None:
        self._description = description
        self._connection = connection
        self._jobs = jobs
        self._on_answered = on_answered
        self._on_rejected = on_rejected
        self._between_polls = between_polls
        self.audit_monitor: AuditMonitor | None = None
        self.on_granted: Callable[[Mapping[str, str]], None] = lambda _labels: None
        self.on_told_urls: Callable[[tuple[str, ...]], None] = lambda _urls: None
        self._told_urls: tuple[str, ...] | None = None
        self._granted: dict[str, str] = {}
        self._withheld = ""
        self._backoff = Backoff(longest=LONGEST_DELAY_SECONDS)
        self._stopping = threading.Event()
        self._is_draining = False
        self._is_leaving = False
        self._was_answered = False
        self._is_away = False
        self._is_draining_by_server = False
        self._is_understood = True
        self._is_asked_what_ran = False
        self._has_shown_epoch = False
        self.epoch: KnownEpoch | None = None
        self.list_ran: Callable[[int], list[RanEntry]] = lambda _most: []
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def drain(self) -> None:
        """Take no more jobs, and let the server know at once."""
        self._is_draining = True
        self._jobs.takes_more = False
        self._connection.interrupt_poll()

    def stop(self, seconds: float) -> None:
        """End, waiting at most so long for what is under way."""
        self._stopping.set()
        self._connection.interrupt_poll()
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
                self._between_polls()
            except Exception:
                log.exception("the poller failed")
                self._stopping.wait(self._backoff.next_delay())
        if self._was_answered and not self._is_away:
            self._announce_leaving()

    def _announce_leaving(self) -> None:
        """Let the server know that no poll follows, so that it does not lease a job to nobody."""
        self._is_draining, self._is_leaving, self._was_answered = True, True, False
        with suppress(OpsicleError):
            self._connection.call(endpoints.POLL.path, self._request(), PollReply)

    def _turn(self) -> None:
        began_at = time.monotonic()
        was_away = self._is_away
        try:
            reply = self._connection.poll(
                endpoints.POLL.path, self._request, PollReply, POLL_SECONDS
            )
        except OpsicleError as error:
            self._failed(error)
            return

        if reply is None:
            return

        self._apply(reply)
        is_empty = not (reply.work or reply.cancel or reply.drop)
        if reply.work:
            self._jobs.wait_until_idle(AFTER_WORK_SECONDS)
        if self._leaves_for_another():
            self._stopping.wait(self._backoff.next_delay())
        elif is_empty and self._was_answered and not was_away:
            self._pause_unless_held(time.monotonic() - began_at)
        else:
            self._backoff.reset()

        self._was_answered = True

    def _leaves_for_another(self) -> bool:
        """Return whether a server of an earlier epoch was left for the next address.

        It has been shown that there is a later one, which may be elsewhere: this one is a machine
        that came back after a standby has taken over.
        """
        is_behind = self._has_shown_epoch and self.epoch is not None and self.epoch.proof
        if not is_behind or not self._connection.try_next_url():
            return False
        log.warning("this server is of an earlier epoch: looking for another")
        return True

    def _request(self) -> PollRequest:
        jobs, paused = self._jobs.held(), self._jobs.paused()
        is_draining = self._is_draining or not self._jobs.takes_more
        takes_none = is_draining or not self._jobs.can_begin
        free = 0 if takes_none else max(0, self._description.slots - len(jobs))
        rewritten = self.audit_monitor.report if self.audit_monitor else ""
        newer_epoch = self.epoch.proof if self.epoch else None
        self._has_shown_epoch = newer_epoch is not None
        is_elsewhere = newer_epoch is not None and self._connection.has_other_urls
        is_held = self._was_answered and not (self._is_away or is_elsewhere)

        return PollRequest(
            boot_id=self._description.boot_id,
            program_version=__version__,
            labels=self._description.labels,
            slots=self._description.slots,
            free_slots=free,
            runtimes=self._description.runtimes,
            limits_by=self._description.limits_by,
            jobs=jobs,
            paused=paused[:MAX_LISTED_JOBS],
            is_draining=is_draining,
            resumes_only=is_draining and not self._is_draining,
            is_leaving=self._is_leaving,
            wait_seconds=POLL_SECONDS if is_held else 0,
            history_rewritten=rewritten[:MAX_EXPLANATION],
            sent_at_ms=now_ms(),
            granted=self._granted,
            formats=SUPPORTED_FORMATS,
            newer_epoch=newer_epoch,
            ran=self._ran(),
        )

    def _ran(self) -> tuple[RanAutomation, ...]:
        """Return what the server wants to know of what this worker has begun lately."""
        found = self.list_ran(MAX_LISTED_JOBS) if self._is_asked_what_ran else []
        return tuple(
            RanAutomation(ran.automation_id, round(ran.at.timestamp() * 1000)) for ran in found
        )

    def _apply(self, reply: PollReply) -> None:
        if self.audit_monitor:
            self.audit_monitor.reported()
            if reply.checkpoint:
                self.audit_monitor.see(reply.checkpoint)
        if self.epoch:
            self.epoch.note_server_epoch(reply.epoch, reply.epoch_id)
        self._is_asked_what_ran = reply.wants_ran
        self._learn_urls(reply.server_urls)
        if reply.granted is not None:
            self._granted = reply.granted
            self.on_granted(reply.granted)
        for work in reply.work:
            self._jobs.take(work)
        for job_id in reply.drop:
            self._jobs.drop(job_id)
        for job_id in reply.cancel:
            self._jobs.cancel(job_id)
        self._log_changes(reply)
        self._on_answered(reply.log_interval_ms / 1000)

    def _learn_urls(self, urls: tuple[str, ...] | None) -> None:
        if urls is not None and urls != self._told_urls:
            self._told_urls = urls
            self.on_told_urls(urls)

    def _log_changes(self, reply: PollReply) -> None:
        """Say in the log what has changed between this worker and its server."""
        if self._is_away:
            log.info("the server is back")
            self._is_away = False
        self._compare_formats(reply)
        if reply.drain != self._is_draining_by_server:
            log.info(
                "the server lets this worker drain"
                if reply.drain
                else "the server lets this worker work again"
            )
            self._is_draining_by_server = reply.drain

        self._log_withheld(reply.withheld)

    def _log_withheld(self, reason: str) -> None:
        """Tell in the log why the server gives this worker no work, each time that changes."""
        if reason == self._withheld:
            return
        self._withheld = reason
        if reason:
            log.error("the server gives this worker no work", extra={"reason": reason})
        else:
            log.info("the server gives this worker work again")

    def _report_clock(self) -> None:
        """Tell the server that this machine's clock is wrong, so that people are shown it.

        By that clock the server's certificate is not valid now, so of the answer only what it says
        of the clock is heard. The poll also keeps the leases of jobs that run.
        """
        request = msgspec.structs.replace(
            self._request(), free_slots=0, wait_seconds=0, history_rewritten=""
        )
        try:
            reply = self._connection.report_clock(endpoints.POLL.path, request, PollReply)
        except OpsicleError as error:
            log.debug("the server could not be told of the clock", extra={"reason": error.message})
        else:
            self._log_withheld(reply.withheld)

    def _compare_formats(self, reply: PollReply) -> None:
        """Say once if this worker and its server are too many versions apart to work together."""
        is_understood = newest_common(reply.formats) is not None
        if not is_understood and self._is_understood:
            hint = "Upgrade the older of the two: each reads what the version before it writes."
            log.error(
                "this worker cannot read the server's orders, so it gets no work",
                extra={"hint": hint},
            )
        self._is_understood = is_understood

    def _pause_unless_held(self, seconds: float) -> None:
        if seconds < _AT_ONCE_SECONDS:
            self._stopping.wait(self._backoff.next_delay())
        else:
            self._backoff.reset()

    def _failed(self, error: OpsicleError) -> None:
        if self._is_final(error):
            self._was_answered = False
            self._stopping.set()
            self._on_rejected(error)
            return

        if not self._is_away:
            is_clock = isinstance(error, ClockOff)
            message = (
                "the clock is wrong: waiting for it to become right"
                if is_clock
                else "the server is away"
            )
            log.warning(message, extra={"reason": error.message, "hint": error.hint})
            self._is_away = True
        if isinstance(error, ClockOff):
            self._report_clock()
        self._stopping.wait(self._backoff.next_delay())

    def _is_final(self, error: OpsicleError) -> bool:
        """Return whether trying again is pointless.

        Where polls were answered before, only a rejection by the server itself is final. A foreign
        certificate in the server's place may be a passing mistake of the network: never a reason to
        end jobs.
        """
        if isinstance(error, AWAY):
            return False
        is_from_server = error.__cause__ is None
        return not self._was_answered or (
            is_from_server and isinstance(error, NotAuthenticated | NotAllowed)
        )

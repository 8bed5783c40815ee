"""Telling the server of jobs, for as long as that is of any use."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.errors import (
    Conflict,
    LeaseLost,
    LogIncomplete,
    NotAllowed,
    NotAuthenticated,
    OpsicleError,
)
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import MAX_EXPLANATION, Outcome, PhaseReport
from opsicle.wire.worker_api import (
    Chunks,
    Done,
    FinishReply,
    FinishRequest,
    LogRequest,
    PauseRequest,
    RefuseRequest,
    StartRequest,
)
from opsicle.worker.connection import AWAY, ServerConnection
from opsicle.worker.job import HeldJob
from opsicle.worker.output import now_ms
from opsicle.worker.pausing import PausedRun
from opsicle.worker.verification import NoRoom, NotValidNow, Refused

log = logging.getLogger(__name__)

Reply = TypeVar("Reply")

REPORT_SECONDS = 60.0
"""How long a worker that is to end tries to tell the server of a job of which nothing runs.

Its next run does it then.
"""


class JobReporter:
    """Tells the server of jobs that begin, are refused and end. Safe to use from any thread.

    `on_rejected` is told when the server no longer accepts this worker at all. `wants_next` says
    whether the end of a job makes room for another. `draining_since` is when the worker was told to
    end (monotonic seconds); once it `is_ending`, nobody waits for the server any more.
    """

    def __init__(
        self,
        connection: ServerConnection,
        on_rejected: Callable[[OpsicleError], None],
        wants_next: Callable[[], bool],
    ) -> None:
        self.draining_since: float | None = None
        self.is_ending = False
        self._connection = connection
        self._on_rejected = on_rejected
        self._wants_next = wants_next

    def start(self, job: HeldJob, besides: Callable[[], None]) -> bool:
        """Ask whether a job may begin. `besides` is called while the server thinks."""

        def ask() -> Done:
            try:
                return self.retry(job, endpoints.START, StartRequest(job.fence), besides=besides)
            except LeaseLost:
                self.report_not_begun(job, "nothing of it was run", (), 0)
                raise

        return self._request(job, ask) is not None

    def report_not_begun(
        self, job: HeldJob, what: str, phases: tuple[PhaseReport, ...], log_bytes: int
    ) -> bool:
        """Say that the server's word to begin came too late, if it did.

        A first word may have been lost on its way, and the job taken for one that ran. Returns
        whether the job has ended by this; it has not where the server knows that it did not begin.
        Raises as `retry`.
        """
        if job.is_dropped:
            return False
        explanation = f"{what}: the server's word that it may came too late"
        outcome = Outcome(state=JobState.FAILED, phases=phases, explanation=explanation)
        try:
            request = FinishRequest(fence=job.fence, outcome=outcome, log_bytes=log_bytes)
            self.retry(job, endpoints.FINISH, request)
        except (Conflict, LeaseLost):
            return False
        return True

    def ask(self, job: HeldJob, call: Callable[[], None]) -> bool:
        """Make calls about a job that has not begun; False if it is no longer to begin here."""

        def call_and_say_so() -> bool:
            call()
            return True

        return self._request(job, call_and_say_so) is not None

    def refuse(self, job: HeldJob, refused: Refused) -> None:
        """Say here and to the server that nothing of a job is carried out.

        What an earlier order has left stays as it is.
        """
        log.error(
            "order refused: nothing of it is run", extra={"job_id": job.id, "reason": str(refused)}
        )
        request = RefuseRequest(
            job.fence, str(refused)[:MAX_EXPLANATION], isinstance(refused, NotValidNow), now_ms()
        )
        request.newer_epoch, request.lacks_room = refused.proof, isinstance(refused, NoRoom)

        try:
            self.retry(job, endpoints.REFUSE, request)
        except (NotAuthenticated, NotAllowed) as error:
            self._on_rejected(error)
        except OpsicleError as error:
            log.warning(
                "the server does not take the refusal",
                extra={"job_id": job.id, "reason": error.message},
            )

    def upload(self, job: HeldJob) -> None:
        """Send the artifacts of a job that still runs; what fails is tried again at its end."""
        try:
            self._upload(job)
        except LeaseLost as error:
            job.drop(error.message)
        except OpsicleError as error:
            log.info("artifacts wait", extra={"job_id": job.id, "reason": error.message})

    def _upload(self, job: HeldJob) -> None:
        """Send all artifacts of a job that wait. Raises as `retry`."""
        job.uploads.send(
            lambda request: self.retry(job, endpoints.ARTIFACT, request, on_away=job.keep_end)
        )

    def finish(
        self, job: HeldJob, outcome: Outcome, log_bytes: int, boot_id: str
    ) -> FinishReply | None:
        """Deliver the rest of the log and the outcome, however long the server is away.

        Returns None if the server has, or wants, nothing to do with the job any more, or will be
        told by the next run of this worker.
        """

        def request(chunks: Chunks) -> FinishRequest:
            return FinishRequest(
                fence=job.fence,
                outcome=outcome,
                log_bytes=log_bytes,
                chunks=chunks,
                is_slot_free=self._wants_next() and not self.is_ending,
                is_after_loss=job.log.is_after_loss,
                boot_id=boot_id,
            )

        return self._request(job, lambda: self._deliver(job, endpoints.FINISH, log_bytes, request))

    def pause(self, job: HeldJob, run: PausedRun) -> JobState:
        """Have the server ask people, with all of the log so far, however long it is away.

        Returns the job's state: `paused`, unless nobody is asked. Raises as `retry`.
        """

        def request(chunks: Chunks) -> PauseRequest:
            return PauseRequest(
                fence=run.fence,
                phase=run.phase,
                phases=run.phases,
                log_bytes=run.log_bytes,
                chunks=chunks,
                is_after_loss=job.log.is_after_loss,
            )

        return self._deliver(job, endpoints.PAUSE, run.log_bytes, request).state

    def rejected(self, error: OpsicleError) -> None:
        """Let the worker end, as the server accepts it no more."""
        self._on_rejected(error)

    def _deliver(
        self,
        job: HeldJob,
        endpoint: Endpoint[Reply],
        log_bytes: int,
        make: Callable[[Chunks], FinishRequest | PauseRequest],
    ) -> Reply:
        """Say something of a job together with the last of its log, once the rest is there."""
        self._upload(job)
        while True:
            chunks = tuple(job.spool.read())
            if not chunks or chunks[-1][0] + len(chunks[-1][4]) >= log_bytes:
                last = make(chunks)
                try:
                    return self.retry(
                        job, endpoint, last, on_away=job.keep_end, besides=job.catch_up
                    )
                except LogIncomplete:  # all that is left of it was sent
                    job.log.lost(last, job.spool.acknowledged)
                    continue

            request = LogRequest(
                fence=job.fence, chunks=chunks, is_after_loss=job.log.is_after_loss
            )
            reply = self.retry(job, endpoints.LOG, request, on_away=job.keep_end)
            job.log.acknowledge(request, reply)

    def retry(
        self,
        job: HeldJob,
        endpoint: Endpoint[Reply],
        message: msgspec.Struct,
        **hooks: Callable[[], None],
    ) -> Reply:
        """Ask about a job until there is an answer, or it is no use any more.

        `hooks` are those of the connection; raises as that does.
        """
        return self._connection.retry(
            endpoint.path_of(job.id),
            message,
            endpoint.reply,
            until=lambda: self._is_pointless(job),
            **hooks,
        )

    def _is_pointless(self, job: HeldJob) -> bool:
        """Return whether nobody waits any more for the server to hear of a job.

        The journal keeps how it ended.
        """
        if job.is_dropped or self.is_ending:
            return True
        if self.draining_since is None or job.idle_since is None:
            return False
        return time.monotonic() > max(self.draining_since, job.idle_since) + REPORT_SECONDS

    def _request(self, job: HeldJob, call: Callable[[], Reply]) -> Reply | None:
        """Make a call about a job; None if the server has, or wants, nothing to do with it."""
        try:
            return call()
        except AWAY as error:
            if job.is_dropped:
                job.close()
            else:
                log.warning(
                    "left for the next start of this worker",
                    extra={"job_id": job.id, "reason": error.message},
                )
        except (NotAuthenticated, NotAllowed) as error:
            self._on_rejected(error)
        except LeaseLost as error:
            job.drop(error.message)
            job.close()
        except OpsicleError as error:
            log.error(  # noqa: TRY400 - the stack does not say why
                "the server refuses a job", extra={"job_id": job.id, "reason": error.message}
            )
            job.close()

        return None

"""What workers know and the server does not: that there was a later state than its own."""

from __future__ import annotations

import logging
from collections.abc import Collection

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.kit.clock import Clock
from opsicle.security.order_key import OrderPublicKey
from opsicle.server.access.actor import WorkerActor
from opsicle.server.store import audit, automations, epochs
from opsicle.server.store.automations import AutomationOwner
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.epochs import Epoch
from opsicle.server.workers.holds import Hold
from opsicle.wire.worker_api import RanAutomation, SignedOrder

log = logging.getLogger(__name__)

OLDER_COPY = "held, because a worker has worked for a later state of this server"

_RECORDED_AT_ONCE = 50
"""Entries in one unit of work, which holds the event loop: some milliseconds."""

_NOT_BEGUN = frozenset(
    {AutomationState.PLANNING, AutomationState.AWAITING_APPROVAL, AutomationState.QUEUED}
)


class _Claim(msgspec.Struct):
    """What of an order matters here."""

    epoch: int = 0
    epoch_id: str = ""


class EpochReports:
    """Takes what workers report of a later epoch.

    A worker's bare word holds nothing up: a later epoch is shown by an order signed in it.
    """

    def __init__(
        self, database: Database, hold: Hold, key: OrderPublicKey, epoch: Epoch, clock: Clock
    ) -> None:
        self._database = database
        self._hold = hold
        self._key = key
        self._epoch = epoch
        self._clock = clock
        self._asked: set[str] = set()
        self._reported: set[str] = set()
        """Workers that have reported what they ran, since the server was started."""
        self._recorded: dict[str, set[str]] = {}
        """By worker whose report is being recorded, the automations that are recorded already."""

    def report_newer(self, worker: WorkerActor, proof: SignedOrder) -> bool:
        """Hold the queue if the order is of a later epoch, or of another one of this number.

        Return whether it was.
        """
        claim = self._claim(proof)
        mine = self._epoch
        if claim is None or claim.epoch < mine.number or (claim.epoch, claim.epoch_id) == mine:
            return False
        if not self._hold.is_held:
            log.error(
                "this server runs on an older copy",
                extra={"epoch": mine.number, "known": claim.epoch},
            )

        def work(db: Connection) -> None:
            epochs.note_known(db, claim.epoch)
            data = {"epoch": mine.number, "worker_knows": claim.epoch}
            audit.append(
                db, self._clock.now(), worker.record, worker, "report_newer_epoch", "server", data
            )

        self._hold.hold(OLDER_COPY, work)
        return True

    def wants_ran(self, worker: WorkerActor) -> bool:
        """Return whether a worker is to tell what it ran: once, while the queue is held."""
        return self._hold.is_held and worker.worker_id not in self._reported

    def should_answer_at_once(self, worker: WorkerActor) -> bool:
        """Return whether the worker's poll is not to be held open.

        That is because its answer is the first to ask what it ran.
        """
        if not self.wants_ran(worker) or worker.worker_id in self._asked:
            return False
        self._asked.add(worker.worker_id)
        return True

    def record_ran(
        self, worker: WorkerActor, ran: tuple[RanAutomation, ...], paused: Collection[str] = ()
    ) -> None:
        """Record what a worker has run that the server does not know of, or takes for not begun.

        Or for waiting at a pause, though it is not among the `paused` jobs that the worker keeps.

        A few at a time, as each unit of work holds the event loop. If one fails the worker is asked
        again, and what stands in the record already is passed over.
        """
        if not self.wants_ran(worker):
            return
        recorded, count = self._recorded.setdefault(worker.worker_id, set()), 0
        fresh = [each for each in ran if each.automation_id not in recorded]
        for start in range(0, len(fresh), _RECORDED_AT_ONCE):
            count += self._record_all(
                worker, fresh[start : start + _RECORDED_AT_ONCE], recorded, paused
            )
        self._reported.add(worker.worker_id)
        self._recorded.pop(worker.worker_id, None)
        if count:
            facts = {"worker": worker.name, "count": count}
            log.warning("a worker has run what the server does not know of", extra=facts)

    def _record_all(
        self,
        worker: WorkerActor,
        ran: list[RanAutomation],
        recorded: set[str],
        paused: Collection[str],
    ) -> int:
        """Record a few, and how many of them there was anything to say of.

        Undone whole if it fails.
        """
        ids = {each.automation_id for each in ran} - recorded
        recorded |= ids  # before the write, so that another poll meanwhile does not write the same
        try:
            return self._database.write(
                lambda db: sum(
                    self._record(db, worker, each, paused)
                    for each in ran
                    if each.automation_id in ids
                )
            )
        except BaseException:
            recorded -= ids
            raise

    def _record(
        self, db: Connection, worker: WorkerActor, ran: RanAutomation, paused: Collection[str]
    ) -> bool:
        place = automations.find_owner(db, ran.automation_id)
        if place and place.state not in _NOT_BEGUN and not _has_gone_on(place, paused):
            return False
        if place and not worker.is_shared and place.org_id != worker.org_id:
            return False  # nobody says anything of another org's
        verb = "report_ran" if place else "report_unknown_automation"
        org_id = place.org_id if place else worker.record
        data = {"began_at_ms": ran.began_at_ms}
        audit.append(
            db, self._clock.now(), org_id, worker, verb, f"automations/{ran.automation_id}", data
        )
        return True

    def _claim(self, proof: SignedOrder) -> _Claim | None:
        if not self._key.has_signed(proof.order, proof.signature):
            return None
        try:
            return msgspec.json.decode(proof.order, type=_Claim)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None


def _has_gone_on(place: AutomationOwner, paused: Collection[str]) -> bool:
    """Return whether an automation that is paused here is not so at the worker that ran it."""
    return place.state is AutomationState.PAUSED and place.job_id not in paused

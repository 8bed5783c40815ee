"""Signing how far each org's record has got, and removing what is older than it is to be kept.

An entry that is cut off the end is noticed if a signature covers it. So each turn of the loop signs
every chain that has new entries, and so does a clean stop. Such a signature is a checkpoint that
the next one replaces (the chain's *head*), or else a busy org would make six million a year; it
stays for good when many entries are new or have waited, and when what it covers is gone, as the
proof of that.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import gevent
import msgspec

from opsicle.domain.audit_chain import NO_HASH, chain_of
from opsicle.kit.clock import Clock, from_text, to_text
from opsicle.security.audit_key import AuditKey, hash_of
from opsicle.server.access.actor import WorkerActor
from opsicle.server.audit.thinning import CheckpointThinning
from opsicle.server.store import audit, audit_checkpoints, worker_status
from opsicle.server.store.audit_checkpoints import ChainRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.audit import Checkpoint, SeenCheckpoint

log = logging.getLogger(__name__)

SIGN_AFTER_ENTRIES = 500
SIGN_AFTER = timedelta(minutes=5)
"""A chain gets a lasting checkpoint after so many new entries, or so long after the last one."""

REPORTS_APART = timedelta(days=1)
"""How often one worker's claim that history was rewritten is taken into the record: once says it
all."""

SHOWN_SECONDS = 1.0
"""How old what a worker is shown may be: of 2,000 that poll, not each has it read anew."""

_REASON_LENGTH = 300
_REMOVED_AT_ONCE = 400
"""Entries removed in one unit of work: it holds the event loop."""

_PAUSE_SECONDS = 0.01
"""Between two of these, so that others have the greater part of the event loop."""


class _Removal(msgspec.Struct, frozen=True):
    """Entries up to `to` are removed; `hash` is the last one's."""

    to: int = 0
    hash: str = NO_HASH


class AuditCheckpoints:
    """Makes the checkpoints of every chain."""

    def __init__(self, database: Database, key: AuditKey, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock
        self._reported_at: dict[str, datetime] = {}
        self._shown: dict[str, tuple[float, SeenCheckpoint | None]] = {}
        self.thinning = CheckpointThinning(database, key, clock)

    def sign(self, org_id: str) -> None:
        """Sign a chain for good as it is now, unless its newest checkpoint covers all of it."""
        self._database.write(lambda db: self._sign(db, org_id))

    def sign_export(self, org_id: str) -> None:
        """Sign a chain to its end for somebody who takes it away.

        That checkpoint is never thinned out.
        """

        def work(db: Connection) -> None:
            self._sign(db, org_id)
            if last := audit_checkpoints.find_last(db, org_id):
                audit_checkpoints.note_export(db, org_id, last.number)

        self._database.write(work)

    def sign_all(self) -> None:
        """Sign every chain for good, in one transaction.

        The server stops, and what it leaves may be changed.
        """

        def work(db: Connection) -> None:
            for chain in audit_checkpoints.list_chains(db):
                self._sign(db, chain.org_id)

        self._database.write(work)

    def newest(self, org_id: str) -> SeenCheckpoint | None:
        """Return what is shown to an org's workers, as it was `SHOWN_SECONDS` ago at the most."""
        now = self._clock.monotonic()
        read_at, shown = self._shown.get(org_id, (-SHOWN_SECONDS, None))

        if now - read_at >= SHOWN_SECONDS:
            last = self._database.read(lambda db: audit_checkpoints.find_last(db, org_id))
            shown = SeenCheckpoint(chain_of(org_id), last) if last else None
            self._shown[org_id] = now, shown

        return shown

    def contradicted(self, worker: WorkerActor, contradiction: str) -> None:
        """Record that a worker has seen another history than this one.

        Once a day for each worker, whatever it says.
        """
        now, reason = self._clock.now(), contradiction[:_REASON_LENGTH]
        if now - self._reported_at.get(worker.worker_id, now - REPORTS_APART) < REPORTS_APART:
            return

        def work(db: Connection) -> bool:
            if not worker_status.note_history_report(
                db, worker.worker_id, now, now - REPORTS_APART
            ):
                return False
            audit.append(
                db,
                now,
                worker.record,
                worker,
                "report_rewritten_history",
                "audit",
                {"reason": reason},
            )
            return True

        if self._database.write(work):
            log.error(
                "a worker has seen another audit record",
                extra={"worker": worker.name, "reason": reason},
            )
        self._reported_at[worker.worker_id] = now

    def sign_due(self) -> None:
        """Sign every chain that has new entries, in one transaction.

        For good if these are many or have waited.
        """
        due = self._database.read(self._list_due)
        if not due:
            return

        def work(db: Connection) -> None:
            for chain, is_for_good in due:
                self._sign(db, chain.org_id, is_for_good=is_for_good)

        self._database.write(work)

    def prune(self, keep: timedelta) -> int:
        """Remove the entries older than `keep`, never the newest one of a chain.

        How many that were.
        """
        chains = self._database.read(audit_checkpoints.list_chains)
        total = sum(self._prune(chain, keep) for chain in chains)
        if total:
            self._database.release_free_space()
        return total

    def _list_due(self, db: Connection) -> list[tuple[ChainRow, bool]]:
        """Return the chains that are not signed to their end, or not for good though it is time."""
        chains = [(each, self._is_due(db, each)) for each in audit_checkpoints.list_chains(db)]
        return [
            (each, is_due)
            for each, is_due in chains
            if is_due or each.last_seq != max(each.head_seq, each.signed_to)
        ]

    def _is_due(self, db: Connection, chain: ChainRow) -> bool:
        if chain.last_seq <= chain.signed_to:
            return False
        if chain.last_seq - chain.signed_to >= SIGN_AFTER_ENTRIES:
            return True
        last = audit_checkpoints.find_last(db, chain.org_id)
        return last is None or self._clock.now() - from_text(last.at) >= SIGN_AFTER

    def _sign(
        self,
        db: Connection,
        org_id: str,
        removal: _Removal | None = None,
        *,
        is_for_good: bool = True,
    ) -> None:
        sign_chain(db, self._key, org_id, self._clock.now(), removal, is_for_good=is_for_good)

    def _prune(self, chain: ChainRow, keep: timedelta) -> int:
        cutoff = self._clock.now() - keep
        kept_from = self._database.read_long(
            lambda db: audit.find_first_since(db, chain.org_id, cutoff)
        )
        end = chain.last_seq if kept_from is None else kept_from
        for last in range(chain.first_seq - 1 + _REMOVED_AT_ONCE, end - 1, _REMOVED_AT_ONCE):
            self._remove(chain.org_id, last)
            gevent.sleep(_PAUSE_SECONDS)
        if end > chain.first_seq:
            self._remove(chain.org_id, end - 1)
        return max(0, end - chain.first_seq)

    def _remove(self, org_id: str, to: int) -> None:
        """Remove entries once a signed checkpoint states it, and the hash where the rest begins."""

        def work(db: Connection) -> None:
            self._sign(db, org_id, _Removal(to, audit.get_hash(db, org_id, to)))
            audit.delete_up_to(db, org_id, to)

        self._database.write(work)


def sign_chain(
    db: Connection,
    key: AuditKey,
    org_id: str,
    now: datetime,
    removal: _Removal | None = None,
    *,
    is_for_good: bool = True,
) -> None:
    """Sign a chain to its end, unless its newest checkpoint covers all of it."""
    _keep_contradicted(db, org_id)
    seq, digest = audit.head(db, org_id)
    last = audit_checkpoints.find_last(db, org_id)
    if seq == 0 or (last and last.seq >= seq and removal is None):
        return

    removed = removal or (_Removal(last.removed_to, last.removed_hash) if last else _Removal())
    chain = chain_of(org_id)
    unsigned = Checkpoint(
        number=last.number + 1 if last else 1,
        seq=seq,
        hash=digest,
        at=to_text(now),
        removed_to=removed.to,
        removed_hash=removed.hash,
        previous=hash_of(chain, last) if last else NO_HASH,
        signature="",
    )

    signed = msgspec.structs.replace(unsigned, signature=key.sign(chain, unsigned))
    put = audit_checkpoints.insert if is_for_good else audit_checkpoints.put_head
    put(db, org_id, signed)


def _keep_contradicted(db: Connection, org_id: str) -> None:
    """Let a signature stay for good whose entry is not there any more.

    It is what shows that it was.
    """
    head = audit_checkpoints.find_head(db, org_id)
    if head and audit.find_hash(db, org_id, head.seq) != head.hash:
        log.error(
            "entries of the audit record are gone", extra={"org": org_id, "signed_to": head.seq}
        )
        audit_checkpoints.insert(db, org_id, head)

"""Thinning out old checkpoints of the audit record, leaving a signed gap in their place.

What binds the entries is their own chain, which every later checkpoint covers; an old checkpoint
only narrows down where a record was rewritten. So one for each day is enough once a week has
passed. Never thinned out are those with which an export has ended, for somebody outside can compare
them, and whatever the record contradicts, for that is the proof that it was changed.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta

import gevent
import msgspec

from opsicle.domain.audit_chain import chain_of
from opsicle.kit.clock import Clock, to_text
from opsicle.security.audit_key import AuditKey, first_of, hash_of, last_of
from opsicle.security.audit_record import check_signed
from opsicle.server.store import audit, audit_checkpoints
from opsicle.server.store.database import Connection, Database
from opsicle.wire.audit import Checkpoint, CheckpointGap, Signed

log = logging.getLogger(__name__)

KEEP_ALL = timedelta(days=7)
"""Checkpoints younger than this all stay."""

AT_ONCE = 200
"""Checkpoints that go in one unit of work: it holds the event loop."""

_PAUSE_SECONDS = 0.01
_DAY = len("2026-03-01")


class CheckpointThinning:
    """Keeps the checkpoints of every chain few."""

    def __init__(self, database: Database, key: AuditKey, clock: Clock) -> None:
        self._database = database
        self._key = key
        self._clock = clock

    def thin(self) -> int:
        """Thin out what is old enough in every chain; how many checkpoints that were."""
        chains = self._database.read(audit_checkpoints.list_chains)
        return sum(self._thin(chain.org_id) for chain in chains)

    def _thin(self, org_id: str) -> int:
        before_day = to_text(self._clock.now() - KEEP_ALL)[:_DAY]
        runs = self._database.read_long(lambda db: self._list_runs(db, org_id, before_day))
        for run in runs:
            gap: list[Signed] = []
            for start in range(0, len(run), AT_ONCE):
                gap = [self._join(org_id, [*gap, *run[start : start + AT_ONCE]])]
                gevent.sleep(_PAUSE_SECONDS)
        return sum(isinstance(part, Checkpoint) for run in runs for part in run)

    def _join(self, org_id: str, parts: Sequence[Signed]) -> CheckpointGap:
        """Put one signed gap in the place of checkpoints and gaps that follow on each other."""
        chain = chain_of(org_id)
        unsigned = CheckpointGap(
            first=first_of(parts[0]),
            last=last_of(parts[-1]),
            previous=parts[0].previous,
            hash=hash_of(chain, parts[-1]),
            signature="",
        )
        gap = msgspec.structs.replace(unsigned, signature=self._key.sign(chain, unsigned))
        self._database.write(lambda db: audit_checkpoints.insert_gap(db, org_id, gap))
        return gap

    def _list_runs(self, db: Connection, org_id: str, before_day: str) -> list[list[Signed]]:
        """Return what is to become one gap each.

        Nothing, if anything is wrong with the signatures: then all is proof.
        """
        kept = audit_checkpoints.list_kept(db, org_id)
        going = self._choose(db, org_id, kept, before_day)
        if not going:
            return []
        if fault := check_signed(chain_of(org_id), self._key.public, kept):
            log.error(
                "checkpoints are wrong, and none is thinned out",
                extra={"org": org_id, "fault": fault.message},
            )
            return []

        return [
            run for run in _runs(kept, going) if any(isinstance(part, Checkpoint) for part in run)
        ]

    def _choose(
        self, db: Connection, org_id: str, kept: Sequence[Signed], before_day: str
    ) -> set[int]:
        """Return the numbers of the checkpoints that may go: not the newest of an old day."""
        checkpoints = [part for part in kept if isinstance(part, Checkpoint)]
        exported = audit_checkpoints.list_exported(db, org_id)
        removed_to = checkpoints[-1].removed_to if checkpoints else 0
        going = set()
        for each, after in itertools.pairwise(checkpoints):
            is_last_of_day = each.at[:_DAY] != after.at[:_DAY]
            if each.at[:_DAY] >= before_day or is_last_of_day or each.number in exported:
                continue
            if each.seq <= removed_to or audit.find_hash(db, org_id, each.seq) == each.hash:
                going.add(each.number)
        return going


def _runs(kept: Sequence[Signed], going: set[int]) -> Iterator[list[Signed]]:
    """Spans of what goes, with the gaps beside it."""
    for goes, parts in itertools.groupby(
        kept, lambda part: isinstance(part, CheckpointGap) or part.number in going
    ):
        if goes:
            yield list(parts)

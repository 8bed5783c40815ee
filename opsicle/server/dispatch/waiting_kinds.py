"""What the waiting automations ask for, in memory.

So that a scan of a long queue is as quick as into a short one.

An index, and a generous one: whatever waits is in it, by a trigger on the connection that writes,
but not all that is in it still waits. What a scan finds gone is forgotten once that scan is
durable, unless more has come since. So a transaction that is undone, in any order, loses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from opsicle.domain.workers import Candidate, Requirements, fits, is_meant
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.store import waiting
from opsicle.server.store.database import Connection, Database

_MAX_CACHED_WORKERS = 1_000
"""Of sets of labels, what they fit is remembered for so many; a fleet has fewer, but labels may
change for ever."""


class _Kind(msgspec.Struct):
    """`first_rank` is a rank that none of those that wait comes before.

    `revision` grows whenever one more comes. `is_for_one_worker`: only one will do, so
    that of others with the same labels it says nothing.
    """

    first_rank: str
    revision: int
    is_for_one_worker: bool


class KindScan(NamedTuple):
    """What a scan of the queue found of one kind: the rank of its first automation.

    None if none waits. `revision` is how much had come then.
    """

    org_id: str
    requirements: str
    revision: int
    first_rank: str | None


class MatchingKind(NamedTuple):
    """A kind that a worker fits, as the index has it."""

    requirements: str
    asked: Requirements
    first_rank: str
    revision: int


class WaitingKinds:
    """The kinds of waiting automations, by org."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kinds: dict[str, dict[str, _Kind]] = {}
        self._fitting: dict[object, dict[str, bool]] = {}
        self._revision = 0
        database.write(self._begin)

    def has_any(self, org_id: str) -> bool:
        """Return whether anything of an org may wait."""
        return bool(self._kinds.get(org_id))

    def fitting(self, org_id: str, worker: Candidate) -> list[MatchingKind]:
        """Return the kinds of waiting automations that a worker fits, in the order of the queue."""
        known = self._matches_for(worker)
        found = []
        for text, kind in self._kinds.get(org_id, {}).items():
            is_fit = known.get(text)
            if is_fit is None:
                is_fit = _fits(text, worker)
                if not kind.is_for_one_worker:
                    known[text] = is_fit
            if is_fit:
                found.append(
                    MatchingKind(text, stored_requirements(text), kind.first_rank, kind.revision)
                )
        return sorted(found, key=lambda each: each.first_rank)

    def requirements(self, org_id: str) -> list[Requirements]:
        """Return what the waiting automations of an org ask for, in the order of the queue."""
        kinds = sorted(self._kinds.get(org_id, {}).items(), key=lambda each: each[1].first_rank)
        return [stored_requirements(text) for text, _ in kinds]

    def update(self, scans: list[KindScan]) -> None:
        """Take in what scans have found, once they are durable."""
        for scan in scans:
            kinds = self._kinds.get(scan.org_id, {})
            kind = kinds.get(scan.requirements)
            if kind is None or kind.revision != scan.revision:
                continue
            if scan.first_rank is not None:
                kind.first_rank = scan.first_rank
            else:
                del kinds[scan.requirements]

    def refresh(self) -> None:
        """Compare with the database, for what was changed behind this server's back."""
        before = self._revision
        rows = self._database.read_long(waiting.list_kinds)
        there = {(row.org_id, row.requirements) for row in rows}
        for org_id, kinds in self._kinds.items():
            gone = [
                text
                for text, kind in kinds.items()
                if kind.revision <= before and (org_id, text) not in there
            ]
            for text in gone:
                del kinds[text]
        for row in rows:
            if row.requirements not in self._kinds.get(row.org_id, {}):
                self._note(row.org_id, row.requirements, row.first_rank)

    def _begin(self, db: Connection) -> None:
        waiting.watch(db, self._note)
        for row in waiting.list_kinds(db):
            self._note(row.org_id, row.requirements, row.first_rank)

    def _note(self, org_id: str, requirements: str, rank: str) -> None:
        self._revision += 1
        kinds = self._kinds.setdefault(org_id, {})
        kind = kinds.get(requirements)
        if kind is None:
            is_for_one = bool(stored_requirements(requirements).only_worker)
            kind = kinds[requirements] = _Kind(rank, self._revision, is_for_one)
        kind.first_rank = min(kind.first_rank, rank)
        kind.revision = self._revision

    def _matches_for(self, worker: Candidate) -> dict[str, bool]:
        """Return what is known of a worker with these labels and runtimes: which kinds it fits."""
        key = (
            frozenset(worker.labels.items()),
            frozenset(worker.claimed.items()),
            worker.disputed,
            worker.runtimes,
        )
        if key not in self._fitting and len(self._fitting) >= _MAX_CACHED_WORKERS:
            self._fitting.clear()
        return self._fitting.setdefault(key, {})


def _fits(text: str, worker: Candidate) -> bool:
    asked = stored_requirements(text)
    return fits(asked, worker) and is_meant(asked, worker)

"""What the waiting automations ask for, in memory.

So that a look into a long queue is as quick as into a short one.

An index, and a generous one: whatever waits is in it, by a trigger on the connection that writes,
but not all that is in it still waits. What a look finds gone is forgotten once that look is
durable, unless more has come since. So a transaction that is undone, in any order, loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from opsicle.domain.workers import Candidate, Requirements, fits
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.store import waiting
from opsicle.server.store.database import Connection, Database

_MOST_REMEMBERED_WORKERS = 1_000
"""Of sets of labels, what they fit is remembered for so many; a fleet has fewer, but labels may
change for ever."""


@dataclass(slots=True)
class _Kind:
    """`oldest` is an id that none of those that wait is older than.

    `noted` grows whenever one more comes.
    """

    oldest: str
    noted: int


class Look(NamedTuple):
    """What a look found of one kind: its oldest automation, None if none waits.

    `noted` is how much had come then.
    """

    org_id: str
    requirements: str
    noted: int
    oldest: str | None


class Waiting(NamedTuple):
    """A kind that a worker fits, as the index has it."""

    requirements: str
    asked: Requirements
    oldest: str
    noted: int


class WaitingKinds:
    """The kinds of waiting automations, by org."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kinds: dict[str, dict[str, _Kind]] = {}
        self._fitting: dict[object, dict[str, bool]] = {}
        self._noted = 0
        database.write(self._begin)

    def fitting(self, org_id: str, worker: Candidate) -> list[Waiting]:
        """Return the kinds of waiting automations that a worker fits, the oldest first."""
        known = self._known_of(worker)
        found = []
        for text, kind in self._kinds.get(org_id, {}).items():
            is_fit = known.get(text)
            if is_fit is None:
                is_fit = known[text] = fits(stored_requirements(text), worker)
            if is_fit:
                found.append(Waiting(text, stored_requirements(text), kind.oldest, kind.noted))
        return sorted(found, key=lambda each: each.oldest)

    def learn(self, looks: list[Look]) -> None:
        """Take in what looks have found, once they are durable."""
        for look in looks:
            kinds = self._kinds.get(look.org_id, {})
            kind = kinds.get(look.requirements)
            if kind is None or kind.noted != look.noted:
                continue
            if look.oldest is not None:
                kind.oldest = look.oldest
            else:
                del kinds[look.requirements]

    def refresh(self) -> None:
        """Compare with the database, for what was changed behind this server's back."""
        before = self._noted
        rows = self._database.read_long(waiting.list_kinds)
        there = {(row.org_id, row.requirements) for row in rows}
        for org_id, kinds in self._kinds.items():
            gone = [
                text
                for text, kind in kinds.items()
                if kind.noted <= before and (org_id, text) not in there
            ]
            for text in gone:
                del kinds[text]
        for row in rows:
            if row.requirements not in self._kinds.get(row.org_id, {}):
                self._note(row.org_id, row.requirements, row.oldest)

    def _begin(self, db: Connection) -> None:
        waiting.watch(db, self._note)
        for row in waiting.list_kinds(db):
            self._note(row.org_id, row.requirements, row.oldest)

    def _note(self, org_id: str, requirements: str, automation_id: str) -> None:
        self._noted += 1
        kinds = self._kinds.setdefault(org_id, {})
        kind = kinds.setdefault(requirements, _Kind(automation_id, self._noted))
        kind.oldest = min(kind.oldest, automation_id)
        kind.noted = self._noted

    def _known_of(self, worker: Candidate) -> dict[str, bool]:
        """Return what is known of a worker with these labels and runtimes: which kinds it fits."""
        key = (
            frozenset(worker.labels.items()),
            frozenset(worker.claimed.items()),
            worker.disputed,
            worker.runtimes,
        )
        if key not in self._fitting and len(self._fitting) >= _MOST_REMEMBERED_WORKERS:
            self._fitting.clear()
        return self._fitting.setdefault(key, {})

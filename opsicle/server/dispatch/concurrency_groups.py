"""Concurrency groups: who of a group may begin, and who waits for the others.

The limit is kept where a lease is given: `has_room` counts those that hold the group, in the very
transaction. So that a free slot need not look at 50,000 that their group keeps waiting, each
waiting automation says whether its group lets it begin (`turn`). The database notes each change of
a group, by whatever statement it comes, and `advance` brings its turns up to date: before and after
whatever is handed out, with whatever ends, and once a minute for what nobody has looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict, Problem
from opsicle.domain.templates import OnLimit
from opsicle.kit.clock import Clock
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.refusals import refuse
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.store import concurrency
from opsicle.server.store.automations import AutomationRow, Turn
from opsicle.server.store.concurrency import (
    ConcurrencyChange,
    GroupHolders,
    GroupQueue,
    NewMember,
    QueuedMember,
)
from opsicle.server.store.database import Connection, Database

MOST_READY = 16
"""Of one group and one kind, that a worker may choose from at once: what one look could take."""

_MOST_NAMED = 10
"""Automations that a refusal names."""

_MOST_REPLACED = 100

_CHANGES_AT_ONCE = 200
"""Taken in one unit of work: it holds the event loop."""


class GroupChanges(msgspec.Struct):
    """What advancing has changed: who may begin now, by id, and what was ended, by org and id.

    `turns` is how many have got another turn.
    """

    turns: int = 0
    opened: dict[str, tuple[str, str]] = msgspec.field(default_factory=dict)
    ended: list[tuple[str, str]] = msgspec.field(default_factory=list)


class ConcurrencyGroups:
    """Keeps the turns of groups. `advance` runs inside a transaction, `announce` after it."""

    def __init__(
        self, database: Database, fleet: Fleet, pubsub: PubSub, outbox: Outbox, clock: Clock
    ) -> None:
        self._database = database
        self._fleet = fleet
        self._pubsub = pubsub
        self._outbox = outbox
        self._clock = clock

    def advance(self, db: Connection, changes: GroupChanges | None = None) -> GroupChanges:
        """Bring the turns of the groups that have changed up to date; harmless if none has."""
        changes = GroupChanges() if changes is None else changes
        pending = concurrency.list_changes(db, _CHANGES_AT_ONCE)
        for (org_id, key), of_group in groupby(
            pending, lambda each: (each.org_id, each.concurrency_key)
        ):
            self._advance(db, org_id, key, list(of_group), changes)
        return changes

    def announce(self, changes: GroupChanges) -> None:
        """Wake workers for what may begin, and tell followers of what has ended, once durable."""
        for org_id, requirements in set(changes.opened.values()):
            self._fleet.wake_one(org_id, stored_requirements(requirements))
        for org_id, automation_id in changes.ended:
            self._pubsub.changed(automation_topic(automation_id), org_topic(org_id))

    def advance_all(self) -> None:
        """Advance what nobody has looked at since it changed."""
        while self._database.read(lambda db: concurrency.list_changes(db, 1)):
            self.announce(self._database.write(self.advance))

    def has_room(self, db: Connection, row: AutomationRow) -> bool:
        """Return whether an automation may hold its group besides those that do."""
        if row.concurrency_key is None:
            return True
        holders = concurrency.count_holders(db, row.org_id, row.concurrency_key)
        return holders.count < _limit(row.concurrency_limit, holders.limit)

    def note(self, db: Connection, row: AutomationRow) -> None:
        """Have the group of an automation advanced again, whose turn says more than there is."""
        assert row.concurrency_key is not None
        concurrency.insert_change(db, ConcurrencyChange(row.org_id, row.concurrency_key, row.id))

    def require_room(self, db: Connection, row: AutomationRow, changes: GroupChanges) -> None:
        """Raise Conflict for a new automation that its group rejects, with those that hold it.

        One that waits for approval is looked at when it has that.
        """
        key, limit = row.concurrency_key, row.concurrency_limit
        if row.on_limit != OnLimit.REJECT or row.state is not AutomationState.QUEUED:
            return
        self.advance(db, changes)
        if key is None or limit is None or not is_full(db, row.org_id, key, limit):
            return

        found = concurrency.list_holders(db, row.org_id, key, _MOST_NAMED)
        found += concurrency.list_first_waiting(db, row.org_id, key, _MOST_NAMED - len(found))
        raise Conflict(
            full_text(key, limit),
            hint="Wait until these have ended, or cancel them.",
            problems=tuple(Problem(f"automations/{each}", "is of this group") for each in found),
        )

    def _advance(
        self,
        db: Connection,
        org_id: str,
        key: str,
        pending: list[ConcurrencyChange],
        changes: GroupChanges,
    ) -> None:
        for change in pending:
            if new := concurrency.find_new(db, org_id, change.automation_id):
                self._enter(db, change, new, changes)
        self._give_turns(db, org_id, key, changes)
        for change in pending:
            concurrency.delete_change(db, change)

    def _enter(
        self, db: Connection, change: ConcurrencyChange, new: NewMember, changes: GroupChanges
    ) -> None:
        """Take in an automation that has begun to wait, by what it says of a full group."""
        org_id, key = change.org_id, change.concurrency_key
        limit, on_limit = new.concurrency_limit or 1, new.on_limit
        if on_limit == OnLimit.REJECT and is_full(db, org_id, key, limit):
            self._end(db, org_id, new.id, full_text(key, limit), changes)
            return

        concurrency.set_turn(db, new.id, Turn.BEHIND)
        if on_limit == OnLimit.REPLACE:
            waiting = concurrency.list_replaceable(db, org_id, key, _MOST_REPLACED)
            newest = max(waiting)
            for each in waiting:
                if each != newest:
                    self._end(db, org_id, each, f"it was replaced by {newest}", changes)

    def _end(
        self, db: Connection, org_id: str, automation_id: str, reason: str, changes: GroupChanges
    ) -> None:
        if refuse(db, self._outbox, self._clock.now(), org_id, automation_id, reason):
            changes.ended.append((org_id, automation_id))

    def _give_turns(self, db: Connection, org_id: str, key: str, changes: GroupChanges) -> None:
        """Let the first of a group begin that have room in it, and nobody else."""
        holders = concurrency.count_holders(db, org_id, key)
        is_full_now = holders.limit is not None and holders.count >= holders.limit
        turns = [Turn.READY] if is_full_now else [Turn.READY, Turn.BEHIND]
        waiting = [
            member
            for turn in turns
            for queue in queues_of(db, org_id, key, turn)
            for member in concurrency.list_first(db, org_id, key, queue, MOST_READY)
        ]

        ready = _choose_ready(waiting, holders)
        for member in waiting:
            turn = Turn.READY if member.id in ready else Turn.BEHIND
            if turn is member.turn or not concurrency.set_turn(db, member.id, turn):
                continue
            changes.turns += 1
            if turn is Turn.READY:
                changes.opened[member.id] = (org_id, member.requirements)


def _choose_ready(waiting: list[QueuedMember], holders: GroupHolders) -> set[str]:
    """Return which of a group may begin.

    As many of each kind as there is room for, since no worker may be there for the first; but
    nobody comes before one that only waits for room, or for others of its kind.
    """
    ready: set[str] = set()
    taken: Counter[str] = Counter()
    closed: set[str] = set()
    for member in sorted(waiting, key=lambda each: each.rank):
        room = _limit(member.concurrency_limit, holders.limit) - holders.count
        if room <= 0:
            break
        if taken[member.requirements] >= min(room, MOST_READY):
            closed.add(member.requirements)
        if member.requirements not in closed:
            taken[member.requirements] += 1
            ready.add(member.id)
    return ready


def queues_of(db: Connection, org_id: str, key: str, turn: Turn) -> Iterator[GroupQueue]:
    """Yield what waits in a group with one turn, by what it asks of its worker."""
    queue = concurrency.find_next_queue(db, org_id, key, turn, None)
    while queue:
        yield queue
        queue = concurrency.find_next_queue(db, org_id, key, turn, queue)


def is_full(db: Connection, org_id: str, key: str, limit: int) -> bool:
    """Return whether as many hold a group, or wait in it, as may do so at once."""
    held = concurrency.count_holders(db, org_id, key).count
    return held + concurrency.count_waiting(db, org_id, key, limit) >= limit


def full_text(key: str, limit: int) -> str:
    """Say that a group takes no more."""
    return f"its concurrency group {key} is full: at most {limit} at once"


def _limit(*limits: int | None) -> int:
    """Return the smallest limit; 1 where none is known, as somebody has taken it away."""
    return min((limit for limit in limits if limit is not None), default=1)

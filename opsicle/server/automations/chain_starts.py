"""Starting what follows the end of an automation.

That it is due was noted in the transaction of that end; it is used up in the transaction that makes
the other automation, or records why there is none. So each starts once, whatever dies in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from opsicle.domain.calls import ChainState
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.record_of_ends import record_start
from opsicle.server.automations.attempts import AlreadyTaken, Attempts
from opsicle.server.automations.chains import DueStart, due_start
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import Starter
from opsicle.server.automations.values_for_starts import note_secrets_of
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic
from opsicle.server.keys.vault import Vault
from opsicle.server.store import audit, chains
from opsicle.server.store.chains import ChainStartRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.starts import StarterKind

MOST_AT_ONCE = 200
"""Starts looked at in one turn; the others are due in the next one."""


class ChainStarts:
    """What a turn of the server's loop does for chains. Two turns at once do no harm."""

    def __init__(  # noqa: PLR0913, PLR0917 - what starts touch
        self,
        database: Database,
        automations: Automations,
        bindings: Bindings,
        vault: Vault,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
    ) -> None:
        self._database = database
        self._automations = automations
        self._bindings = bindings
        self._vault = vault
        self._fleet = fleet
        self._pubsub = pubsub
        self._clock = clock
        self._attempts = Attempts(clock)

    def turn(self) -> int:
        """Start what is due; nothing while the queue is held, as after a restore.

        Return how many starts were due.
        """
        rows = self._database.read(lambda db: chains.list_due(db, MOST_AT_ONCE))
        if not self._fleet.held:
            self._attempt(rows)
        return len(rows)

    def _attempt(self, rows: Sequence[ChainStartRow]) -> None:
        for row in rows:
            start, refuse = partial(self._start, row), partial(self._refuse, row)
            if self._attempts.attempt(f"{row.parent_id}/{row.position}", start, refuse):
                self._pubsub.changed(automation_topic(row.parent_id))

    def _start(self, row: ChainStartRow) -> None:
        def query(db: Connection) -> tuple[DueStart, Actor]:
            due = due_start(db, self._bindings, self._vault, row)
            return due, member_actor(db, row.org_id, due.parent.requester_id, "chain")

        due, actor = self._database.read(query)

        def claim(db: Connection, automation_id: str) -> None:
            now = self._clock.now()
            if not chains.record_outcome(
                db, row, ChainState.STARTED, now, automation_id=automation_id
            ):
                raise AlreadyTaken
            resource = f"chains/{row.parent_id}/{row.position}"
            record_start(db, row.org_id, resource, automation_id, now)
            note_secrets_of(db, due.call, row.org_id, automation_id, now)

        parent = due.parent
        starter = Starter(
            StarterKind.CHAIN, parent.id, parent.template, claim, depth=parent.depth + 1
        )
        self._automations.create(actor, due.request, starter=starter)

    def _refuse(self, row: ChainStartRow, reason: str) -> None:
        """Record that something was not started, where people look for it and in the record."""
        now = self._clock.now()

        def work(db: Connection) -> None:
            if chains.record_outcome(db, row, ChainState.REFUSED, now, reason=reason):
                data = {"event": row.event, "template": row.template, "reason": reason}
                resource = f"automations/{row.parent_id}"
                audit.append(db, now, row.org_id, SystemActor(), "refuse_start", resource, data)

        self._database.write(work)

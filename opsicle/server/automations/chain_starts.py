"""Starting what follows the end of an automation.

That it is due was noted in the transaction of that end; it is used up in the transaction that makes
the other automation, or records why there is none. So each starts once, whatever dies in between.
"""

from __future__ import annotations

import logging

from opsicle.domain.calls import ChainState
from opsicle.domain.errors import OpsicleError, Unavailable
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.access.standing import standing_actor
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.automations.chains import DueStart, due_start
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import Starter
from opsicle.server.fleet.presence import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic
from opsicle.server.store import audit, chains
from opsicle.server.store.chains import ChainStartRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.starts import StarterKind

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200
"""Starts looked at in one turn; the others are due in the next one."""

AFTER_ERROR_SECONDS = 5.0
"""Until the starts of an automation are tried again after an error of the server's."""

_MOST_REASON_CHARACTERS = 500


class _IsTaken(Exception):
    """Another turn was first."""


class ChainStarts:
    """What a turn of the server's loop does for chains. Two turns at once do no harm."""

    def __init__(
        self,
        database: Database,
        automations: Automations,
        bindings: Bindings,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
    ) -> None:
        self._database = database
        self._automations = automations
        self._bindings = bindings
        self._fleet = fleet
        self._pubsub = pubsub
        self._clock = clock
        self._not_before: dict[str, float] = {}

    def turn(self) -> None:
        """Start what is due; nothing while the queue is held, as after a restore."""
        if self._fleet.held:
            return
        for row in self._database.read(lambda db: chains.list_due(db, MOST_AT_ONCE)):
            if self._not_before.get(row.parent_id, 0.0) <= self._clock.monotonic():
                self._start_or_refuse(row)
                self._pubsub.changed(automation_topic(row.parent_id))

    def _start_or_refuse(self, row: ChainStartRow) -> None:
        try:
            self._start(row)
        except _IsTaken:
            return
        except Unavailable:
            raise  # nothing can be written just now: all of it stays due
        except AlteredManifest as altered:
            self._refuse(row, str(altered))
        except OpsicleError as error:
            self._refuse(row, _reason(error))
        except Exception:
            facts = {"automation": row.parent_id, "template": row.template}
            log.exception("what follows an automation could not be started", extra=facts)
            self._not_before[row.parent_id] = self._clock.monotonic() + AFTER_ERROR_SECONDS

    def _start(self, row: ChainStartRow) -> None:
        def query(db: Connection) -> tuple[DueStart, Actor]:
            due = due_start(db, self._bindings, row)
            return due, standing_actor(db, row.org_id, due.parent.requester_id, "chain")

        due, actor = self._database.read(query)

        def claim(db: Connection, automation_id: str) -> None:
            now = self._clock.now()
            if not chains.settle(db, row, ChainState.STARTED, now, automation_id=automation_id):
                raise _IsTaken

        parent = due.parent
        starter = Starter(
            StarterKind.CHAIN, parent.id, parent.template, claim, depth=parent.depth + 1
        )
        self._automations.create(actor, due.request, starter=starter)
        self._not_before.pop(row.parent_id, None)

    def _refuse(self, row: ChainStartRow, reason: str) -> None:
        """Record that something was not started, where people look for it and in the record."""
        now, said = self._clock.now(), reason[:_MOST_REASON_CHARACTERS]

        def work(db: Connection) -> None:
            if chains.settle(db, row, ChainState.REFUSED, now, reason=said):
                data = {"event": row.event, "template": row.template, "reason": said}
                resource = f"automations/{row.parent_id}"
                audit.append(db, now, row.org_id, SystemActor(), "refuse_start", resource, data)

        self._database.write(work)


def _reason(error: OpsicleError) -> str:
    """Return what is wrong in one line, the first mistake of several with its place."""
    if not error.problems:
        return error.message
    first = error.problems[0]
    return f"{error.message}: {first.path} {first.message}"

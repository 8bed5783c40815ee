"""Releasing a concurrency group that is held by an automation of which nobody knows the end."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.automations.service import Automations
from opsicle.server.automations.visible import get_visible, require_may_cancel
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups, GroupChanges
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.store import audit, concurrency
from opsicle.server.store.database import Connection, Database
from opsicle.wire.user_api import Automation


class GroupReleases:
    """What people say once they have looked what a lost job did to its target."""

    def __init__(
        self,
        database: Database,
        automations: Automations,
        groups: ConcurrencyGroups,
        pubsub: PubSub,
        clock: Clock,
    ) -> None:
        self._database = database
        self._automations = automations
        self._groups = groups
        self._pubsub = pubsub
        self._clock = clock

    def release(self, actor: Actor, automation_id: str) -> Automation:
        """Let the others of its group begin; the automation itself stays `unknown`.

        Raises NotFound; NotAllowed for whoever may not cancel it; Conflict if it holds no group.
        """
        actor.require(Action.AUTOMATIONS_VIEW)
        now, changes = self._clock.now(), GroupChanges()

        def work(db: Connection) -> None:
            row, _ = get_visible(db, actor, automation_id)
            require_may_cancel(db, actor, row)
            if not concurrency.release(db, row.id, now):
                raise Conflict(
                    f"automation {row.id} holds no concurrency group that could be released",
                    hint="Only one that is `unknown` does; others hold theirs until they end.",
                )
            data = {"group": row.concurrency_key}
            audit.append(db, now, row.org_id, actor, "release", f"automations/{row.id}", data)
            self._groups.advance(db, changes)

        self._database.write(work)
        self._groups.announce(changes)
        self._pubsub.changed(automation_topic(automation_id), org_topic(actor.org_id))
        return self._automations.get(actor, automation_id)

"""What admins see of the queue, and what they may do about it."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.channels import DeliveryState
from opsicle.domain.errors import Conflict, NotFound, required
from opsicle.domain.notices import NoticeKind
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.channels.lookup import get_channel
from opsicle.server.channels.outbox import GIVE_UP_AFTER
from opsicle.server.http.paging import page_of
from opsicle.server.store import audit, deliveries
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.deliveries import DeliveryFilter, DeliveryRow
from opsicle.wire.channel_api import Delivery
from opsicle.wire.pages import Page


class Deliveries:
    """An org's deliveries."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def list_deliveries(  # noqa: PLR0913, PLR0917 - what it is narrowed to, and the page
        self,
        actor: Actor,
        channel: str,
        state: str,
        cursor: str,
        limit: int,
        kind: str = "",
        recipient: str = "",
        since_id: str = "",
    ) -> Page[Delivery]:
        """Newest first; `channel` is an id or a name, "" means any, as for all others.

        `recipient` is a part of an address, `since_id` the lowest id. Raises InvalidInput for a
        state or a kind that there is not, NotFound for such a channel.
        """
        actor.require(Action.CHANNELS_VIEW)
        if state and state not in list(DeliveryState):
            raise validators.invalid(
                "query.state", f"the state must be one of {', '.join(DeliveryState)}"
            )

        if kind and kind not in list(NoticeKind):
            raise validators.invalid(
                "query.kind", f"the kind must be one of {', '.join(NoticeKind)}"
            )

        def query(db: Connection) -> list[DeliveryRow]:
            channel_id = get_channel(db, actor.org_id, channel).id if channel else ""
            wanted = DeliveryFilter(channel_id, state, kind, recipient)
            rows = deliveries.list_newest(db, actor.org_id, wanted, cursor, limit + 1)
            return [row for row in rows if row.id >= since_id]  # all older ones come after these

        is_long = kind or recipient  # which stand in no index
        rows = (
            self._database.read_long(query, actor.org_id) if is_long else self._database.read(query)
        )
        return page_of(rows, limit, _shown, lambda row: row.id)

    def get(self, actor: Actor, delivery_id: str) -> Delivery:
        """Return one delivery. Raises NotFound."""
        actor.require(Action.CHANNELS_VIEW)
        return self._database.read(lambda db: shown_delivery(db, actor.org_id, delivery_id))

    def retry(self, actor: Actor, delivery_id: str) -> Delivery:
        """Let a delivery that failed be tried again now, with all the time that a new one has.

        Raises NotFound; Conflict if it did not fail.
        """
        actor.require(Action.CHANNELS_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> Delivery:
            row = _get(db, actor.org_id, delivery_id)
            if not deliveries.retry(db, actor.org_id, delivery_id, now, now + GIVE_UP_AFTER):
                raise Conflict(
                    f"the delivery is {row.state}", hint="Only one that failed can be tried again."
                )

            audit.append(
                db,
                now,
                actor.org_id,
                actor,
                "retry",
                f"deliveries/{delivery_id}",
                {"channel": row.channel},
            )
            return shown_delivery(db, actor.org_id, delivery_id)

        return self._database.write(work)


def shown_delivery(db: Connection, org_id: str, delivery_id: str) -> Delivery:
    """Return one delivery of an org as people see it. Raises NotFound."""
    return _shown(_get(db, org_id, delivery_id))


def _get(db: Connection, org_id: str, delivery_id: str) -> DeliveryRow:
    return required(
        deliveries.find(db, org_id, delivery_id),
        NotFound(
            f"there is no delivery {delivery_id}", hint="`opsicle channels deliveries` shows them."
        ),
    )


def _shown(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        channel=row.channel,
        kind=row.kind,
        state=row.state,
        recipient=row.target,
        subject=row.subject,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        approval=row.approval_id or None,
        automation=row.automation_id or None,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )

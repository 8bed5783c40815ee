"""Which channel of an org writes to any e-mail address, and whether it gets anything out."""

from __future__ import annotations

from opsicle.domain.channels import DeliveryState
from opsicle.server.channels import kinds
from opsicle.server.channels.kind import Reach
from opsicle.server.channels.messages import WITHHELD
from opsicle.server.store import channels, deliveries
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection

_LATEST_TRIED = 3
"""One message in vain may be the fault of its address; if all of the latest are, it is the
channel's."""


def find_email_channel(db: Connection, org_id: str) -> ChannelRow | None:
    """Return the channel by which an org sends e-mail, None if it has none that is on."""
    return next(
        (
            row
            for row in channels.list_enabled(db, org_id)
            if kinds.reach_of(row.kind) is Reach.ADDRESS
        ),
        None,
    )


def why_not_working(db: Connection, channel: ChannelRow) -> str:
    """Return what went wrong last, where none of a channel's latest messages got out; else "".

    What the server itself did not send says nothing of that.
    """
    latest = deliveries.list_latest_tried(db, channel.id, WITHHELD, _LATEST_TRIED)
    if not latest or any(row.state is DeliveryState.DELIVERED for row in latest):
        return ""
    return latest[0].last_error

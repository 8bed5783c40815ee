"""Finding the channel that somebody names."""

from __future__ import annotations

from opsicle.domain.errors import NotFound, required
from opsicle.server.store import channels
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection


def get_channel(db: Connection, org_id: str, id_or_name: str) -> ChannelRow:
    """Return one channel of an org by id or name. Raises NotFound, also for another org's."""
    return required(
        channels.find(db, org_id, id_or_name),
        NotFound(f"there is no channel {id_or_name}", hint="`opsicle channels list` shows them."),
    )

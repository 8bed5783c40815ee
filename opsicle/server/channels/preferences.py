"""What people want to hear of, and through which of their org's channels.

Everybody decides for themselves.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.domain.notices import CHOOSABLE, CHOSEN_ONLY
from opsicle.server.access.actor import Actor
from opsicle.server.channels import kinds
from opsicle.server.store import channels, notice_preferences
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.notice_preferences import PreferenceRow
from opsicle.wire.channel_api import Preference, SetPreferenceRequest


class Preferences:
    """The choices of the caller.

    A webhook or a room is nobody's own, so there is nothing to choose about one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_own(self, actor: Actor) -> list[Preference]:
        """Return every kind of notice on every channel of the org."""
        actor.require(Action.ACCOUNT_USE)

        def query(db: Connection) -> list[Preference]:
            chosen = {
                (row.channel_id, row.kind): row.is_on
                for row in notice_preferences.list_of_user(db, actor.user_id)
            }

            return [
                Preference(
                    channel=channel.name,
                    channel_kind=channel.kind,
                    notice=kind.value,  # type: ignore[arg-type]
                    is_on=chosen.get((channel.id, kind), kind not in CHOSEN_ONLY),
                )
                for channel in _personal(db, actor.org_id)
                for kind in CHOOSABLE
            ]

        return self._database.read(query)

    def set_own(self, actor: Actor, request: SetPreferenceRequest) -> Preference:
        """Choose for one kind of notice on one channel. Raises NotFound."""
        actor.require(Action.ACCOUNT_USE)

        def work(db: Connection) -> Preference:
            found = [each for each in _personal(db, actor.org_id) if each.name == request.channel]
            if not found:
                raise NotFound(f"there is no channel {request.channel} that tells you anything")

            row = PreferenceRow(found[0].id, request.notice, request.is_on)
            notice_preferences.put(db, actor.user_id, row)
            return Preference(
                channel=request.channel,
                channel_kind=found[0].kind,
                notice=request.notice,
                is_on=request.is_on,
            )

        return self._database.write(work)


def _personal(db: Connection, org_id: str) -> list[ChannelRow]:
    enabled = channels.list_enabled(db, org_id)
    return [row for row in enabled if (reach := kinds.reach_of(row.kind)) and reach.is_personal]

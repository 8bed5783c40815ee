"""The channels of one kind of chat service, of every org, ready to be listened to."""

from __future__ import annotations

import msgspec

from opsicle.domain.channels import ChannelConfig
from opsicle.domain.errors import Unreadable
from opsicle.security.master_key import CannotOpen
from opsicle.server.channels.configs import config_of
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.channels.messages import Undelivered
from opsicle.server.keys.vault import Vault
from opsicle.server.store import channels
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Database


class ChatChannels(msgspec.Struct, frozen=True):
    """The enabled ones of a kind."""

    database: Database
    vault: Vault
    bounds: EgressBounds
    kind: str

    def versions(self) -> dict[str, int]:
        """Return their ids, with the versions that they are in now."""
        return {row.id: row.version for row in self._rows()}

    def find(self, channel_id: str) -> ChannelRow | None:
        """Return one of them, or None."""
        return next((row for row in self._rows() if row.id == channel_id), None)

    def open(self, channel: ChannelRow) -> tuple[ChannelConfig, str]:
        """Return a channel's settings and its credential. Raises Undelivered."""
        try:
            config = self.bounds.narrowed(config_of(channel))
        except Unreadable as error:
            raise Undelivered(error.message) from error

        sealed = self.database.read(lambda db: channels.find_sealed(db, channel.org_id, channel.id))
        try:
            return config, self.vault.open_credential(sealed) if sealed else ""
        except CannotOpen as error:
            raise Undelivered(
                "the channel's credential cannot be decrypted; give it again"
            ) from error

    def _rows(self) -> list[ChannelRow]:
        return self.database.read(lambda db: channels.list_enabled_of_kind(db, self.kind))

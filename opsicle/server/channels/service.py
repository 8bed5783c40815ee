"""An org's channels: made, changed, tried and removed by admins.

A credential goes in and never comes out.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.channels import (
    CHANNEL_NAME,
    CHANNEL_NAME_RULE,
    ChannelConfig,
)
from opsicle.domain.errors import Conflict, InvalidInput, TooManyRequests
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.channels import kinds
from opsicle.server.channels.configs import config_of, parse_config, settings_of, shown_config
from opsicle.server.channels.deliveries import shown_delivery
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.channels.kind_summaries import summary_of
from opsicle.server.channels.lookup import get_channel
from opsicle.server.channels.messages import Fact
from opsicle.server.channels.outbox import Outbox
from opsicle.server.http.paging import page_of
from opsicle.server.identity.step_up import StepUp
from opsicle.server.keys.vault import Vault
from opsicle.server.store import audit, channels, chat_links, deliveries, notice_preferences
from opsicle.server.store.channels import ChannelRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.secrets import SealedRow
from opsicle.wire.channel_api import (
    Channel,
    ChannelKindSummary,
    CreateChannelRequest,
    Delivery,
    UpdateChannelRequest,
)
from opsicle.wire.pages import Page
from opsicle.wire.user_api import Person

UNSET = msgspec.UNSET

_MOST_OPEN = 100
"""Messages that may wait for a channel that somebody tries: that is done by hand, and each is sent
again for days."""


class Channels(msgspec.Struct, frozen=True):
    """The channels of an org."""

    database: Database
    vault: Vault
    bounds: EgressBounds
    outbox: Outbox
    step_up: StepUp
    clock: Clock

    def create(self, actor: Actor, request: CreateChannelRequest) -> Channel:
        """Make a channel. Raises InvalidInput, Conflict if the name is taken, StepUpRequired."""
        self.step_up.require(actor, Action.CHANNELS_MANAGE)
        if not CHANNEL_NAME.fullmatch(request.name):
            raise validators.invalid("name", f"the name must be {CHANNEL_NAME_RULE}")

        config = parse_config(request.config)
        self._check_config(config)
        _check_credential(config, request.credential)

        now = self.clock.now()
        row = ChannelRow(
            id=new_id(now),
            org_id=actor.org_id,
            name=request.name,
            kind=config.kind,
            config=msgspec.json.encode(config).decode(),
            version=1,
            credential_version=1 if request.credential else 0,
            is_enabled=request.is_enabled,
            created_at=now,
            updated_at=now,
            updater_id=actor.user_id,
            updater_email=actor.email,
            updater_name=actor.name,
        )
        sealed = self._sealed(row, request.credential) if request.credential else None

        def work(db: Connection) -> Channel:
            if not channels.insert(db, row, sealed):
                raise Conflict(
                    f"there is a channel {row.name} already",
                    hint="Change it, or choose another name.",
                )

            data = {"kind": row.kind, "config": settings_of(config), "is_enabled": row.is_enabled}
            audit.append(db, now, actor.org_id, actor, "create", _resource(row), data)
            return _shown(db, row)

        return self.database.write(work)

    def update(self, actor: Actor, id_or_name: str, request: UpdateChannelRequest) -> Channel:
        """Change what is given of a channel; what failed through it is tried again at once.

        A credential never goes to another place than the one that it was given for: whoever changes
        that place gives it anew. Nor does a new place speak for those who have linked themselves at
        the old one. Raises NotFound, InvalidInput, Conflict if someone else was first,
        StepUpRequired.
        """
        self.step_up.require(actor, Action.CHANNELS_MANAGE)
        old = self.database.read(lambda db: get_channel(db, actor.org_id, id_or_name))
        config = config_of(old) if request.config is UNSET else parse_config(request.config)
        if request.config is not UNSET:
            self._check_config(config)
        _check_change(old, config, request)

        new = _updated(old, actor, config, request, self.clock.now())
        after = msgspec.structs.replace(new, credential_version=old.credential_version + 1)
        sealed = None if request.credential is UNSET else self._sealed(after, request.credential)

        def work(db: Connection) -> Channel:
            if not channels.replace(db, new) or (
                sealed and not channels.replace_credential(db, new, sealed)
            ):
                raise Conflict(
                    f"the channel {old.name} changed meanwhile", hint="Look at it, and try again."
                )

            if config.destination() != config_of(old).destination():
                chat_links.delete_of_channel(db, new.id)
            deliveries.make_due(db, new.id, new.updated_at)
            changed = _difference(old, new) | {"has_new_credential": sealed is not None}
            data = {"version": new.version, **changed}
            audit.append(db, new.updated_at, actor.org_id, actor, "update", _resource(new), data)
            return _shown(db, after if sealed else new)

        return self.database.write(work)

    def delete(self, actor: Actor, id_or_name: str) -> None:
        """Remove a channel and what is still to go out through it.

        Raises NotFound or StepUpRequired.
        """
        self.step_up.require(actor, Action.CHANNELS_MANAGE)

        def work(db: Connection) -> None:
            row = get_channel(db, actor.org_id, id_or_name)
            data = {"open_deliveries": deliveries.count_open(db, row.id)}
            deliveries.delete_of_channel(db, row.id)
            chat_links.delete_of_channel(db, row.id)
            notice_preferences.delete_of_channel(db, row.id)
            channels.delete(db, actor.org_id, row.id)
            audit.append(db, self.clock.now(), actor.org_id, actor, "delete", _resource(row), data)

        self.database.write(work)

    def test(self, actor: Actor, id_or_name: str) -> Delivery:
        """Queue a message to the caller through this channel.

        Raises NotFound; Conflict if it is turned off; TooManyRequests while much waits for it
        anyhow.
        """
        actor.require(Action.CHANNELS_MANAGE)

        def work(db: Connection) -> Delivery:
            row = get_channel(db, actor.org_id, id_or_name)
            if not row.is_enabled:
                raise Conflict(f"the channel {row.name} is turned off", hint="Turn it on first.")
            if deliveries.count_open(db, row.id) >= _MOST_OPEN:
                raise TooManyRequests(
                    f"{_MOST_OPEN} messages or more wait for the channel {row.name} already",
                    retry_after=60,
                    hint="`opsicle channels deliveries` shows what keeps them.",
                )

            notice = Notice(
                kind=NoticeKind.CHANNEL_TEST,
                org_id=actor.org_id,
                recipients=(),
                subject=f"Opsicle can reach you through {row.name}",
            )
            addressee = self.outbox.reach(db, row, actor.user_id)
            if addressee is None:
                raise Conflict(
                    "this channel does not know you yet",
                    hint="Link yourself: `opsicle channels link`.",
                )

            asked_by = Fact("Asked by", f"{actor.name} ({actor.email})")
            delivery_id = self.outbox.queue(db, row, notice, addressee, (asked_by,))
            audit.append(db, self.clock.now(), actor.org_id, actor, "test", _resource(row))
            return shown_delivery(db, actor.org_id, delivery_id)

        return self.database.write(work)

    @staticmethod
    def list_kinds(actor: Actor) -> list[ChannelKindSummary]:
        """Return the kinds of channel that there are, in the order of forms."""
        actor.require(Action.CHANNELS_VIEW)
        return [summary_of(kind) for kind in kinds.KINDS]

    def list_channels(self, actor: Actor, cursor: str, limit: int) -> Page[Channel]:
        """Return the org's channels by name."""
        actor.require(Action.CHANNELS_VIEW)

        def query(db: Connection) -> Page[Channel]:
            rows = channels.list_by_name(db, actor.org_id, cursor, limit + 1)
            return page_of(rows, limit, lambda row: _shown(db, row), lambda row: row.name)

        return self.database.read(query)

    def get(self, actor: Actor, id_or_name: str) -> Channel:
        """Return one channel without its credential. Raises NotFound."""
        actor.require(Action.CHANNELS_VIEW)
        return self.database.read(lambda db: _shown(db, get_channel(db, actor.org_id, id_or_name)))

    def _check_config(self, config: ChannelConfig) -> None:
        if problems := tuple(config.problems()) or tuple(self.bounds.problems_of(config)):
            raise InvalidInput(
                f"the channel's settings cannot be used: {problems[0].message}", problems=problems
            )

    def _sealed(self, row: ChannelRow, credential: str) -> SealedRow:
        return self.vault.seal_credential(row.org_id, row.id, row.credential_version, credential)


def _check_credential(config: ChannelConfig, credential: str) -> None:
    kind = kinds.find(config.kind)
    if kind and (wrong := kind.why_wrong(config, credential)):
        raise validators.invalid("credential", wrong)


def _check_change(old: ChannelRow, config: ChannelConfig, request: UpdateChannelRequest) -> None:
    """Raise InvalidInput for another kind, or a credential that does not fit or would leak."""
    before = config_of(old)
    if config.kind != before.kind:
        raise validators.invalid("config.kind", f"the channel is a {before.kind} and stays one")

    if request.credential is not UNSET:
        _check_credential(config, request.credential)
    elif config.destination() != before.destination():
        if old.credential_version:
            raise validators.invalid(
                "credential", "give the credential anew: the place that it goes to changes"
            )
        _check_credential(config, "")


def _updated(
    old: ChannelRow,
    actor: Actor,
    config: ChannelConfig,
    request: UpdateChannelRequest,
    at: datetime,
) -> ChannelRow:
    """Return the next version of a channel, but for its credential."""
    return msgspec.structs.replace(
        old,
        config=msgspec.json.encode(config).decode(),
        version=old.version + 1,
        is_enabled=old.is_enabled if request.is_enabled is UNSET else request.is_enabled,
        updated_at=at,
        updater_id=actor.user_id,
        updater_email=actor.email,
        updater_name=actor.name,
    )


def _difference(old: ChannelRow, new: ChannelRow) -> dict[str, object]:
    before, after = settings_of(config_of(old)), settings_of(config_of(new))
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    return {"config": changed, "is_enabled": new.is_enabled}


def _shown(db: Connection, row: ChannelRow) -> Channel:
    return Channel(
        id=row.id,
        name=row.name,
        kind=row.kind,
        config=shown_config(row),
        has_credential=row.credential_version > 0,
        is_enabled=row.is_enabled,
        version=row.version,
        open_deliveries=deliveries.count_open(db, row.id),
        created_at=row.created_at,
        updated_at=row.updated_at,
        updated_by=Person(row.updater_id, row.updater_email, row.updater_name),
    )


def _resource(row: ChannelRow) -> str:
    return f"channels/{row.name}"

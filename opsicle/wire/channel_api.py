"""Messages about channels. A credential only ever goes in."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.bounds import Credential, Settings, Word
from opsicle.domain.channels import DeliveryState
from opsicle.domain.notices import NoticeKind
from opsicle.wire.user_api import Person


class CreateChannelRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new channel: its settings, which say its kind, and the credential that this kind needs."""

    name: Word
    config: Settings
    credential: Credential = ""
    is_enabled: bool = True

    def __repr__(self) -> str:
        return f"CreateChannelRequest(name={self.name!r})"


class UpdateChannelRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Changes a channel. Where the credential goes can change only together with the credential."""

    config: Settings | msgspec.UnsetType = msgspec.UNSET
    credential: Credential | msgspec.UnsetType = msgspec.UNSET
    is_enabled: bool | msgspec.UnsetType = msgspec.UNSET

    def __repr__(self) -> str:
        return "UpdateChannelRequest()"


class Channel(msgspec.Struct, kw_only=True):
    """A channel without its credential. `open_deliveries` counts what has not arrived yet."""

    id: str
    name: str
    kind: str
    config: Settings
    has_credential: bool
    is_enabled: bool
    version: int
    open_deliveries: int
    created_at: datetime
    updated_at: datetime
    updated_by: Person


class ChannelSetting(msgspec.Struct, kw_only=True):
    """One setting of a kind of channel. `choices`, if there are any, are the values it may have."""

    name: str
    label: str
    hint: str
    type: Literal["string", "integer"]
    choices: list[str]
    default: str | int | None
    is_required: bool


class ChannelKindSummary(msgspec.Struct, kw_only=True):
    """A kind of channel: its own settings beside `allow_networks` and `ca_pem`, which all have.

    `credential` is what its credential is called. `takes_decisions`: people can decide there.
    """

    name: str
    label: str
    settings: list[ChannelSetting]
    credential: str
    takes_decisions: bool


class Delivery(msgspec.Struct, kw_only=True):
    """One message to one recipient: an e-mail address, a chat's id, or "" for a webhook."""

    id: str
    channel: str
    kind: NoticeKind
    state: DeliveryState
    recipient: str
    subject: str
    attempts: int
    next_attempt_at: datetime | None
    last_error: str
    approval: str | None
    automation: str | None
    created_at: datetime
    finished_at: datetime | None


class LinkRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Asks for a code with which a chat user shows that they are the caller."""

    channel: Word


class NewLinkCode(msgspec.Struct, kw_only=True):
    """A code to be sent to the channel's bot as `link CODE`, once."""

    channel: str
    code: str
    expires_at: datetime


class ChatLink(msgspec.Struct, kw_only=True):
    """A chat channel, and as whom the chat service knows the caller there, if it does."""

    channel: str
    channel_kind: str
    chat_user: str | None
    linked_at: datetime | None


ChoosableKind = Literal[
    "approval_requested",
    "approval_reminder",
    "approval_escalated",
    "approval_stuck",
    "approval_ended",
    "automation_finished",
    "automation_succeeded",
    "start_refused",
]


class Preference(msgspec.Struct, kw_only=True):
    """Whether the caller is told of one kind of thing through one channel."""

    channel: str
    channel_kind: str
    notice: ChoosableKind
    is_on: bool


class SetPreferenceRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The caller's choice for one channel and one kind of thing."""

    channel: Word
    notice: ChoosableKind
    is_on: bool

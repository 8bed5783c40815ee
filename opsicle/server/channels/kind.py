"""What a kind of channel is.

One descriptor, which the API, the forms, the sender and the outbox read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from opsicle.domain.channels import MAX_CREDENTIAL_BYTES, ChannelConfig
from opsicle.domain.names import has_control_characters
from opsicle.server.channels.messages import Transport

if TYPE_CHECKING:
    from opsicle.kit.clock import Clock
    from opsicle.server.channels.chat_listeners import Inbox
    from opsicle.server.channels.chats import Chats
    from opsicle.server.channels.egress_bounds import EgressBounds
    from opsicle.server.keys.vault import Vault
    from opsicle.server.store.database import Database

C = TypeVar("C", bound=ChannelConfig)


class Reach(Enum):
    """Whom a channel reaches."""

    ADDRESS = auto()
    """People, at the e-mail addresses of their accounts."""

    CHAT = auto()
    """People who have linked themselves, and rooms that a policy or a template names."""

    ROOM = auto()
    """One room: everything of the org, each thing once."""

    RECEIVER = auto()
    """A program: every notice of the org, also those that say the same to different people."""

    @property
    def is_personal(self) -> bool:
        """Whether it reaches people one by one, who may choose what they hear."""
        return self in (Reach.ADDRESS, Reach.CHAT)


class InboxParts(NamedTuple):
    """What an inbox is built of."""

    database: Database
    vault: Vault
    bounds: EgressBounds
    chats: Chats
    clock: Clock


@dataclass(frozen=True, kw_only=True)
class ChannelKind(Generic[C]):
    """One kind of channel. Its folder holds everything about it.

    `config` is the struct of its settings, whose tag is the kind's name. `credential` is what a
    form calls its credential; `wrong_credential` returns why a text can be none, "" if it can, and
    never quotes it. `open` returns a channel ready to send: it imports what sends only then.
    `inbox`, if decisions come back, makes what listens.
    """

    label: str
    config: type[C]
    credential: str
    wrong_credential: Callable[[C, str], str]
    reaches: Reach
    open: Callable[[C, str], Transport]
    inbox: Callable[[InboxParts], Inbox] | None = None

    @property
    def name(self) -> str:
        """The kind as `--kind`, the API and the database write it."""
        return str(self.config.__struct_config__.tag)

    def why_wrong(self, config: C, credential: str) -> str:
        """Return why this can be no credential of such a channel, "" if it can; never quotes it."""
        if not credential.isascii() or has_control_characters(credential):
            return "the credential must be one line of ASCII characters"
        if len(credential) > MAX_CREDENTIAL_BYTES:
            return f"the credential has more than {MAX_CREDENTIAL_BYTES} bytes"
        return self.wrong_credential(config, credential)

"""What goes out through a channel, and how a channel says that it did not."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from opsicle.domain.notices import NoticeKind
from opsicle.domain.visible_text import visible


class Undelivered(Exception):
    """It did not arrive.

    The text is for people and holds no credential; `is_final`: trying again will not help.
    """

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


class Withheld(Undelivered):
    """The server itself does not send it: what is refused says nothing of the channel.

    The text is one of `WITHHELD`.
    """


SWITCHED_OFF = "the channel has been turned off"
LEFT = "the recipient no longer belongs to the org"
SHARED = "the account is no longer this org's alone"
CLOSED = "the org is suspended: nobody can join it now"
ENDED = "the invitation is open no longer"
UNWRITABLE = "this e-mail address cannot be written to"

WITHHELD = frozenset({SWITCHED_OFF, LEFT, SHARED, CLOSED, ENDED, UNWRITABLE})
"""Why a message is not sent, whatever the channel's state. Deliveries keep the text alone."""


class Fact(msgspec.Struct, frozen=True):
    """One line of what a message tells: `Reason: the disk is full`."""

    label: str
    text: str


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one recipient.

    `id` is the same in all attempts, so that a receiver can drop a second copy.
    """

    id: str
    kind: NoticeKind
    org: str
    target: str
    subject: str
    facts: tuple[Fact, ...]
    url: str
    at: datetime
    approval_id: str = ""
    automation_id: str = ""


class Transport(Protocol):
    """One channel, ready to send."""

    def send(self, message: Message) -> None:
        """Return once the other side has taken the message. Raises Undelivered."""


CUT = "… (cut off here: the page shows all of it)"
"""Whoever decides on what they read must know that they have not read it all."""


def lines_of(fact: Fact) -> list[str]:
    """Return a fact as lines of text.

    All but the first are indented: no line break makes what looks like another fact.

    Nothing else is changed that can be seen, for commands are shown as they run.
    """
    first, *more = clean(fact.text).split("\n")
    return [f"{fact.label}: {first.rstrip()}", *(f"    {line.rstrip()}" for line in more)]


def clean(text: str) -> str:
    """Return the text with signs for all that cannot be seen; line breaks and tabs stay."""
    return visible(text, keep="\n\t")


def one_line(text: str) -> str:
    """Return the text with white space as one space and signs for all else that cannot be seen.

    What is returned is safe in a header.
    """
    return " ".join(visible(text, keep="\n\r\t").split())

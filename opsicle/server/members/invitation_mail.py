"""Sending invitations by the org's own e-mail channel.

They go to people who have not asked for them, and may know nothing of this server. So an org sends
only so many a day, and fewer to one address; what they say is of the server's making, save for the
org's name, the inviter's address and the role, each of which is one short line.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from opsicle.domain.access import Action
from opsicle.domain.channels import DeliveryState
from opsicle.domain.errors import Conflict, TooManyRequests
from opsicle.domain.notices import Notice, NoticeKind
from opsicle.kit.clock import from_text
from opsicle.server.access.actor import Actor
from opsicle.server.channels.email_channels import find_email_channel, why_not_working
from opsicle.server.channels.messages import WITHHELD, Fact, one_line
from opsicle.server.channels.outbox import Addressee, Outbox
from opsicle.server.store import invitations, orgs
from opsicle.server.store.database import Connection
from opsicle.server.store.invitations import InvitationRow, NewInvitationRow
from opsicle.wire.org_api import InvitationDelivery, InvitationEmail

WINDOW = timedelta(days=1)
MAX_PER_ORG = 100
"""Within `WINDOW`: a whole department on its first day, and no mailing list."""

MAX_PER_ADDRESS = 3
"""Within `WINDOW`: once, and again for somebody who cannot find it."""

_MAX_NAME_CHARACTERS = 80


class InvitationMail:
    """Queues the e-mails of invitations. Their links are made when they are sent."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def readiness(self, db: Connection, actor: Actor) -> InvitationDelivery:
        """Return whether the caller's org can send invitations."""
        channel = find_email_channel(db, actor.org_id)
        if channel is None:
            return InvitationDelivery()
        return InvitationDelivery(
            channel=channel.name, problem=_told(actor, why_not_working(db, channel))
        )

    def queue(self, db: Connection, actor: Actor, row: NewInvitationRow) -> str:
        """Queue the e-mail of an invitation, in the transaction that keeps it; return its id.

        Raises Conflict where the org has no channel for it, TooManyRequests.
        """
        channel = find_email_channel(db, row.org_id)
        if channel is None:
            raise Conflict(
                "the org has no e-mail channel that is on",
                hint="An admin makes one with `opsicle channels create`. "
                "Or make the link, and hand it over yourself.",
            )

        _check_rate(db, row)
        org = orgs.find(db, row.org_id)
        name = _short(org.name or org.code) if org else ""
        notice = Notice(
            kind=NoticeKind.INVITATION,
            org_id=row.org_id,
            recipients=(),
            subject=f"{actor.email} invites you to join {name}",
        )
        facts = (
            Fact("Invited by", actor.email),
            Fact("To join", name),
            Fact("As", _short(row.role)),
            Fact("The link is good until", f"{row.expires_at:%Y-%m-%d %H:%M} UTC"),
            Fact("It is for", f"{row.email} alone. Whoever does not expect it can ignore it."),
        )
        return self._outbox.queue(db, channel, notice, Addressee(None, row.email), facts)


def email_of(row: InvitationRow, actor: Actor) -> InvitationEmail | None:
    """Return how the e-mail of an invitation fares, None if it was not to be sent.

    What the mail server said is for those who manage channels.
    """
    if row.delivery_id is None:
        return None
    if row.delivery_state is None:
        return InvitationEmail(
            state=DeliveryState.GAVE_UP, error="the channel that was to send it is gone"
        )
    return InvitationEmail(
        state=row.delivery_state,
        error=_told(actor, row.last_error or ""),
        finished_at=row.delivered_at,
    )


def _told(actor: Actor, error: str) -> str:
    """Return what somebody who invites is told of an attempt that failed."""
    if not error or error in WITHHELD or actor.may(Action.CHANNELS_MANAGE):
        return error
    return "the e-mail could not be handed over; whoever manages the channels sees why"


def _check_rate(db: Connection, row: NewInvitationRow) -> None:
    since = row.created_at - WINDOW
    _check(
        invitations.times_emailed(db, row.org_id, since, row.email),
        MAX_PER_ADDRESS,
        row.created_at,
        f"{row.email} was sent",
    )
    _check(
        invitations.times_emailed(db, row.org_id, since),
        MAX_PER_ORG,
        row.created_at,
        "this org has sent",
    )


def _check(times: list[str], most: int, now: datetime, what: str) -> None:
    """Raise TooManyRequests if as many were sent as may be; they come oldest first."""
    if len(times) >= most:
        free_at = from_text(times[-most]) + WINDOW
        raise TooManyRequests(
            f"{what} {most} invitations by e-mail within a day, which is the most",
            retry_after=max(1, int((free_at - now).total_seconds()) + 1),
            hint="Make the link, and hand it over yourself.",
        )


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MAX_NAME_CHARACTERS else line[: _MAX_NAME_CHARACTERS - 1] + "…"

"""Making and finding the links of invitations, for whoever may invite."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import api_tokens
from opsicle.server.access.actor import Actor
from opsicle.server.access.open_offers import MAX_INVITATIONS, check_open
from opsicle.server.members.invitation_mail import email_of
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, invitations
from opsicle.server.store.database import Connection
from opsicle.server.store.invitations import InvitationRow, NewInvitationRow
from opsicle.wire.org_api import Invitation

LIFETIME = timedelta(days=7)


class InvitationLink(msgspec.Struct, frozen=True):
    """A link that counts once its row is kept."""

    url: str
    row: NewInvitationRow


class InvitationLinks:
    """Only the hash of a link's token is kept."""

    def __init__(self, urls: Urls, clock: Clock) -> None:
        self._urls = urls
        self._clock = clock

    def new(
        self,
        actor: Actor,
        org_id: str,
        email: str,
        role: str,
        *,
        is_by_server_operator: bool = False,
    ) -> InvitationLink:
        """Return a fresh link into an org for this address."""
        now = self._clock.now()
        token, token_hash = api_tokens.new_invitation_token()
        row = NewInvitationRow(
            id=new_id(now),
            org_id=org_id,
            email=email,
            role=role,
            manager_id=None,
            token_hash=token_hash,
            invited_by=actor.user_id,
            is_by_server_operator=is_by_server_operator,
            created_at=now,
            expires_at=now + LIFETIME,
        )
        return InvitationLink(f"{self._urls.url}/invitation#token={token}", row)

    def keep(self, db: Connection, actor: Actor, row: NewInvitationRow) -> Invitation:
        """Let a link count, in the place of an earlier one for the same person and org."""
        invitations.revoke_of(db, row.org_id, row.email, row.created_at)
        others = invitations.open_until(db, row.org_id, row.created_at)
        check_open(
            "invitations",
            others,
            MAX_INVITATIONS,
            row.created_at,
            "Revoke those that nobody will use.",
        )

        invitations.insert(db, row)
        data: dict[str, object] = {
            "email": row.email,
            "role": row.role,
            "expires_at": row.expires_at.isoformat(),
        }
        if row.delivery_id:
            data["is_emailed"] = True
        audit.append(db, row.created_at, row.org_id, actor, "invite", f"invitations/{row.id}", data)

        found = invitations.find_open(db, row.token_hash, row.created_at)
        assert found is not None
        return shown(found, actor)

    def find(self, db: Connection, token: str) -> InvitationRow | None:
        """Return the invitation of a link's token, None if it is nobody's or over."""
        return invitations.find_open(db, api_tokens.token_hash(token.strip()), self._clock.now())


def shown(row: InvitationRow, actor: Actor) -> Invitation:
    """Return an invitation as somebody sees it who manages people."""
    return Invitation(
        id=row.id,
        email=row.email,
        role=row.role,
        manager=row.manager,
        invited_by=row.inviter,
        created_at=row.created_at,
        expires_at=row.expires_at,
        emailed=email_of(row, actor),
    )

"""Calls about invitations into an org."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire import org_api as wire
from opsicle.wire.endpoints import invitations as endpoints
from opsicle.wire.user_api import LoginReply


class InvitationCalls(Calls):
    """Inviting somebody, and accepting."""

    def invitations(self) -> Iterator[wire.Invitation]:
        """Yield the org's invitations that may still be used."""
        return self._pages(endpoints.LIST_OPEN)

    def invite(self, request: wire.InviteRequest) -> wire.NewInvitation:
        """Make the one-time link for somebody."""
        return self._call(endpoints.INVITE, body=request)

    def revoke_invitation(self, invitation_id: str) -> None:
        """End an invitation."""
        self._call(endpoints.REVOKE, invitation_id)

    def look_at_invitation(self, token: str) -> wire.InvitationOffer:
        """Return what a link leads to."""
        return self._call(endpoints.SHOW_OFFER, body=wire.InvitationToken(token=token))

    def accept_invitation(self, request: wire.AcceptInvitationRequest) -> LoginReply:
        """Accept, and begin a session. Raises TotpRequired where a code is needed too."""
        return self._call(endpoints.ACCEPT, body=request)

"""The routes of orgs, invitations and of those who run the server, as functions; see `api.py`."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.api import Api
from opsicle.client.calls import part
from opsicle.wire import org_api as wire
from opsicle.wire.user_api import LoginReply


class OrgApi(Api):
    """One server, as one caller sees it: orgs and how one comes into them. Made of another one's `connection`."""

    def orgs(self) -> Iterator[wire.Org]:
        """The orgs that the caller belongs to."""
        return self._pages("/api/v1/orgs", wire.Org)

    def all_orgs(self) -> Iterator[wire.Org]:
        """All orgs of the server, for those who run it."""
        return self._pages("/api/v1/provider/orgs", wire.Org)

    def org(self, code: str) -> wire.Org:
        """One of the caller's orgs."""
        return self._get(_org(code), wire.Org)

    def create_org(self, request: wire.CreateOrgRequest) -> wire.CreatedOrg:
        """Found an org."""
        return self._post("/api/v1/orgs", request, wire.CreatedOrg)

    def update_org(self, code: str, request: wire.UpdateOrgRequest) -> wire.Org:
        """Change what is given of the org that the session is for."""
        return self._send("PATCH", _org(code), request, wire.Org)

    def switch(self, code: str, *, is_kept: bool) -> LoginReply:
        """Begin a session in another org; this one ends unless it `is_kept`."""
        return self._post(f"{_org(code)}/switch", wire.SwitchRequest(is_kept=is_kept), LoginReply)

    def invitations(self) -> Iterator[wire.Invitation]:
        """The org's invitations that may still be used."""
        return self._pages("/api/v1/invitations", wire.Invitation)

    def invite(self, request: wire.InviteRequest) -> wire.NewInvitation:
        """Make the one-time link for somebody."""
        return self._post("/api/v1/invitations", request, wire.NewInvitation)

    def revoke_invitation(self, invitation_id: str) -> None:
        """End an invitation."""
        self._tell("DELETE", f"/api/v1/invitations/{part(invitation_id)}")

    def look_at_invitation(self, token: str) -> wire.InvitationOffer:
        """What a link leads to."""
        return self._post("/api/v1/invitations/look", wire.InvitationToken(token=token), wire.InvitationOffer)

    def accept_invitation(self, request: wire.AcceptInvitationRequest) -> LoginReply:
        """Accept an invitation and begin a session. Raises TotpRequired where a code is needed too."""
        return self._post("/api/v1/invitations/accept", request, LoginReply)

    def invite_admin(self, code: str, email: str) -> wire.NewInvitation:
        """Make the link for the admin of an org that has none, as somebody who runs the server."""
        path = f"/api/v1/provider/orgs/{part(code)}/invitations"
        return self._post(path, wire.InviteAdminRequest(email=email), wire.NewInvitation)

    def provider_admins(self) -> Iterator[wire.ProviderAdmin]:
        """Who runs the server."""
        return self._pages("/api/v1/provider/admins", wire.ProviderAdmin)

    def name_provider_admin(self, email: str) -> wire.ProviderAdmin:
        """Let the owner of an account run the server too."""
        request = wire.NameProviderAdminRequest(email=email)
        return self._post("/api/v1/provider/admins", request, wire.ProviderAdmin)

    def release_queue(self) -> wire.ServerState:
        """Hand out what waits on a restored server."""
        return self._post("/api/v1/provider/server/release", None, wire.ServerState)

    def drop_provider_admin(self, who: str) -> None:
        """Take running the server from somebody."""
        self._tell("DELETE", f"/api/v1/provider/admins/{part(who)}")


def _org(code: str) -> str:
    return f"/api/v1/orgs/{part(code)}"

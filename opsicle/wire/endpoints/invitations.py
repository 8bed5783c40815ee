"""Endpoints of invitations into an org."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_CREDENTIAL_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.org_api import (
    AcceptInvitationRequest,
    Invitation,
    InvitationOffer,
    InvitationToken,
    InviteRequest,
    NewInvitation,
)
from opsicle.wire.pages import Page
from opsicle.wire.user_api import LoginReply

LIST_OPEN = Endpoint("GET", "/api/v1/invitations", reply=Page[Invitation], query=PAGE)
INVITE = Endpoint(
    "POST", "/api/v1/invitations", body=InviteRequest, reply=NewInvitation, status=201
)
REVOKE = Endpoint[None]("DELETE", "/api/v1/invitations/<invitation>", status=204)
SHOW_OFFER = Endpoint(
    "POST",
    "/api/v1/invitations/look",
    body=InvitationToken,
    reply=InvitationOffer,
    max_body=MAX_CREDENTIAL_BODY_BYTES,
)
ACCEPT = Endpoint(
    "POST",
    "/api/v1/invitations/accept",
    body=AcceptInvitationRequest,
    reply=LoginReply,
    max_body=MAX_CREDENTIAL_BODY_BYTES,
)

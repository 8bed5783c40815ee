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

LIST_OPEN = Endpoint(
    "GET",
    "/api/v1/invitations",
    reply=Page[Invitation],
    query=PAGE,
    description="List the org's invitations that may still be used, newest first.",
)
INVITE = Endpoint(
    "POST",
    "/api/v1/invitations",
    body=InviteRequest,
    reply=NewInvitation,
    status=201,
    description=(
        "Make a one-time link for somebody; the answer is the only place where it is shown."
    ),
)
REVOKE = Endpoint[None](
    "DELETE",
    "/api/v1/invitations/<invitation>",
    status=204,
    description="End an invitation that was not used yet.",
)
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

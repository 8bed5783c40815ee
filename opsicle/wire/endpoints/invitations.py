"""Endpoints of invitations into an org."""

from __future__ import annotations

from opsicle.wire.endpoint import MAX_CREDENTIAL_BODY_BYTES, PAGE, Endpoint
from opsicle.wire.org_api import (
    AcceptInvitationRequest,
    Invitation,
    InvitationDelivery,
    InvitationOffer,
    InvitationToken,
    InviteRequest,
    NewInvitation,
    RenewInvitationRequest,
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
        "Make a one-time link for somebody; the answer is the only place where it is shown, unless "
        "it is sent to them by e-mail."
    ),
)
SHOW_DELIVERY = Endpoint(
    "GET",
    "/api/v1/invitations/delivery",
    reply=InvitationDelivery,
    description="Show by which channel the org sends invitations by e-mail, and whether it works.",
)
RENEW = Endpoint(
    "POST",
    "/api/v1/invitations/<invitation>/renew",
    body=RenewInvitationRequest,
    reply=NewInvitation,
    status=201,
    description=(
        "Make a new link in the place of an invitation that was not used yet, whose link is good "
        "no longer. It is sent by e-mail, or shown in the answer."
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

"""Endpoints of orgs, and of those who run the server (`/server`)."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.org_api import (
    CreatedOrg,
    CreateOrgRequest,
    InviteAdminRequest,
    NameServerOperatorRequest,
    NewInvitation,
    Org,
    ServerOperator,
    ServerState,
    SwitchRequest,
    UpdateOrgRequest,
)
from opsicle.wire.pages import Page
from opsicle.wire.user_api import LoginReply

LIST_ORGS = Endpoint(
    "GET",
    "/api/v1/orgs",
    reply=Page[Org],
    query=PAGE,
    description="List the orgs that the caller belongs to.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/orgs",
    body=CreateOrgRequest,
    reply=CreatedOrg,
    status=201,
    description=(
        "Found an org: for server operators, or for everybody where the server has open orgs."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/orgs/<org>",
    reply=Org,
    description="Show one of the caller's orgs.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/orgs/<org>",
    body=UpdateOrgRequest,
    reply=Org,
    description="Change the org that the caller's session is for.",
)
SWITCH = Endpoint("POST", "/api/v1/orgs/<org>/switch", body=SwitchRequest, reply=LoginReply)
INVITE_ADMIN = Endpoint(
    "POST",
    "/api/v1/server/orgs/<org>/invitations",
    body=InviteAdminRequest,
    reply=NewInvitation,
    status=201,
    description="Make the one-time link for the admin of an org that has none.",
)
LIST_SERVER_OPERATORS = Endpoint(
    "GET",
    "/api/v1/server/operators",
    reply=Page[ServerOperator],
    query=PAGE,
    description="List who runs the server.",
)
ADD_SERVER_OPERATOR = Endpoint(
    "POST",
    "/api/v1/server/operators",
    body=NameServerOperatorRequest,
    reply=ServerOperator,
    description="Let the owner of an account run the server too.",
)
REMOVE_SERVER_OPERATOR = Endpoint[None](
    "DELETE",
    "/api/v1/server/operators/<user>",
    status=204,
    description="Take running the server from somebody.",
)
SHOW_SERVER = Endpoint(
    "GET",
    "/api/v1/server",
    reply=ServerState,
    description=(
        "Show how the server as a whole is.\n\n"
        "Its epoch, whether its queue is held, what is not as it should be."
    ),
)
RELEASE_QUEUE = Endpoint(
    "POST",
    "/api/v1/server/release",
    reply=ServerState,
    description=(
        "Release the queue, which is held after a restore: what waits is handed out from now on."
    ),
)

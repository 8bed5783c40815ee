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

LIST_ORGS = Endpoint("GET", "/api/v1/orgs", reply=Page[Org], query=PAGE)
CREATE = Endpoint("POST", "/api/v1/orgs", body=CreateOrgRequest, reply=CreatedOrg, status=201)
SHOW = Endpoint("GET", "/api/v1/orgs/<org>", reply=Org)
UPDATE = Endpoint("PATCH", "/api/v1/orgs/<org>", body=UpdateOrgRequest, reply=Org)
SWITCH = Endpoint("POST", "/api/v1/orgs/<org>/switch", body=SwitchRequest, reply=LoginReply)
LIST_ALL = Endpoint("GET", "/api/v1/server/orgs", reply=Page[Org], query=PAGE)
INVITE_ADMIN = Endpoint(
    "POST",
    "/api/v1/server/orgs/<org>/invitations",
    body=InviteAdminRequest,
    reply=NewInvitation,
    status=201,
)
LIST_SERVER_OPERATORS = Endpoint(
    "GET", "/api/v1/server/operators", reply=Page[ServerOperator], query=PAGE
)
ADD_SERVER_OPERATOR = Endpoint(
    "POST", "/api/v1/server/operators", body=NameServerOperatorRequest, reply=ServerOperator
)
REMOVE_SERVER_OPERATOR = Endpoint[None]("DELETE", "/api/v1/server/operators/<user>", status=204)
SHOW_SERVER = Endpoint("GET", "/api/v1/server", reply=ServerState)
RELEASE_QUEUE = Endpoint("POST", "/api/v1/server/release", reply=ServerState)

"""Endpoints of orgs for those who run the server, and of what one's own org uses."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.operation_api import ChangeQuotasRequest, OperatedOrg, OwnUsage
from opsicle.wire.pages import Page

LIST = Endpoint(
    "GET",
    "/api/v1/server/orgs",
    reply=Page[OperatedOrg],
    query=PAGE,
    description="List all orgs of the server with their size and activity, for those who run it.",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/server/orgs/<org>",
    reply=OperatedOrg,
    description="Show size, activity and quotas of an org, for those who run the server.",
)
CHANGE_QUOTAS = Endpoint(
    "PATCH",
    "/api/v1/server/orgs/<org>",
    body=ChangeQuotasRequest,
    reply=OperatedOrg,
    description="Change what an org may use, for those who run the server.",
)
OWN_USAGE = Endpoint(
    "GET",
    "/api/v1/usage",
    reply=OwnUsage,
    description="Show what the caller's org uses, and what it may.",
)

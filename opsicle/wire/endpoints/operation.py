"""Endpoints of orgs for those who run the server, and of what one's own org uses."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.operation_api import (
    ChangeQuotasRequest,
    DeleteOrgRequest,
    OperatedOrg,
    OwnUsage,
    SuspendRequest,
)
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
SUSPEND = Endpoint(
    "POST",
    "/api/v1/server/orgs/<org>/suspend",
    body=SuspendRequest,
    reply=OperatedOrg,
    description="Let an org start nothing any more, for those who run the server.",
)
RESUME = Endpoint(
    "POST",
    "/api/v1/server/orgs/<org>/resume",
    reply=OperatedOrg,
    description="Let a suspended org go on, and keep one that was to be deleted.",
)
DELETE = Endpoint(
    "POST",
    "/api/v1/server/orgs/<org>/delete",
    body=DeleteOrgRequest,
    reply=OperatedOrg,
    description="Have an org deleted after some days, in which it is suspended.",
)
OWN_USAGE = Endpoint(
    "GET",
    "/api/v1/usage",
    reply=OwnUsage,
    description="Show what the caller's org uses, and what it may.",
)

"""Endpoints of service accounts."""

from __future__ import annotations

from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.user_api import User

LIST_ACCOUNTS = Endpoint(
    "GET",
    "/api/v1/service-accounts",
    reply=Page[User],
    query=PAGE,
    description="List the org's service accounts by address.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/service-accounts",
    body=CreateServiceAccountRequest,
    reply=User,
    status=201,
    description="Make a service account, owned by the caller unless told.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/service-accounts/<user>",
    status=204,
    description="Remove a service account with its tokens.",
)

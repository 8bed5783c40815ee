"""Endpoints of API tokens."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken

LIST_TOKENS = Endpoint("GET", "/api/v1/tokens", reply=Page[ApiToken], query=PAGE | {"account": str})
CREATE = Endpoint(
    "POST",
    "/api/v1/tokens",
    body=CreateApiTokenRequest,
    reply=NewApiToken,
    status=201,
    description="Make an API token; the answer is the only place where it is shown.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/tokens/<token_id>",
    status=204,
    description="End an API token of the caller's, or of one of their service accounts.",
)

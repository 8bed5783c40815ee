"""Endpoints of the people of an org."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User

LIST_USERS = Endpoint(
    "GET",
    "/api/v1/users",
    reply=Page[User],
    query=PAGE,
    description="List the org's people by e-mail address.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/users",
    body=CreateUserRequest,
    reply=User,
    status=201,
    description="Add a person to the org.",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/users/<user>",
    reply=User,
    description="Show a person of the org, by id or e-mail address.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/users/<user>",
    body=UpdateUserRequest,
    reply=User,
    description="Change a person's role, manager, name or password, or disable them.",
)
DELETE = Endpoint[None](
    "DELETE", "/api/v1/users/<user>", query={"new_owner": str, "confirmed": bool}, status=204
)

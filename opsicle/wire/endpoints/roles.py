"""Endpoints of roles, and of the question whether somebody may do something."""

from __future__ import annotations

from opsicle.wire.access_api import (
    CreateRoleRequest,
    PermissionAnswer,
    Role,
    TemplateRunner,
    UpdateRoleRequest,
)
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_ROLES = Endpoint(
    "GET",
    "/api/v1/roles",
    reply=Page[Role],
    query=PAGE,
    description="List the built-in roles and the org's own by name.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/roles",
    body=CreateRoleRequest,
    reply=Role,
    status=201,
    description=(
        "Make a role of the org's own, from rules such as `allow execute templates/restart-web`."
    ),
)
SHOW = Endpoint(
    "GET",
    "/api/v1/roles/<role>",
    reply=Role,
    description="Show a role and what it gives.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/roles/<role>",
    body=UpdateRoleRequest,
    reply=Role,
    description=(
        "Change a role's rules or description; of a built-in role the org's additions to it."
    ),
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/roles/<role>",
    status=204,
    description="Remove a role of the org's own that nobody has.",
)
CHECK_PERMISSION = Endpoint(
    "GET",
    "/api/v1/can",
    reply=PermissionAnswer,
    query={"user": str, "action": str, "resource": str},
)
LIST_RUNNERS = Endpoint(
    "GET",
    "/api/v1/templates/<name>/runners",
    reply=Page[TemplateRunner],
    query=PAGE,
    description="List who may run a template in its newest version, by e-mail address.",
)

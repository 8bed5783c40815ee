"""Endpoints of roles, and of the question whether somebody may do something."""

from __future__ import annotations

from opsicle.wire.access_api import CreateRoleRequest, PermissionAnswer, Role, UpdateRoleRequest
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_ROLES = Endpoint("GET", "/api/v1/roles", reply=Page[Role], query=PAGE)
CREATE = Endpoint("POST", "/api/v1/roles", body=CreateRoleRequest, reply=Role, status=201)
SHOW = Endpoint("GET", "/api/v1/roles/<role>", reply=Role)
UPDATE = Endpoint("PATCH", "/api/v1/roles/<role>", body=UpdateRoleRequest, reply=Role)
DELETE = Endpoint[None]("DELETE", "/api/v1/roles/<role>", status=204)
CHECK_PERMISSION = Endpoint(
    "GET",
    "/api/v1/can",
    reply=PermissionAnswer,
    query={"user": str, "action": str, "resource": str},
)

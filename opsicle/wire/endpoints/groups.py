"""Endpoints of groups of people."""

from __future__ import annotations

from opsicle.wire.access_api import CreateGroupRequest, Group, UpdateGroupRequest
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_GROUPS = Endpoint(
    "GET",
    "/api/v1/groups",
    reply=Page[Group],
    query=PAGE,
    description="List the org's groups by name, with their members.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/groups",
    body=CreateGroupRequest,
    reply=Group,
    status=201,
    description="Make a group without members.",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/groups/<group>",
    reply=Group,
    description="Show a group and who belongs to it.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/groups/<group>",
    body=UpdateGroupRequest,
    reply=Group,
    description="Change a group's rules or description.",
)
DELETE = Endpoint[None]("DELETE", "/api/v1/groups/<group>", query={"confirmed": bool}, status=204)
ADD_MEMBER = Endpoint(
    "PUT",
    "/api/v1/groups/<group>/members/<user>",
    reply=Group,
    description="Let a person join a group.",
)
REMOVE_MEMBER = Endpoint(
    "DELETE",
    "/api/v1/groups/<group>/members/<user>",
    reply=Group,
    description="Take a person out of a group.",
)

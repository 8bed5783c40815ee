"""Endpoints of groups of people."""

from __future__ import annotations

from opsicle.wire.access_api import CreateGroupRequest, Group, UpdateGroupRequest
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_GROUPS = Endpoint("GET", "/api/v1/groups", reply=Page[Group], query=PAGE)
CREATE = Endpoint("POST", "/api/v1/groups", body=CreateGroupRequest, reply=Group, status=201)
SHOW = Endpoint("GET", "/api/v1/groups/<group>", reply=Group)
UPDATE = Endpoint("PATCH", "/api/v1/groups/<group>", body=UpdateGroupRequest, reply=Group)
DELETE = Endpoint[None]("DELETE", "/api/v1/groups/<group>", query={"confirmed": bool}, status=204)
ADD_MEMBER = Endpoint("PUT", "/api/v1/groups/<group>/members/<user>", reply=Group)
REMOVE_MEMBER = Endpoint("DELETE", "/api/v1/groups/<group>/members/<user>", reply=Group)

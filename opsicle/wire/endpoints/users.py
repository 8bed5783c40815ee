"""Endpoints of the people of an org."""

from __future__ import annotations

from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User

LIST_USERS = Endpoint("GET", "/api/v1/users", reply=Page[User], query=PAGE)
CREATE = Endpoint("POST", "/api/v1/users", body=CreateUserRequest, reply=User, status=201)
SHOW = Endpoint("GET", "/api/v1/users/<user>", reply=User)
UPDATE = Endpoint("PATCH", "/api/v1/users/<user>", body=UpdateUserRequest, reply=User)
DELETE = Endpoint[None](
    "DELETE", "/api/v1/users/<user>", query={"new_owner": str, "confirmed": bool}, status=204
)

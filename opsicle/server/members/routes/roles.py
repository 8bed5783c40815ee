"""Roles, and whether somebody may do something."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.members.permissions import PermissionChecks
from opsicle.server.members.roles import Roles
from opsicle.wire.access_api import CreateRoleRequest, UpdateRoleRequest
from opsicle.wire.endpoints import roles as endpoints


def routes(roles: Roles, checks: PermissionChecks) -> list[Route]:
    """Return the routes of roles and of `can`."""
    view, manage = Action.ROLES_VIEW, Action.ROLES_MANAGE
    return [
        Route(endpoints.LIST_ROLES, partial(list_roles, roles), view),
        Route(endpoints.CREATE, partial(create, roles), manage),
        Route(endpoints.SHOW, partial(show, roles), view),
        Route(endpoints.UPDATE, partial(update, roles), manage),
        Route(endpoints.DELETE, partial(delete, roles), manage),
        Route(endpoints.CHECK_PERMISSION, partial(check_permission, checks), Action.ACCOUNT_VIEW),
    ]


def list_roles(roles: Roles, request: Request) -> Reply:
    """List the built-in roles and the org's own by name."""
    return list_reply(request, roles.list_roles)


def create(roles: Roles, request: Request) -> Reply:
    """Make a role of the org's own, from rules such as `allow execute templates/restart-web`."""
    return Reply(201, roles.create(request.actor, request.body(CreateRoleRequest)))


def show(roles: Roles, request: Request, role: str) -> Reply:
    """Show a role and what it gives."""
    return Reply(200, roles.get(request.actor, role))


def update(roles: Roles, request: Request, role: str) -> Reply:
    """Change a role's rules or description; of a built-in role the org's additions to it."""
    return Reply(200, roles.update(request.actor, role, request.body(UpdateRoleRequest)))


def delete(roles: Roles, request: Request, role: str) -> Reply:
    """Remove a role of the org's own that nobody has."""
    roles.delete(request.actor, role)
    return Reply(204)


def check_permission(checks: PermissionChecks, request: Request) -> Reply:
    """Say whether `user` may do `action` with `resource`, and which rule decides it.

    `user` is the caller unless told; `resource` is as in `templates/restart-web` or `secrets`.
    """
    user, action, resource = (request.query(name) for name in ("user", "action", "resource"))
    return Reply(200, checks.can(request.actor, user, action, resource))

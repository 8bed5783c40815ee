"""Roles, and whether somebody may do something."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.members.permissions import PermissionChecks
from opsicle.server.members.roles import Roles
from opsicle.wire.endpoints import roles as endpoints


def routes(roles: Roles, checks: PermissionChecks) -> list[Route]:
    """Return the routes of roles and of `can`."""
    view, manage = Action.ROLES_VIEW, Action.ROLES_MANAGE
    return [
        serve(endpoints.LIST_ROLES, roles.list_roles, view),
        serve(endpoints.CREATE, roles.create, manage),
        serve(endpoints.SHOW, roles.get, view),
        serve(endpoints.UPDATE, roles.update, manage),
        serve(endpoints.DELETE, roles.delete, manage),
        Route(endpoints.CHECK_PERMISSION, partial(check_permission, checks), Action.ACCOUNT_VIEW),
        serve(endpoints.LIST_RUNNERS, checks.list_runners, Action.USERS_VIEW),
    ]


def check_permission(checks: PermissionChecks, request: Request) -> Reply:
    """Say whether `user` may do `action` with `resource`, and which rule decides it.

    `user` is the caller unless told; `resource` is as in `templates/restart-web` or `secrets`.
    """
    user, action, resource = (request.query(name) for name in ("user", "action", "resource"))
    return Reply(200, checks.can(request.actor, user, action, resource))

"""Groups of people."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.members.groups import Groups
from opsicle.wire.access_api import CreateGroupRequest, UpdateGroupRequest
from opsicle.wire.endpoints import groups as endpoints


def routes(groups: Groups) -> list[Route]:
    """Return the routes of groups. `<user>` is an id or an e-mail address."""
    view, manage = Action.GROUPS_VIEW, Action.GROUPS_MANAGE
    return [
        Route(endpoints.LIST_GROUPS, partial(list_groups, groups), view),
        Route(endpoints.CREATE, partial(create, groups), manage),
        Route(endpoints.SHOW, partial(show, groups), view),
        Route(endpoints.UPDATE, partial(update, groups), manage),
        Route(endpoints.DELETE, partial(delete, groups), manage),
        Route(endpoints.ADD_MEMBER, partial(add_member, groups), manage),
        Route(endpoints.REMOVE_MEMBER, partial(remove_member, groups), manage),
    ]


def list_groups(groups: Groups, request: Request) -> Reply:
    """List the org's groups by name, with their members."""
    return list_reply(request, groups.list_groups)


def create(groups: Groups, request: Request) -> Reply:
    """Make a group without members."""
    return Reply(201, groups.create(request.actor, request.body(CreateGroupRequest)))


def show(groups: Groups, request: Request, group: str) -> Reply:
    """Show a group and who belongs to it."""
    return Reply(200, groups.get(request.actor, group))


def update(groups: Groups, request: Request, group: str) -> Reply:
    """Change a group's rules or description."""
    return Reply(200, groups.update(request.actor, group, request.body(UpdateGroupRequest)))


def delete(groups: Groups, request: Request, group: str) -> Reply:
    """Remove a group.

    Where approvals could not be given any more, it is refused with the code `leaves_behind` until
    `confirmed=true` says that this is known.
    """
    groups.delete(request.actor, group, is_confirmed=request.query_bool("confirmed"))
    return Reply(204)


def add_member(groups: Groups, request: Request, group: str, user: str) -> Reply:
    """Let a person join a group."""
    return Reply(200, groups.add(request.actor, group, user))


def remove_member(groups: Groups, request: Request, group: str, user: str) -> Reply:
    """Take a person out of a group."""
    return Reply(200, groups.remove(request.actor, group, user))

"""Groups of people."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.groups import Groups
from opsicle.wire.access_api import CreateGroupRequest, Group, UpdateGroupRequest


def routes(groups: Groups) -> list[Route]:
    """The routes of groups. `<user>` is an id or an e-mail address."""
    view, manage = Action.GROUPS_VIEW, Action.GROUPS_MANAGE
    every, one = "/api/v1/groups", "/api/v1/groups/<group>"
    member = f"{one}/members/<user>"
    return [
        Route("GET", every, partial(list_groups, groups), view, query=LISTING, reply=Page[Group]),
        Route("POST", every, partial(create, groups), manage, body=CreateGroupRequest, reply=Group, status=201),
        Route("GET", one, partial(show, groups), view, reply=Group),
        Route("PATCH", one, partial(update, groups), manage, body=UpdateGroupRequest, reply=Group),
        Route("DELETE", one, partial(delete, groups), manage, query={"confirmed": bool}, status=204),
        Route("PUT", member, partial(add, groups), manage, reply=Group),
        Route("DELETE", member, partial(remove, groups), manage, reply=Group),
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

    Where approvals could not be given any more, it is refused with the code `leaves_behind` until `confirmed=true` says
    that this is known.
    """
    groups.delete(request.actor, group, is_confirmed=request.query_bool("confirmed"))
    return Reply(204)


def add(groups: Groups, request: Request, group: str, user: str) -> Reply:
    """Let a person join a group."""
    return Reply(200, groups.add(request.actor, group, user))


def remove(groups: Groups, request: Request, group: str, user: str) -> Reply:
    """Take a person out of a group."""
    return Reply(200, groups.remove(request.actor, group, user))

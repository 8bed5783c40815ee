"""Groups of people."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.members.groups import Groups
from opsicle.wire.endpoints import groups as endpoints


def routes(groups: Groups) -> list[Route]:
    """Return the routes of groups. `<user>` is an id or an e-mail address."""
    view, manage = Action.GROUPS_VIEW, Action.GROUPS_MANAGE
    return [
        serve(endpoints.LIST_GROUPS, groups.list_groups, view),
        serve(endpoints.CREATE, groups.create, manage),
        serve(endpoints.SHOW, groups.get, view),
        serve(endpoints.UPDATE, groups.update, manage),
        Route(endpoints.DELETE, partial(delete, groups), manage),
        serve(endpoints.ADD_MEMBER, groups.add, manage),
        serve(endpoints.REMOVE_MEMBER, groups.remove, manage),
    ]


def delete(groups: Groups, request: Request, group: str) -> Reply:
    """Remove a group.

    Where approvals could not be given any more, it is refused with the code `leaves_behind` until
    `confirmed=true` says that this is known.
    """
    groups.delete(request.actor, group, is_confirmed=request.query_bool("confirmed"))
    return Reply(204)

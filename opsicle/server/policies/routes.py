"""Approval policies: push, list, show, versions, delete."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import serve
from opsicle.server.policies.service import Policies
from opsicle.wire.endpoints import policies as endpoints


def routes(policies: Policies) -> list[Route]:
    """Return the routes of policies."""
    view, manage = Action.POLICIES_VIEW, Action.POLICIES_MANAGE
    return [
        serve(endpoints.LIST_POLICIES, policies.list_newest, view),
        serve(endpoints.PUSH, policies.push, manage),
        serve(endpoints.SHOW, policies.get, view),
        serve(endpoints.DELETE, policies.delete, manage),
        serve(endpoints.LIST_VERSIONS, policies.list_versions, view),
        serve(endpoints.SHOW_VERSION, policies.get_version, view),
    ]

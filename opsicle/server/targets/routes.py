"""Targets: push, list, show, versions, delete."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import serve
from opsicle.server.targets.service import Targets
from opsicle.wire.endpoints import targets as endpoints


def routes(targets: Targets) -> list[Route]:
    """Return the routes of targets."""
    view, manage = Action.TARGETS_VIEW, Action.TARGETS_MANAGE
    return [
        serve(endpoints.LIST_TARGETS, targets.list_newest, view),
        serve(endpoints.PUSH, targets.push, manage),
        serve(endpoints.SHOW, targets.get, view),
        serve(endpoints.DELETE, targets.delete, manage),
        serve(endpoints.LIST_VERSIONS, targets.list_versions, view),
        serve(endpoints.SHOW_VERSION, targets.get_version, view),
    ]

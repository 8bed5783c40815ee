"""Targets: push, list, show, versions, delete."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.documents.versions import number_in
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.store.documents import DocumentKind
from opsicle.server.targets.service import Targets
from opsicle.wire.endpoints import targets as endpoints
from opsicle.wire.target_api import PushTargetRequest


def routes(targets: Targets) -> list[Route]:
    """Return the routes of targets."""
    view, manage = Action.TARGETS_VIEW, Action.TARGETS_MANAGE
    return [
        serve(endpoints.LIST_TARGETS, targets.list_targets, view),
        Route(endpoints.PUSH, partial(push, targets), manage),
        serve(endpoints.SHOW, targets.get, view),
        serve(endpoints.DELETE, targets.delete, manage),
        serve(endpoints.LIST_VERSIONS, targets.list_versions, view),
        Route(endpoints.SHOW_VERSION, partial(show_version, targets), view),
    ]


def push(targets: Targets, request: Request) -> Reply:
    """Make a new version of a target: 201, or 200 if the newest one says the same already."""
    pushed = targets.push(request.actor, request.body(PushTargetRequest))
    return Reply(201 if pushed.is_new else 200, pushed)


def show_version(targets: Targets, request: Request, target: str, version: str) -> Reply:
    """Show one version of a target."""
    number = number_in(DocumentKind.TARGET, target, version)
    return Reply(200, targets.get(request.actor, target, number))

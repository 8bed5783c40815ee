"""Approval policies: push, list, show, versions, delete."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.documents.versions import number_in
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.policies.service import Policies
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.endpoints import policies as endpoints
from opsicle.wire.user_api import SourceRequest


def routes(policies: Policies) -> list[Route]:
    """Return the routes of policies."""
    view, manage = Action.POLICIES_VIEW, Action.POLICIES_MANAGE
    return [
        serve(endpoints.LIST_POLICIES, policies.list_policies, view),
        Route(endpoints.PUSH, partial(push, policies), manage),
        serve(endpoints.SHOW, policies.get, view),
        serve(endpoints.DELETE, policies.delete, manage),
        serve(endpoints.LIST_VERSIONS, policies.list_versions, view),
        Route(endpoints.SHOW_VERSION, partial(show_version, policies), view),
    ]


def push(policies: Policies, request: Request) -> Reply:
    """Make a new version of an approval policy.

    201, or 200 where the newest version says the same already.
    """
    pushed = policies.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show_version(policies: Policies, request: Request, policy: str, version: str) -> Reply:
    """Show one version of an approval policy."""
    return Reply(
        200, policies.get(request.actor, policy, number_in(DocumentKind.POLICY, policy, version))
    )

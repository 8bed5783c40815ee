"""Approval policies: push, list, show, versions, delete."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.documents.versions import number_in
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.policies.service import Policies
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.endpoints import policies as endpoints
from opsicle.wire.user_api import SourceRequest


def routes(policies: Policies) -> list[Route]:
    """Return the routes of policies."""
    view, manage = Action.POLICIES_VIEW, Action.POLICIES_MANAGE
    return [
        Route(endpoints.LIST_POLICIES, partial(list_policies, policies), view),
        Route(endpoints.PUSH, partial(push, policies), manage),
        Route(endpoints.SHOW, partial(show, policies), view),
        Route(endpoints.DELETE, partial(delete, policies), manage),
        Route(endpoints.LIST_VERSIONS, partial(list_versions, policies), view),
        Route(endpoints.SHOW_VERSION, partial(show_version, policies), view),
    ]


def list_policies(policies: Policies, request: Request) -> Reply:
    """List the org's approval policies by name, each in its newest version."""
    return list_reply(request, policies.list_policies)


def push(policies: Policies, request: Request) -> Reply:
    """Make a new version of an approval policy.

    201, or 200 where the newest version says the same already.
    """
    pushed = policies.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show(policies: Policies, request: Request, policy: str) -> Reply:
    """Show an approval policy in its newest version."""
    return Reply(200, policies.get(request.actor, policy))


def delete(policies: Policies, request: Request, policy: str) -> Reply:
    """Take an approval policy out of use; what it approved and has not begun will not run."""
    policies.delete(request.actor, policy)
    return Reply(204)


def list_versions(policies: Policies, request: Request, policy: str) -> Reply:
    """List an approval policy's versions, newest first."""
    return list_reply(
        request, lambda actor, cursor, limit: policies.list_versions(actor, policy, cursor, limit)
    )


def show_version(policies: Policies, request: Request, policy: str, version: str) -> Reply:
    """Show one version of an approval policy."""
    return Reply(
        200, policies.get(request.actor, policy, number_in(DocumentKind.POLICY, policy, version))
    )

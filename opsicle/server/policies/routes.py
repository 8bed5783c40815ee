"""Approval policies: push, list, show, versions, delete."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.server.http.lists import LISTING, list_reply
from opsicle.server.http.routing import Page, Reply, Request, Route
from opsicle.server.policies.service import Policies
from opsicle.wire.policy_api import PolicyPushed, PolicyVersion, PolicyVersionSummary
from opsicle.wire.user_api import SourceRequest

_MAX_DIGITS = 9


def routes(policies: Policies) -> list[Route]:
    """The routes of policies."""
    view, manage = Action.POLICIES_VIEW, Action.POLICIES_MANAGE
    every, one = "/api/v1/policies", "/api/v1/policies/<policy>"
    page = Page[PolicyVersionSummary]
    return [
        Route("GET", every, partial(list_policies, policies), view, query=LISTING, reply=page),
        Route(
            "POST", every, partial(push, policies), manage, body=SourceRequest, reply=PolicyPushed, status=201
        ).with_document(),
        Route("GET", one, partial(show, policies), view, reply=PolicyVersion),
        Route("DELETE", one, partial(delete, policies), manage, status=204),
        Route("GET", f"{one}/versions", partial(list_versions, policies), view, query=LISTING, reply=page),
        Route("GET", f"{one}/versions/<version>", partial(show_version, policies), view, reply=PolicyVersion),
    ]


def list_policies(policies: Policies, request: Request) -> Reply:
    """List the org's approval policies by name, each in its newest version."""
    return list_reply(request, policies.list_policies)


def push(policies: Policies, request: Request) -> Reply:
    """Make a new version of an approval policy: 201, or 200 where the newest version says the same already."""
    pushed = policies.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show(policies: Policies, request: Request, policy: str) -> Reply:
    """Show an approval policy in its newest version."""
    return Reply(200, policies.get(request.actor, policy))


def delete(policies: Policies, request: Request, policy: str) -> Reply:
    """Take an approval policy out of use; what it has let pass and does not run yet will not run."""
    policies.delete(request.actor, policy)
    return Reply(204)


def list_versions(policies: Policies, request: Request, policy: str) -> Reply:
    """List an approval policy's versions, newest first."""
    return list_reply(request, lambda actor, cursor, limit: policies.list_versions(actor, policy, cursor, limit))


def show_version(policies: Policies, request: Request, policy: str, version: str) -> Reply:
    """Show one version of an approval policy."""
    if not (version.isascii() and version.isdigit() and len(version) <= _MAX_DIGITS):
        raise NotFound(f"there is no version {version} of a policy {policy}", hint="A version is a number.")
    return Reply(200, policies.get(request.actor, policy, int(version)))

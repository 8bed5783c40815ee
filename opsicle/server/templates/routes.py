"""Templates: validate, push, list, show, versions, diff, delete."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.documents.versions import number_in
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.store.documents import DocumentKind
from opsicle.server.templates.service import Templates
from opsicle.wire.endpoints import templates as endpoints
from opsicle.wire.user_api import (
    SourceRequest,
)


def routes(templates: Templates) -> list[Route]:
    """Return the routes of templates."""
    view, push_, delete_ = Action.TEMPLATES_VIEW, Action.TEMPLATES_PUSH, Action.TEMPLATES_DELETE
    return [
        Route(endpoints.VALIDATE, partial(validate, templates), view),
        serve(endpoints.LIST_TEMPLATES, templates.list_templates, view),
        Route(endpoints.PUSH, partial(push, templates), push_),
        serve(endpoints.SHOW, templates.get, view),
        serve(endpoints.DELETE, templates.delete, delete_),
        serve(endpoints.LIST_VERSIONS, templates.list_versions, view),
        Route(endpoints.SHOW_VERSION, partial(show_version, templates), view),
        Route(endpoints.DIFF, partial(diff, templates), view),
    ]


def validate(templates: Templates, request: Request) -> Reply:
    """Check a template's document and keep nothing."""
    return Reply(200, templates.validate(request.actor, request.body(SourceRequest).source))


def push(templates: Templates, request: Request) -> Reply:
    """Make a new version of a template: 201, or 200 if the newest one says the same already."""
    pushed = templates.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show_version(templates: Templates, request: Request, name: str, version: str) -> Reply:
    """Show one version of a template."""
    return Reply(
        200, templates.get(request.actor, name, number_in(DocumentKind.TEMPLATE, name, version))
    )


def diff(templates: Templates, request: Request, name: str) -> Reply:
    """Show how two versions of a template differ, as a unified diff.

    `to` is the newest version unless told.
    """
    newest = templates.get(request.actor, name).version
    to_version = request.query_int("to", newest, low=1)
    from_version = request.query_int("from", max(1, to_version - 1), low=1)
    return Reply(200, templates.diff(request.actor, name, from_version, to_version))

"""Templates: validate, push, list, show, versions, diff, delete."""

from __future__ import annotations

from functools import partial

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.templates.drafts import Drafts
from opsicle.server.templates.service import Templates
from opsicle.wire.document_api import PushTemplateRequest
from opsicle.wire.endpoints import templates as endpoints


def routes(templates: Templates, drafts: Drafts) -> list[Route]:
    """Return the routes of templates."""
    view, push_, delete_ = Action.TEMPLATES_VIEW, Action.TEMPLATES_PUSH, Action.TEMPLATES_DELETE
    return [
        serve(endpoints.VALIDATE, templates.validate, view),
        serve(endpoints.KEEP_DRAFT, drafts.keep, push_),
        serve(endpoints.SHOW_DRAFT, drafts.get, push_),
        Route(endpoints.SCHEMA, schema, view),
        serve(endpoints.LIST_TEMPLATES, templates.list_templates, view),
        Route(endpoints.PUSH, partial(push, templates), push_),
        serve(endpoints.SHOW, templates.get, view),
        serve(endpoints.DELETE, templates.delete, delete_),
        serve(endpoints.LIST_VERSIONS, templates.list_versions, view),
        serve(endpoints.SHOW_VERSION, templates.get_version, view),
        Route(endpoints.DIFF, partial(diff, templates), view),
    ]


def schema(_request: Request) -> Reply:
    """Return the JSON Schema of a template's document, for editors."""
    from opsicle.domain.template_schema import template_schema  # only editors need it

    encoded = msgspec.json.encode(template_schema())
    return Reply(200, raw=encoded, content_type=endpoints.SCHEMA.content_type)


def push(templates: Templates, request: Request) -> Reply:
    """Make a new version of a template: 201, or 200 if the newest one says the same already.

    With `expected_version`, 409 with the code `version_conflict` where another one is the newest.
    """
    wanted = request.body(PushTemplateRequest)
    pushed = templates.push(request.actor, wanted.source, wanted.message, wanted.expected_version)
    return Reply(201 if pushed.is_new else 200, pushed)


def diff(templates: Templates, request: Request, name: str) -> Reply:
    """Show how two versions of a template differ, as a unified diff.

    `to` is the newest version unless told.
    """
    newest = templates.get(request.actor, name).version
    to_version = request.query_int("to", newest, low=1)
    from_version = request.query_int("from", max(1, to_version - 1), low=1)
    return Reply(200, templates.diff(request.actor, name, from_version, to_version))

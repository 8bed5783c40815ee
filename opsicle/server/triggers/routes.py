"""Triggers: push, list, show, versions, delete, pause, resume, new secret, calls; and webhooks."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from opsicle.domain.access import Action
from opsicle.server.documents.versions import number_in
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.identity.login_throttle import network
from opsicle.server.store.documents import DocumentKind
from opsicle.server.triggers.calls import IncomingCall
from opsicle.server.triggers.hooks import Hooks
from opsicle.server.triggers.service import Triggers
from opsicle.wire.endpoints import triggers as endpoints
from opsicle.wire.user_api import SourceRequest


def routes(triggers: Triggers, hooks: Hooks) -> list[Route]:
    """Return the routes of triggers, and the one that takes webhooks."""
    view, manage = Action.TRIGGERS_VIEW, Action.TRIGGERS_MANAGE
    return [
        Route(endpoints.LIST_TRIGGERS, partial(list_triggers, triggers), view),
        Route(endpoints.PUSH, partial(push, triggers), manage),
        Route(endpoints.SHOW, partial(show, triggers), view),
        Route(endpoints.DELETE, partial(delete, triggers), manage),
        Route(endpoints.LIST_VERSIONS, partial(list_versions, triggers), view),
        Route(endpoints.SHOW_VERSION, partial(show_version, triggers), view),
        Route(endpoints.PAUSE, partial(pause, triggers), manage),
        Route(endpoints.RESUME, partial(resume, triggers), manage),
        Route(endpoints.NEW_SECRET, partial(new_secret, triggers), manage),
        Route(endpoints.LIST_CALLS, partial(list_calls, triggers), view),
        Route(endpoints.CALL, partial(call, hooks), Access.PUBLIC),
    ]


def list_triggers(triggers: Triggers, request: Request) -> Reply:
    """List the org's triggers by name, each in its newest version."""
    return list_reply(request, triggers.list_triggers)


def push(triggers: Triggers, request: Request) -> Reply:
    """Make a new version of a trigger: 201, or 200 if the newest one says the same already."""
    pushed = triggers.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """Show a trigger in its newest version."""
    return Reply(200, triggers.get(request.actor, trigger))


def delete(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """Take a trigger out of use; what it has started goes on."""
    triggers.delete(request.actor, trigger)
    return Reply(204)


def list_versions(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """List a trigger's versions, newest first."""
    return list_reply(
        request,
        lambda actor, cursor, limit: triggers.list_versions(actor, trigger, cursor, limit),
    )


def show_version(triggers: Triggers, request: Request, trigger: str, version: str) -> Reply:
    """Show one version of a trigger."""
    number = number_in(DocumentKind.TRIGGER, trigger, version)
    return Reply(200, triggers.get(request.actor, trigger, number))


def pause(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """Let a trigger start nothing until it is resumed."""
    return Reply(200, triggers.pause(request.actor, trigger))


def resume(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """Let a paused trigger take calls again."""
    return Reply(200, triggers.resume(request.actor, trigger))


def new_secret(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """Give a trigger a new secret, which is shown once; the old one works no longer."""
    return Reply(201, triggers.new_secret(request.actor, trigger))


def list_calls(triggers: Triggers, request: Request, trigger: str) -> Reply:
    """List how a trigger was called and what became of that, newest first."""
    return list_reply(
        request,
        lambda actor, cursor, limit: triggers.list_calls(actor, trigger, cursor, limit),
    )


def call(hooks: Hooks, request: Request, org: str, trigger: str) -> Reply:
    """Call a trigger with a JSON body: 202 with what it has started, or 200 with why nothing was.

    Who sends it is known by the trigger's secret alone. The body is JSON, whatever its content type
    says. The same signed message again is answered as before, and starts nothing. 401: no such
    trigger, or not its secret. 404: it is paused. 400: the body does not fit. 409: the trigger may
    not start its template. 429 and 503: try again.
    """
    with hooks.large_bodies.slot(network(request.address), request.header("Content-Length")):
        body = request.raw_body()
    reply = hooks.call(org, trigger, IncomingCall(request.header, body, request.address))
    return Reply(HTTPStatus.OK if reply.skipped else HTTPStatus.ACCEPTED, reply)

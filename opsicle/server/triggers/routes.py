"""Triggers: push, list, show, versions, delete, pause, resume, new secret, calls; and webhooks."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from opsicle.domain.access import Action
from opsicle.domain.source_networks import source_network
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.triggers.calls import IncomingCall
from opsicle.server.triggers.hooks import Hooks
from opsicle.server.triggers.samples import SampleCalls
from opsicle.server.triggers.service import Triggers
from opsicle.wire.endpoints import triggers as endpoints


def routes(triggers: Triggers, hooks: Hooks, samples: SampleCalls) -> list[Route]:
    """Return the routes of triggers, and the one that takes webhooks."""
    view, manage = Action.TRIGGERS_VIEW, Action.TRIGGERS_MANAGE
    return [
        serve(endpoints.LIST_TRIGGERS, triggers.list_newest, view),
        serve(endpoints.PUSH, triggers.push, manage),
        serve(endpoints.SHOW, triggers.get, view),
        serve(endpoints.DELETE, triggers.delete, manage),
        serve(endpoints.LIST_VERSIONS, triggers.list_versions, view),
        serve(endpoints.SHOW_VERSION, triggers.get_version, view),
        serve(endpoints.PAUSE, triggers.pause, manage),
        serve(endpoints.RESUME, triggers.resume, manage),
        serve(endpoints.NEW_SECRET, triggers.new_secret, manage),
        serve(endpoints.SAMPLE, samples.send, manage),
        serve(endpoints.LIST_CALLS, triggers.list_calls, view),
        Route(endpoints.CALL, partial(call, hooks), Access.PUBLIC),
    ]


def call(hooks: Hooks, request: Request, org: str, trigger: str) -> Reply:
    """Call a trigger with a JSON body: 202 with what it has started, or 200 with why nothing was.

    Who sends it is known by the trigger's secret alone. The body is JSON, whatever its content type
    says. The same signed message again is answered as before, and starts nothing. 401: no such
    trigger, or not its secret. 404: it is paused. 400: the body does not fit. 409: the trigger may
    not start its template. 429 and 503: try again.
    """
    with hooks.large_bodies.slot(source_network(request.address), request.header("Content-Length")):
        body = request.raw_body()
    reply = hooks.call(org, trigger, IncomingCall(request.header, body, request.address))
    return Reply(HTTPStatus.OK if reply.skipped else HTTPStatus.ACCEPTED, reply)

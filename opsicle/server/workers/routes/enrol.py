"""How workers get their certificates: once on the users' listener, then again and again on their own."""

from __future__ import annotations

from functools import partial

from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.workers.enrolment import Enrolments
from opsicle.wire.worker_api import EnrolPlace, EnrolReply, EnrolRequest, RenewReply, RenewRequest

MAX_BODY = 64 * 1024
"""A certificate request and some labels; the sender has not proven anything yet when it is read."""


def routes(enrolments: Enrolments) -> list[Route]:
    """What stands on the users' listener."""
    return [
        Route("GET", "/api/v1/enrol", partial(place, enrolments), Access.PUBLIC, reply=EnrolPlace),
        Route(
            "POST",
            "/api/v1/enrol",
            partial(enrol, enrolments),
            Access.PUBLIC,
            body=EnrolRequest,
            reply=EnrolReply,
            max_body=MAX_BODY,
        ),
    ]


def worker_routes(enrolments: Enrolments) -> list[Route]:
    """What stands on the workers' listener."""
    return [
        Route(
            "POST",
            "/worker/v1/renew",
            partial(renew, enrolments),
            Access.WORKER,
            body=RenewRequest,
            reply=RenewReply,
            max_body=MAX_BODY,
        )
    ]


def place(enrolments: Enrolments, _request: Request) -> Reply:
    """Say where workers connect, and by which CA they know this server."""
    return Reply(200, enrolments.place())


def enrol(enrolments: Enrolments, request: Request) -> Reply:
    """Give a worker that knows a join token's secret its identity."""
    return Reply(200, enrolments.enrol(request.body(EnrolRequest), request.address))


def renew(enrolments: Enrolments, request: Request) -> Reply:
    """Give a worker a new certificate for the identity that it has."""
    return Reply(200, enrolments.renew(request.worker, request.body(RenewRequest)))

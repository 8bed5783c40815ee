"""How workers get their certificates.

Once on the users' listener, then again and again on their own.
"""

from __future__ import annotations

from functools import partial

from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.workers.enrolment import Enrolments
from opsicle.server.workers.ephemeral import EphemeralWorkers
from opsicle.wire.endpoints import enrol as endpoints
from opsicle.wire.worker_api import EnrolRequest


def routes(enrolments: Enrolments) -> list[Route]:
    """Return what stands on the users' listener."""
    return [
        Route(
            endpoints.SHOW_WORKER_ADDRESS, partial(show_worker_address, enrolments), Access.PUBLIC
        ),
        Route(endpoints.ENROL, partial(enrol, enrolments), Access.PUBLIC),
    ]


def worker_routes(enrolments: Enrolments, ephemeral: EphemeralWorkers) -> list[Route]:
    """Return what stands on the workers' listener."""
    return [
        serve(endpoints.RENEW_CERTIFICATE, enrolments.renew, Access.WORKER),
        serve(endpoints.LEAVE, ephemeral.leave, Access.WORKER),
    ]


def show_worker_address(enrolments: Enrolments, _request: Request) -> Reply:
    """Say where workers connect, and by which CA they know this server."""
    return Reply(200, enrolments.worker_address())


def enrol(enrolments: Enrolments, request: Request) -> Reply:
    """Give a worker that knows a join token's secret its identity."""
    return Reply(200, enrolments.enrol(request.body(EnrolRequest), request.address))

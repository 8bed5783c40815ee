"""What machines ask of the server itself.

Is it alive, is it ready, how is it doing, whom is it to be trusted by.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.metrics import Metrics
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.wire.endpoints import server as endpoints
from opsicle.wire.user_api import Health


class Readiness(msgspec.Struct):
    """Whether the server takes requests; main moves it on.

    `remarks` is what those who run it should mend.
    """

    status: Literal["ok", "starting", "draining"] = "starting"
    remarks: list[str] = msgspec.field(default_factory=list)


def routes(readiness: Readiness, figures: Metrics, trusted_pem: Callable[[], str]) -> list[Route]:
    """Return the routes about the server itself.

    `trusted_pem` is what clients of the users' listener should trust.
    """
    return [
        *_state_routes(readiness),
        _metrics_route(figures, Action.SERVER_MANAGE),
        Route(endpoints.CA, partial(ca, trusted_pem), Access.PUBLIC),
    ]


def monitoring_routes(readiness: Readiness, figures: Metrics) -> list[Route]:
    """Return what stands on a listener that only this machine reaches: the same without a login."""
    return [*_state_routes(readiness), _metrics_route(figures, Access.PUBLIC)]


def _state_routes(readiness: Readiness) -> list[Route]:
    return [
        Route(endpoints.HEALTHZ, partial(healthz, readiness), Access.PUBLIC),
        Route(endpoints.READYZ, partial(readyz, readiness), Access.PUBLIC),
    ]


def _metrics_route(figures: Metrics, may: Action | Access) -> Route:
    return Route(endpoints.SHOW_METRICS, partial(show_metrics, figures), may)


def healthz(readiness: Readiness, _request: Request) -> Reply:
    """Return whether the server lives: it answers, so it does."""
    return Reply(200, Health("ok", readiness.remarks))


def readyz(readiness: Readiness, _request: Request) -> Reply:
    """Return whether the server takes requests; 503 while it starts or stops."""
    return Reply(
        200 if readiness.status == "ok" else 503, Health(readiness.status, readiness.remarks)
    )


def show_metrics(figures: Metrics, _request: Request) -> Reply:
    """Figures about all orgs together for Prometheus.

    For server operators alone, so that no org learns of others.

    A listener of its own (`--metrics-listen`) shows them without a login, on this machine only.
    """
    return Reply(200, raw=figures.render(), content_type=endpoints.SHOW_METRICS.content_type)


def ca(trusted_pem: Callable[[], str], _request: Request) -> Reply:
    """Return the certificate, as PEM, that clients of this address should trust.

    Compare its fingerprint before you do.
    """
    return Reply(200, raw=trusted_pem().encode(), content_type=endpoints.CA.content_type)

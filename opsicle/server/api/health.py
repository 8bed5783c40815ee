"""What machines ask of the server itself: is it alive, is it ready, how is it doing, whom is it to be trusted by."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from opsicle.domain.access import Action
from opsicle.server.api import metrics
from opsicle.server.api.http import Access, Reply, Request, Route
from opsicle.server.api.metrics import Metrics
from opsicle.wire.user_api import Health

_LOOPBACK = ("127.0.0.1", "::1")


@dataclass
class Readiness:
    """Whether the server takes requests; main moves it on."""

    status: Literal["ok", "starting", "draining"] = "starting"
    remarks: list[str] = field(default_factory=list)


def routes(readiness: Readiness, figures: Metrics, trusted_pem: str, *, trusts_proxy: bool) -> list[Route]:
    """The routes about the server itself. `trusted_pem` is what clients of the users' listener should trust."""
    public = Access.PUBLIC
    show = partial(show_metrics, figures, trusts_proxy)
    return [
        Route("GET", "/healthz", partial(healthz, readiness), public, reply=Health),
        Route("GET", "/readyz", partial(readyz, readiness), public, reply=Health),
        Route("GET", "/metrics", show, public, content_type=metrics.CONTENT_TYPE),
        Route("GET", "/api/v1/ca", partial(ca, trusted_pem), public, content_type="application/x-pem-file"),
    ]


def healthz(readiness: Readiness, _request: Request) -> Reply:
    """Whether the server lives: it answers, so it does."""
    return Reply(200, Health("ok", readiness.remarks))


def readyz(readiness: Readiness, _request: Request) -> Reply:
    """Whether the server takes requests; 503 while it starts or stops."""
    return Reply(200 if readiness.status == "ok" else 503, Health(readiness.status, readiness.remarks))


def show_metrics(figures: Metrics, trusts_proxy: bool, request: Request) -> Reply:
    """Figures for Prometheus: to anyone on this machine, and to whoever may view the audit record.

    Behind a proxy everyone seems to come from this machine, so there it takes a token in any case.
    """
    if trusts_proxy or request.address not in _LOOPBACK:
        request.actor.require(Action.AUDIT_VIEW)
    return Reply(200, raw=figures.render(), content_type=metrics.CONTENT_TYPE)


def ca(trusted_pem: str, _request: Request) -> Reply:
    """The certificate, as PEM, that clients of this address should trust. Compare its fingerprint before you do."""
    return Reply(200, raw=trusted_pem.encode(), content_type="application/x-pem-file")

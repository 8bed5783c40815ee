"""What each listener serves: an application over the services, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from opsicle.server.assembly import Services
from opsicle.server.http import health, openapi
from opsicle.server.http.app import Application, route_not_found
from opsicle.server.http.assets import Assets
from opsicle.server.http.health import Readiness
from opsicle.server.http.metrics import Metrics
from opsicle.server.http.open_streams import EventStreams
from opsicle.server.http.routing import Route
from opsicle.server.identity.authentication import PersonAuthentication
from opsicle.server.route_table import user_routes, worker_routes
from opsicle.server.workers.authentication import WorkerAuthentication


class Applications:
    """Owns the applications, and what they share: open streams, readiness and metrics."""

    def __init__(self, services: Services, trusted_pem: Callable[[], str]) -> None:
        """Keep the services. `trusted_pem` returns what people's certificate is checked by."""
        self._services = services
        self._trusted_pem = trusted_pem
        self.streams = EventStreams()
        self.readiness = Readiness(remarks=services.status.remarks.shown)
        self.metrics = Metrics()

    @cached_property
    def for_users(self) -> Application:
        """What people's browsers and command lines reach."""
        table: list[Route] = [
            *health.routes(self.readiness, self.metrics, self._trusted_pem),
            *user_routes(self._services),
        ]
        return Application(
            [*table, *openapi.routes(table)],
            PersonAuthentication(self._services.sessions),
            fallback=Assets(),
            streams=self.streams,
            observe=self.metrics.observe,
        )

    @cached_property
    def for_workers(self) -> Application:
        """What workers reach, and nobody else."""
        return Application(
            worker_routes(self._services),
            WorkerAuthentication(self._services.workers),
            fallback=route_not_found,
            streams=self.streams,
            observe=self.metrics.observe,
            is_binary=True,
        )

    @cached_property
    def for_monitoring(self) -> Application:
        """What a monitoring system reaches on an address of its own."""
        return Application(
            health.monitoring_routes(self.readiness, self.metrics),
            PersonAuthentication(self._services.sessions),
            fallback=route_not_found,
            streams=self.streams,
            observe=self.metrics.observe,
        )

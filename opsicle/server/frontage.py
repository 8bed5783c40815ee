"""What the server shows to the outside: two listeners, each with its application."""

from __future__ import annotations

import time
from datetime import datetime

from opsicle.server.api import health, openapi
from opsicle.server.api.app import Application, nothing_else
from opsicle.server.api.assets import Assets
from opsicle.server.api.authentication import PersonAuthentication, WorkerAuthentication
from opsicle.server.api.event_stream import EventStreams
from opsicle.server.api.health import Readiness
from opsicle.server.api.http import Route
from opsicle.server.api.metrics import Metrics
from opsicle.server.assembly import Services
from opsicle.server.listening.listeners import Listener
from opsicle.server.listening.tls import GivenCertificate, Tls
from opsicle.server.settings import ServerOptions, parse_address


class Frontage:
    """Owns both listeners: `start` opens them for requests, `stop` ends them in an orderly way."""

    def __init__(self, options: ServerOptions, services: Services, tls: Tls, now: datetime) -> None:
        """Binds both addresses, so that nothing else has begun if one cannot be had."""
        self._services = services
        self._tls = tls
        self._given = _given_certificate(options, now)
        self._streams = EventStreams()
        self._readiness = Readiness(remarks=services.remarks.shown)
        self._metrics = Metrics()
        self._users = self._user_listener(options)
        self._workers = self._worker_listener(options)
        self._add_gauges()

    @property
    def user_port(self) -> int:
        """The port on which people's requests arrive."""
        return self._users.port

    @property
    def worker_port(self) -> int:
        """The port on which workers' requests arrive."""
        return self._workers.port

    def start(self) -> None:
        """Take requests."""
        self._users.start()
        self._workers.start()
        self._readiness.status = "ok"

    def stop(self, seconds: float) -> None:
        """Take no more requests; what waits is answered now, what is under way may take so many seconds."""
        ends_at = time.monotonic() + seconds
        self._readiness.status = "draining"
        self._users.close()
        self._workers.close()
        self._services.dispatch.close()
        self._streams.close()
        self._users.join(ends_at - time.monotonic())
        self._workers.join(max(ends_at - time.monotonic(), 0.0))

    def renew(self, now: datetime) -> None:
        """Renew our own certificates in good time, and take up a given one that has been replaced."""
        self._tls.renew_if_due(now)
        if self._given:
            self._given.reload_if_changed(now)

    def _user_listener(self, options: ServerOptions) -> Listener:
        trusted = self._given.trusted_pem if self._given else self._services.core.authority.cert_pem
        table: list[Route] = [
            *health.routes(self._readiness, self._metrics, trusted, trusts_proxy=options.behind_proxy),
            *self._services.user_routes(),
        ]
        application = Application(
            [*table, *openapi.routes(table)],
            PersonAuthentication(self._services.sessions),
            fallback=Assets(),
            streams=self._streams,
            observe=self._metrics.observe,
        )
        context = self._given.context if self._given else self._tls.own_context
        return Listener(
            parse_address(options.listen),
            application,
            context=None if options.is_plain else context,
            trusts_proxy=options.behind_proxy,
        )

    def _worker_listener(self, options: ServerOptions) -> Listener:
        application = Application(
            self._services.worker_routes(),
            WorkerAuthentication(self._services.workers),
            fallback=nothing_else,
            streams=self._streams,
            observe=self._metrics.observe,
            is_binary=True,
        )
        return Listener(parse_address(options.worker_listen), application, context=self._tls.worker_context)

    def _add_gauges(self) -> None:
        add = self._metrics.add_gauge
        add("opsicle_user_connections", "Open connections of users.", lambda: self._users.open_connections)
        add("opsicle_worker_connections", "Open connections of workers.", lambda: self._workers.open_connections)
        add("opsicle_event_streams", "Open event streams.", lambda: len(self._streams))
        add("opsicle_connected_workers", "Workers that are connected.", self._services.fleet.connected_count)
        self._metrics.add_gauges(
            "opsicle_open_automations",
            "Automations that are not over yet.",
            "state",
            self._services.open_automations,
        )


def _given_certificate(options: ServerOptions, now: datetime) -> GivenCertificate | None:
    if options.tls_cert is None or options.tls_key is None:
        return None
    return GivenCertificate(options.tls_cert, options.tls_key, now)

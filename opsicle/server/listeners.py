"""What the server shows to the outside: two listeners, each with its application."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from opsicle.domain.errors import InvalidInput
from opsicle.security import certificates
from opsicle.server.applications import Applications
from opsicle.server.assembly import Services
from opsicle.server.gauges import add_gauges
from opsicle.server.http.wire.sockets import Listener
from opsicle.server.http.wire.tls import TLS_VERSIONS, GivenCertificate, Tls
from opsicle.server.settings import ServerOptions, parse_address

log = logging.getLogger(__name__)

_WARN_AGAIN_AFTER = timedelta(days=1)


class Listeners:
    """Owns both listeners: `start` opens them for requests, `stop` ends them in an orderly way."""

    def __init__(self, options: ServerOptions, services: Services, tls: Tls, now: datetime) -> None:
        """Binds both addresses, so that nothing else has begun if one cannot be had."""
        self._services = services
        self._tls = tls
        self._given = _given_certificate(options)
        self._warning, self._warned_at = "", now
        self._applications = Applications(services, self._trusted_pem)
        self._users = self._user_listener(options)
        self._workers = self._worker_listener(options)
        self._monitoring = self._monitoring_listener(options)
        self._add_gauges(options)
        self._warn(now)

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
        if self._monitoring:
            self._monitoring.start()
        self._applications.readiness.status = "ok"

    def stop(self, seconds: float) -> None:
        """Take no more requests.

        What waits is answered now, what is under way may take so many seconds.
        """
        ends_at = time.monotonic() + seconds
        self._applications.readiness.status = "draining"
        for listener in self._listeners:
            listener.close()
        self._services.dispatch.close()
        self._applications.streams.close()
        for listener in self._listeners:
            listener.join(max(ends_at - time.monotonic(), 0.0))

    def renew(self, now: datetime) -> None:
        """Renew our own certificates in good time, and reload a given one that was replaced."""
        self._tls.renew_if_due(now)
        if self._given:
            try:
                if self._given.reload_if_changed():
                    log.info(
                        "certificate taken up",
                        extra={"expires_at": self._given.expires_at.isoformat()},
                    )
            except InvalidInput as error:
                log.warning(
                    "certificate not taken up", extra={"reason": error.message, "hint": error.hint}
                )

        self._warn(now)

    @property
    def _listeners(self) -> list[Listener]:
        return [self._users, self._workers, *([self._monitoring] if self._monitoring else [])]

    def _warn(self, now: datetime) -> None:
        """Log what is wrong with the given certificate when it becomes so, and then once a day."""
        warning = self._given.warning(now) if self._given else ""
        if warning and (warning != self._warning or now - self._warned_at >= _WARN_AGAIN_AFTER):
            log.warning(warning)
            self._warned_at = now
        remarks = self._services.status.remarks.shown
        if self._warning in remarks:
            remarks.remove(self._warning)
        if warning:
            remarks.append(warning)
        self._warning = warning

    def _trusted_pem(self) -> str:
        return self._given.trusted_pem if self._given else self._services.core.authority.cert_pem

    def _user_listener(self, options: ServerOptions) -> Listener:
        context = self._given.context if self._given else self._tls.own_context
        return Listener(
            parse_address(options.listen),
            self._applications.for_users,
            context=None if options.is_plain else context,
            trusts_proxy=options.behind_proxy,
            socket_group=options.socket_group,
        )

    def _worker_listener(self, options: ServerOptions) -> Listener:
        return Listener(
            parse_address(options.worker_listen),
            self._applications.for_workers,
            context=self._tls.worker_context,
        )

    def _monitoring_listener(self, options: ServerOptions) -> Listener | None:
        if not options.metrics_listen:
            return None
        return Listener(
            parse_address(options.metrics_listen),
            self._applications.for_monitoring,
            socket_group=options.socket_group,
        )

    def _add_gauges(self, options: ServerOptions) -> None:
        metrics, streams = self._applications.metrics, self._applications.streams
        add = metrics.add_gauge
        add(
            "opsicle_user_connections",
            "Open connections of users.",
            lambda: self._users.open_connections,
        )
        add(
            "opsicle_worker_connections",
            "Open connections of workers.",
            lambda: self._workers.open_connections,
        )

        add("opsicle_event_streams", "Open event streams.", lambda: len(streams))
        add_gauges(metrics, self._services, options.data_dir, self._certificate_ends)

    def _certificate_ends(self) -> dict[str, float]:
        own, authority = self._tls.expires_at, self._services.core.authority.cert_pem
        return {
            "users": (self._given.expires_at if self._given else own).timestamp(),
            "workers": own.timestamp(),
            "authority": certificates.expires_at(authority).timestamp(),
        }


def _given_certificate(options: ServerOptions) -> GivenCertificate | None:
    if options.tls_cert is None or options.tls_key is None:
        return None
    return GivenCertificate(options.tls_cert, options.tls_key, TLS_VERSIONS[options.tls_min])

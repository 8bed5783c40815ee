"""The life of the server process: one order in which it starts, one in which it stops."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial

import gevent
from gevent.event import Event

from opsicle.domain.artifacts import MIB, ArtifactLimits
from opsicle.domain.errors import OpsicleError
from opsicle.kit import heap, service_manager
from opsicle.kit.clock import SteadyClock, SystemClock
from opsicle.kit.logging import configure
from opsicle.security.sealing import Seal
from opsicle.server import background, process_setup
from opsicle.server.addresses import Addresses
from opsicle.server.assembly import Services
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.automations.retention import RetentionPeriods
from opsicle.server.channels.egress_bounds import EgressBounds
from opsicle.server.core import Core
from opsicle.server.data_folder import DataFolder, ServerFile
from opsicle.server.dispatch.job_artifacts import ArtifactBounds
from opsicle.server.dispatch.job_logs import LogBounds
from opsicle.server.forwarding.options import ForwardingOptions
from opsicle.server.gated_turn import GatedTurn
from opsicle.server.http.wire.tls import TLS_VERSIONS, Tls
from opsicle.server.integrity import IntegrityCheck
from opsicle.server.last_backup import LateBackupRemark
from opsicle.server.listeners import Listeners
from opsicle.server.loop import Loop, WokenLoop
from opsicle.server.opening import Opening, OpenState, begin_epoch, open_keys, open_state
from opsicle.server.preflight import check_machine
from opsicle.server.quiet import QuietTurn
from opsicle.server.reloading import merged
from opsicle.server.settings import ServerOptions
from opsicle.server.store.log_database import LogDatabase
from opsicle.version import __version__

log = logging.getLogger(__name__)

FINISH_SECONDS = 7.0
"""How long requests under way may take to end once the server is told to stop. All of stopping
takes 10 s at most."""

_LOOP_SECONDS = 1.0
_RENEW_CERTIFICATES_EVERY_SECONDS = 60.0
_LOOK_AT_BACKUP_EVERY_SECONDS = 60.0
_MARK_STATE_EVERY_SECONDS = 5.0
_GIVE_BACK_MEMORY_EVERY_SECONDS = 20.0


class Lifecycle:
    """Starts everything, waits to be told to stop, stops everything."""

    def __init__(self, options: ServerOptions, reread: Callable[[], ServerOptions]) -> None:
        """Keep the options.

        `reread` gives them as they stand now, for SIGHUP; it may raise an OpsicleError.
        """
        self._options = options
        self._reread = reread
        self._on_hangup: Callable[[], None] = lambda: None
        self._clock = SteadyClock(SystemClock())
        self._stopping = Event()

    def run(self) -> None:
        """Serve until told to stop; see `main.run`."""
        options = self._options
        configure(is_verbose=options.is_verbose)
        process_setup.prepare()
        for number in (signal.SIGTERM, signal.SIGINT):
            gevent.signal_handler(number, self._stopping.set)
        gevent.signal_handler(signal.SIGHUP, self._hang_up)

        check_machine(options)
        opening = Opening(accept_restored=options.accept_restored, compact=options.compact)

        with (
            closing(DataFolder.open(options.data_dir)) as folder,
            open_state(folder, self._clock, process_setup.abort_on_failed_write, opening) as opened,
            closing(
                self._logs(folder, opened, remarks := ServerRemarks(opened.database, self._clock))
            ) as logs,
            closing(Services(self._core(folder, opened, logs, remarks))) as services,
        ):
            self._serve(folder, services, opened)
        log.info("server stopped")

    def _logs(self, folder: DataFolder, opened: OpenState, remarks: ServerRemarks) -> LogDatabase:
        return LogDatabase.open(
            folder.log_database,
            process_setup.abort_on_failed_write,
            self._clock.now,
            remarks.note_lost_logs,
            is_expected=opened.has_history,
        )

    def _core(
        self, folder: DataFolder, opened: OpenState, logs: LogDatabase, remarks: ServerRemarks
    ) -> Core:
        """Return everything that the services stand on.

        Raises Conflict for keys that are lost, or another server's.
        """
        state, options = opened.database, self._options
        accept_restored = options.accept_restored
        keys = open_keys(
            folder,
            state,
            self._clock,
            options.master_key_file,
            accept_restored=accept_restored,
        )

        return Core(
            state,
            logs,
            keys.authority,
            keys.audit,
            keys.order,
            keys.binding,
            self._clock,
            Seal(folder.identity_key()),
            keys.vault,
            remarks,
            folder.artifacts,
            folder.remove_setup_token,
            has_open_orgs=options.open_orgs,
            epoch=begin_epoch(opened, self._clock, accept_restored=accept_restored),
            egress_bounds=EgressBounds(options.allow_egress),
            log_bounds=LogBounds(options.job_log_mib * MIB, options.org_logs_mib * MIB),
            artifact_bounds=_artifact_bounds(options),
            forwarding=_forwarding(options),
            replica_folder=options.replica,
            ephemeral_silent_seconds=options.ephemeral_silent_seconds,
        )

    def _hang_up(self) -> None:
        self._on_hangup()

    def _serve(self, folder: DataFolder, services: Services, opened: OpenState) -> None:
        listeners = self._bind(folder, services)
        _recover(services)
        loops = self._loops(folder, services, opened, listeners)

        services.loop_lag.start()
        for loop in loops:
            loop.start()
        listeners.start()
        self._announce(folder, services)
        self._on_hangup = partial(self._reload, services, listeners)
        process_setup.collect_garbage_seldom()

        check = IntegrityCheck(folder.state_database, process_setup.abort_on_damage)
        if not opened.is_checked:
            check.start()

        self._stopping.wait()
        log.info("server stopping")
        service_manager.notify(service_manager.STOPPING)
        check.stop()
        listeners.stop(FINISH_SECONDS)
        for loop in loops:
            loop.stop(_LOOP_SECONDS)
        services.loop_lag.stop()

        services.log_tails.flush_last()
        services.audit_checkpoints.sign_all()
        opened.marker.write()

    def _bind(self, folder: DataFolder, services: Services) -> Listeners:
        """Take the ports, without serving yet, and note by which addresses the server is known."""
        options, now = self._options, self._clock.now()
        addresses = Addresses(options, socket.gethostname())
        tls = Tls(
            folder,
            services.core.authority,
            addresses.certificate_names,
            now,
            TLS_VERSIONS[options.tls_min],
        )
        listeners = Listeners(options, services, tls, now)

        urls = services.urls
        urls.url = addresses.url(listeners.user_port)
        urls.worker_url = addresses.worker_url(listeners.worker_port)
        urls.standby_worker_urls = options.standby_worker_urls
        return listeners

    def _loops(
        self, folder: DataFolder, services: Services, opened: OpenState, listeners: Listeners
    ) -> list[Loop | WokenLoop]:
        """Return the loops of the features, and those about the server itself."""
        backup = LateBackupRemark(folder.path, services.status.remarks.shown)
        backup.update(self._clock.now())

        return [
            *background.loops(services, lambda: _kept(self._options)),
            *background.woken_loops(services),
            Loop(
                "renew certificates",
                _RENEW_CERTIFICATES_EVERY_SECONDS,
                lambda _: listeners.renew(self._clock.now()),
            ),
            Loop(
                "look at the last backup",
                _LOOK_AT_BACKUP_EVERY_SECONDS,
                lambda _: backup.update(self._clock.now()),
            ),
            Loop(
                "mark state",
                _MARK_STATE_EVERY_SECONDS,
                GatedTurn(lambda _: opened.marker.write(), opened.database, self._clock),
            ),
            Loop(
                "give back memory",
                _GIVE_BACK_MEMORY_EVERY_SECONDS,
                QuietTurn(heap.give_back_unused, opened.database),
            ),
        ]

    def _reload(self, services: Services, listeners: Listeners) -> None:
        """Read certificates and settings anew; with settings that are wrong, go on as before."""
        service_manager.notify_reloading()
        try:
            new = self._reread()
            new.check()
        except OpsicleError as error:
            log.warning(
                "settings not taken up", extra={"reason": error.message, "hint": error.hint}
            )
        else:
            self._take(new, services)

        listeners.renew(self._clock.now())
        service_manager.notify(service_manager.READY)

    def _take(self, new: ServerOptions, services: Services) -> None:
        self._options, live, waiting = merged(self._options, new)
        configure(is_verbose=self._options.is_verbose)
        services.sessions.open_orgs(self._options.open_orgs)
        services.core.egress_bounds.networks = self._options.allow_egress
        services.urls.standby_worker_urls = self._options.standby_worker_urls
        log.info("settings read anew", extra={"changed": live, "take_a_restart": waiting})

    def _announce(self, folder: DataFolder, services: Services) -> None:
        """Tell programs, by `server.json`, and people, by standard output, where the server is."""
        url, worker_url = services.urls.url, services.urls.worker_url
        fingerprint = services.core.authority.fingerprint
        lines = [f"opsicle server ready  {url}  workers: {worker_url}"]

        token = services.server_setup.token(fingerprint, folder.setup_token())
        if token:
            folder.write_setup_token(token)
            lines.insert(0, f"Set this server up at {url}/setup#token={token}")
        else:
            folder.remove_setup_token()

        services.status.hold.on_changed = lambda: self._publish(folder, services)
        self._publish(folder, services)
        with suppress(OSError):  # nobody may be reading any more
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()

        service_manager.notify(service_manager.READY)
        log.info(
            "server ready", extra={"url": url, "worker_url": worker_url, "version": __version__}
        )

    @staticmethod
    def _publish(folder: DataFolder, services: Services) -> None:
        """Write `server.json`, now and whenever the queue is released."""
        folder.write_server_file(
            ServerFile(
                url=services.urls.url,
                worker_url=services.urls.worker_url,
                pid=os.getpid(),
                ca_fingerprint=services.core.authority.fingerprint,
                epoch=services.core.epoch.number,
                held=services.status.hold.is_held,
                version=__version__,
            )
        )


def _recover(services: Services) -> None:
    """Take up what the last life of the server has left unfinished, before anybody can ask."""
    services.log_tails.recover()
    services.jobs.recover()
    services.sender.recover()
    for forwarder in services.forwarders:
        forwarder.begin()


def _kept(options: ServerOptions) -> RetentionPeriods:
    return RetentionPeriods(
        logs=options.keep_logs,
        audit=options.keep_audit,
        automations=options.keep_automations,
        count=options.automation_retention_count,
    )


def _artifact_bounds(options: ServerOptions) -> ArtifactBounds:
    return ArtifactBounds(
        ArtifactLimits(options.artifact_mib * MIB, options.job_artifacts_mib * MIB),
        options.org_artifacts_mib * MIB,
        timedelta(days=options.artifact_retention_days),
    )


def _forwarding(options: ServerOptions) -> ForwardingOptions:
    return ForwardingOptions(options.collector, options.forward_syslog_ca, options.forward_file)

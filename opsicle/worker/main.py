"""The worker process: builds all its parts, and ends them in one order.

poller ──work──► jobs ──a thread each──► runner ──output──► spool ◄── log shipper ──► server
                   └── journal: before each step, what it is about to do
"""

from __future__ import annotations

import gc
import logging
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from opsicle.domain.errors import InvalidInput, OpsicleError
from opsicle.kit import core_dumps, signals, structs
from opsicle.kit.ids import new_id
from opsicle.wire.worker_api import LeaveReason
from opsicle.worker import cleanup
from opsicle.worker.allowance import Allowance, Stay
from opsicle.worker.audit_monitor import AuditMonitor
from opsicle.worker.connection import ServerConnection
from opsicle.worker.credentials import (
    EnrolmentInfo,
    Renewal,
    obtain_identity,
    require_way_in,
)
from opsicle.worker.events import IDLE, Event, Events, signals_to
from opsicle.worker.identity import Identity, WorkerDataFolder, storage_errors
from opsicle.worker.jobs import JobSupervisor
from opsicle.worker.journal import Journal
from opsicle.worker.kept_workspaces import DEFAULT_KEPT_MIB, KeptWorkspaces
from opsicle.worker.known_epoch import KnownEpoch
from opsicle.worker.leaving import is_from_server, leave
from opsicle.worker.poller import Poller, WorkerDescription
from opsicle.worker.private_files import remove_private_folder
from opsicle.worker.run_as import JobAccounts, find_accounts
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.protocol import Runtime
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.server_addresses import ServerAddresses
from opsicle.worker.spool import SpoolQuota
from opsicle.worker.verification import Verifier

log = logging.getLogger(__name__)

READY = "opsicle worker ready"
_SPOOL_BYTES_PER_JOB = 64 * 1024 * 1024
_SPOOL_BYTES = 1024 * 1024 * 1024
"""On disk, for all jobs together."""

_DRAIN_SECONDS = 3600.0
"""How long the first SIGTERM lets running jobs go on."""

_LONGEST_STAY_SECONDS = 365 * 86_400.0
"""For a job that came just when an idle ephemeral worker was about to leave."""

_CANCEL_SECONDS = 15.0
"""For jobs that are cancelled because the worker must end: TERM, 10 s, KILL, and a little to report
it."""

_FINAL_POLL_SECONDS = 3.0

_SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another wants it: at Python's 5 ms, the threads
of eight jobs stand in line for longer than their commands take."""

_COLLECT_AFTER = (5_000, 10, 10)
"""New objects until Python's collector looks at them. At its own 700 that was a fiftieth of what a
job costs, for the few cycles that a job leaves."""


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """What a worker is started with.

    `join` is needed only for a data folder without an identity. `server_urls` are tried in turn
    before those that the identity knows. `run_as` are users as whom jobs run (see
    `run_as.find_accounts`). `allowed_mounts` are folders, outside of workspaces, that containers
    may see. `kept_mib` is for all workspaces together that are kept for templates which say so.
    With `ephemeral_jobs` the worker leaves, and its identity ends, after so many jobs, or once it
    has been idle for `idle_seconds`.
    """

    data_folder: Path
    join: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    slots: int = 4
    server_urls: tuple[str, ...] = ()
    run_as: tuple[str, ...] = ()
    allowed_mounts: tuple[Path, ...] = ()
    kept_mib: int = DEFAULT_KEPT_MIB
    ephemeral_jobs: int | None = None
    idle_seconds: float = 300.0


def run(options: WorkerOptions, known: Sequence[Runtime] | None = None) -> None:
    """Enrol if need be, then work until SIGTERM or SIGINT.

    The first drains, a second one cancels what runs.

    Phases are run by those of the `known` runtimes (all, unless told otherwise) that are available.
    Prints `READY` on standard output when the server has answered the first poll. Raises an
    OpsicleError that tells what to do if the folder cannot be used, enrolment fails, or the server
    accepts this worker no more.
    """
    if not 1 <= options.slots <= 1000:
        raise InvalidInput(f"a worker cannot have {options.slots} slots", hint="Give it 1 to 1000.")

    core_dumps.leave_none()
    structs.make_ready()
    signals.restore_defaults()
    sys.setswitchinterval(_SWITCH_SECONDS)
    accounts = find_accounts(options.run_as)
    require_way_in(WorkerDataFolder(options.data_folder), options.join)
    folder = WorkerDataFolder.open(options.data_folder, lets_through=accounts.has_separate_users)

    try:
        accounts.check_reach(folder.workspaces)
        name = options.name or platform.node() or "worker"
        introduction = EnrolmentInfo(
            join=options.join,
            name=name,
            labels=options.labels,
            slots=options.slots,
            is_ephemeral=options.ephemeral_jobs is not None,
            server_urls=options.server_urls,
        )
        identity = obtain_identity(folder, introduction)
        runtimes = Runtimes(known_runtimes(options.allowed_mounts) if known is None else known)
        _log_runtimes(runtimes)
        WorkerProcess(options, folder, identity, accounts, runtimes).run()
    finally:
        folder.close()


def _log_runtimes(runtimes: Runtimes) -> None:
    """Say which phases this worker can run, and why not others."""
    log.info(
        "phases are run by",
        extra={"runtimes": list(runtimes.names), "limits_by": runtimes.limits_by},
    )
    for name, reason in runtimes.unavailable.items():
        log.warning("a runtime is not available", extra={"runtime": name, "reason": reason})


class WorkerProcess:
    """All parts of one worker, from start to end."""

    def __init__(
        self,
        options: WorkerOptions,
        folder: WorkerDataFolder,
        identity: Identity,
        accounts: JobAccounts,
        runtimes: Runtimes,
    ) -> None:
        self._events = Events()
        self._is_ready = False
        self._folder = folder
        self._leaves = options.ephemeral_jobs is not None

        with storage_errors(folder.path):
            self._journal = Journal(folder.journal)
            cleanup.remove(folder, {entry.job_id for entry in self._journal.open_jobs()})

        self._connection = ServerConnection(identity)
        quota = SpoolQuota(_SPOOL_BYTES_PER_JOB, _SPOOL_BYTES)
        verifier = self._verifier = Verifier(identity, options.labels)
        self._jobs = JobSupervisor(
            folder,
            self._connection,
            self._journal,
            verifier,
            quota,
            runtimes,
            self._events.put,
            self._wake,
        )
        boot_id = new_id(datetime.now(UTC))
        self._jobs.boot_id, executor = boot_id, self._jobs.executor
        executor.accounts = accounts
        self._kept = executor.kept = KeptWorkspaces(folder.kept, options.kept_mib * 1024 * 1024)
        allowance = self._jobs.allowance = Allowance(options.ephemeral_jobs)
        self._stay = Stay(allowance, self._jobs, options.idle_seconds)
        self._leaves_as: LeaveReason = "stopped"
        self._renewal = Renewal(folder, self._connection, identity)
        self._addresses = ServerAddresses(folder, self._connection)
        self._poller = self._new_poller(
            WorkerDescription(
                boot_id, options.labels, options.slots, runtimes.kinds, runtimes.limits_by
            )
        )

    def _new_poller(self, description: WorkerDescription) -> Poller:
        poller = Poller(
            description,
            self._connection,
            self._jobs,
            on_answered=self._answered,
            on_rejected=self._events.put,
            between_polls=self._between_polls,
        )
        poller.audit_monitor = AuditMonitor(self._folder.checkpoint)
        epoch = poller.epoch = KnownEpoch(self._folder.epoch)
        self._verifier.take_epoch = epoch.take
        poller.list_ran = self._journal.list_ran
        poller.on_granted = self._granted
        poller.on_told_urls = self._addresses.learn
        return poller

    def _between_polls(self) -> None:
        self._renewal.turn()
        self._kept.sweep_beside()

    def _bring_to_an_end(self) -> None:
        """Bring to an end what an earlier run left.

        Not in a copy of a folder whose worker lives, whose jobs those are.
        """
        if self._folder.living_original is None:
            self._kept.restore()
            self._jobs.resume()
            return
        log.error(
            "this data folder is a copy of one that another process works with: "
            "its jobs are left to that one",
            extra={"other_process": self._folder.living_original},
        )

    def run(self) -> None:
        """Work until told to stop. Raises the server's rejection, after the jobs were ended."""
        with signals_to(self._events):
            self._jobs.shipper.start()
            self._bring_to_an_end()
            self._poller.start()
            try:
                event = self._next_event() if self._leaves else self._next_word()
                rejection = (
                    event
                    if isinstance(event, OpsicleError)
                    else self._drain(_DRAIN_SECONDS if event else _LONGEST_STAY_SECONDS)
                )
                if rejection:
                    self._end_jobs(rejection)
                    if self._leaves and is_from_server(rejection):
                        self._folder.forget_identity()
                    self._leaves = False
                    raise rejection
            finally:
                self._stop()

    def _next_word(self) -> Event | None:
        """Wait for a signal, or for the server's rejection."""
        event = self._events.get(None)
        while event == IDLE:
            event = self._events.get(None)
        return event

    def _next_event(self) -> Event | None:
        """Wait likewise, or (None) until it is time for an ephemeral worker to leave."""
        while True:
            event = self._events.get(self._stay.seconds_to_wait)
            if event not in (IDLE, None):
                return event
            if reason := self._stay.reason_to_leave():
                self._leaves_as = reason
                return None

    def _drain(self, seconds: float) -> OpsicleError | None:
        """Let running jobs end and be reported, for so long at most or until a second signal.

        Returns the server's rejection if one comes meanwhile.
        """
        log.info("draining: no more jobs are taken", extra={"running": len(self._jobs.held())})
        self._poller.drain()
        self._jobs.drain()
        deadline = time.monotonic() + seconds

        while self._jobs.held():
            event = self._events.get(max(0.0, deadline - time.monotonic()))
            if isinstance(event, OpsicleError):
                return event
            if event != IDLE:
                log.warning("the jobs that still run are cancelled")
                self._jobs.cancel_all()
                self._jobs.wait_until_idle(_CANCEL_SECONDS)
                break

        return None

    def _end_jobs(self, rejection: OpsicleError) -> None:
        self._jobs.drop_all(rejection.message)
        self._jobs.wait_until_idle(_CANCEL_SECONDS)

    def _stop(self) -> None:
        self._poller.stop(_FINAL_POLL_SECONDS)
        self._jobs.end()
        self._jobs.wait_until_idle(_FINAL_POLL_SECONDS)
        self._jobs.shipper.stop(_FINAL_POLL_SECONDS)
        if self._leaves:
            self._leave()
        self._connection.close()
        self._journal.close()
        remove_private_folder(self._jobs.executor.private_folder)

    def _leave(self) -> None:
        """End this worker's identity, if it holds nothing that the server has yet to hear of.

        Where the server cannot be told, it ends a worker that is silent for long.
        """
        if self._jobs.held() or self._jobs.paused() or self._folder.load_identity() is None:
            return
        leave(self._connection, self._leaves_as)
        self._folder.forget_identity()

    def _answered(self, log_interval: float) -> None:
        self._jobs.shipper.interval = log_interval
        self._jobs.was_answered.set()
        self._addresses.keep_current()
        if not self._is_ready:
            self._is_ready = True
            # What has lived until now lives until the end: it need not be looked at again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT_AFTER)
            sys.stdout.write(f"{READY}\n")
            sys.stdout.flush()

    def _granted(self, labels: Mapping[str, str]) -> None:
        """Keep the labels that the server grants this worker beyond its own."""
        self._verifier.granted = labels
        log.info("labels granted by the server", extra={"labels": dict(labels)})

    def _wake(self) -> None:
        self._events.put(IDLE)

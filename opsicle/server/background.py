"""What a server does by itself, again and again: one line for each loop.

What starts automations has a loop that is woken, and one that looks once a second in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from opsicle.server.assembly import Services
from opsicle.server.automations.repeated_requests import forget_requests
from opsicle.server.automations.retention import Retention, RetentionPeriods
from opsicle.server.forwarding.forwarder import Forwarder
from opsicle.server.gated_turn import GatedTurn
from opsicle.server.loop import Loop, WokenLoop
from opsicle.server.replica_watch import ReplicaWatch
from opsicle.server.store import approvals, run_windows, schedules
from opsicle.server.store.database import Connection
from opsicle.server.store.wakeups import WakeupKind

_EXPIRE_LEASES_EVERY_SECONDS = 1.0
_KEEP_TIME_EVERY_SECONDS = 1.0
_FORGET_REQUESTS_EVERY_SECONDS = 3600.0
_DROP_LOGS_EVERY_SECONDS = 10.0
_FLUSH_LOG_TAILS_EVERY_SECONDS = 2.0
_PRUNE_LOGS_EVERY_SECONDS = 3600.0
_PRUNE_ARTIFACTS_EVERY_SECONDS = 3600.0
_SIGN_AUDIT_EVERY_SECONDS = 5.0
_LISTEN_EVERY_SECONDS = 2.0
_DELIVER_EVERY_SECONDS = 1.0
_PRUNE_AUDIT_EVERY_SECONDS = 3600.0
_REFRESH_QUEUE_EVERY_SECONDS = 60.0
_REMOVE_ORGS_EVERY_SECONDS = 30.0
_START_SCHEDULES_EVERY_SECONDS = 1.0
_START_CHAINS_EVERY_SECONDS = 1.0
_RUN_CALLS_EVERY_SECONDS = 1.0
_PRUNE_AUTOMATIONS_EVERY_SECONDS = 3600.0
_FORWARD_EVERY_SECONDS = 1.0
_END_SILENT_EVERY_SECONDS = 10.0
_LOOK_AT_REPLICA_EVERY_SECONDS = 5.0
_STEADY_SECONDS = 86400.0


def loops(services: Services, keep: Callable[[], RetentionPeriods]) -> list[Loop]:
    """Return the loops that run in the background; `keep` is asked anew at each pruning."""
    return [
        *_starting_loops(services),
        *_fleet_loops(services),
        *_sending_loops(services),
        *_pruning_loops(services, keep),
    ]


def _starting_loops(services: Services) -> list[Loop]:
    """Return the loops by which automations begin when their time has come."""
    gated = partial(_gated, services)
    return [
        # An approval's time is the people's, and goes on without the server; that of leases is
        # not.
        Loop(
            "keep time of approvals",
            _KEEP_TIME_EVERY_SECONDS,
            gated(lambda _: services.approvals.keep_time(), approvals.find_due_at),
        ),
        Loop(
            "start schedules",
            _START_SCHEDULES_EVERY_SECONDS,
            gated(lambda _: services.schedule_starts.turn(), schedules.find_due_at),
        ),
        Loop("run calls", _RUN_CALLS_EVERY_SECONDS, gated(lambda _: services.call_starts.turn())),
        Loop(
            "run on machines", _RUN_CALLS_EVERY_SECONDS, gated(lambda _: services.fan_outs.turn())
        ),
        Loop(
            "keep run windows",
            _KEEP_TIME_EVERY_SECONDS,
            gated(lambda _: services.run_windows.turn(), run_windows.find_due_at),
        ),
        Loop(
            "start chains",
            _START_CHAINS_EVERY_SECONDS,
            gated(lambda _: services.chain_starts.turn()),
        ),
    ]


def _fleet_loops(services: Services) -> list[Loop]:
    """Return the loops that look after workers, what they run, and the queue."""
    return [
        Loop("expire leases", _EXPIRE_LEASES_EVERY_SECONDS, services.jobs.check_leases),
        Loop(
            "end silent workers", _END_SILENT_EVERY_SECONDS, services.ephemeral_workers.end_silent
        ),
        Loop(
            "refresh queue", _REFRESH_QUEUE_EVERY_SECONDS, lambda _: services.jobs.refresh_queue()
        ),
        Loop(
            "flush log tails", _FLUSH_LOG_TAILS_EVERY_SECONDS, lambda _: services.log_tails.flush()
        ),
    ]


def _sending_loops(services: Services) -> list[Loop]:
    """Return the loops that tell people, and other machines, what has happened."""
    gated = partial(_gated, services)
    return [
        Loop(
            "sign audit",
            _SIGN_AUDIT_EVERY_SECONDS,
            gated(lambda _: services.audit_checkpoints.sign_due()),
        ),
        Loop("listen", _LISTEN_EVERY_SECONDS, gated(lambda _: services.chat_listeners.turn())),
        Loop("deliver", _DELIVER_EVERY_SECONDS, gated(services.delivery.turn)),
        *(
            Loop(
                f"forward to {forwarder.destination.name}",
                _FORWARD_EVERY_SECONDS,
                _turn_of(forwarder),
            )
            for forwarder in services.forwarders
        ),
        *(
            Loop("look at the replica", _LOOK_AT_REPLICA_EVERY_SECONDS, _turn_of(replica))
            for replica in (services.replica,)
            if replica
        ),
    ]


def _pruning_loops(services: Services, keep: Callable[[], RetentionPeriods]) -> list[Loop]:
    """Return the loops that remove what is old."""
    steady = partial(_if_steady, services)
    retention = Retention(services.core.state, services.job_logs, services.core.clock)
    return [
        Loop(
            "forget requests",
            _FORGET_REQUESTS_EVERY_SECONDS,
            steady(partial(forget_requests, services.core.state, services.core.clock)),
        ),
        Loop("drop logs", _DROP_LOGS_EVERY_SECONDS, steady(services.log_retention.shrink)),
        Loop(
            "prune logs",
            _PRUNE_LOGS_EVERY_SECONDS,
            steady(lambda: services.log_retention.prune(keep().logs)),
        ),
        Loop("remove orgs", _REMOVE_ORGS_EVERY_SECONDS, steady(services.org_removal.turn)),
        Loop("expire uploads", _PRUNE_ARTIFACTS_EVERY_SECONDS, steady(services.files.expire)),
        Loop(
            "prune artifacts",
            _PRUNE_ARTIFACTS_EVERY_SECONDS,
            steady(services.job_artifacts.prune),
        ),
        Loop(
            "prune deliveries",
            _PRUNE_LOGS_EVERY_SECONDS,
            steady(lambda: services.sender.prune(keep().logs)),
        ),
        Loop(
            "prune automations",
            _PRUNE_AUTOMATIONS_EVERY_SECONDS,
            steady(lambda: retention.prune(keep())),
        ),
        Loop(
            "prune audit",
            _PRUNE_AUDIT_EVERY_SECONDS,
            steady(lambda: _prune_audit(services, keep().audit)),
        ),
    ]


def woken_loops(services: Services) -> list[WokenLoop]:
    """Return the loops that take a turn as soon as there is something to start; called once."""
    loops = {
        WakeupKind.FAN_OUT: WokenLoop("step on machines", services.fan_outs.step),
        WakeupKind.CALL: WokenLoop("step calls", lambda _: services.call_starts.turn()),
        WakeupKind.CHAIN: WokenLoop("step chains", lambda _: services.chain_starts.turn()),
    }
    services.core.state.listen(lambda kind, key: loops[kind].wake(key))
    return [*loops.values()]


def _gated(
    services: Services,
    turn: Callable[[float], object],
    find_due_at: Callable[[Connection], str | None] = lambda _: None,
) -> GatedTurn:
    return GatedTurn(turn, services.core.state, services.core.clock, find_due_at)


def _turn_of(service: Forwarder | ReplicaWatch) -> Callable[[float], None]:
    return lambda _: service.turn()


def _prune_audit(services: Services, keep: timedelta | None) -> None:
    if keep is not None:
        services.audit_checkpoints.prune(keep)
    services.audit_checkpoints.thinning.thin()


def _if_steady(services: Services, turn: Callable[[], object]) -> Callable[[float], object]:
    """Return a turn that removes what is old.

    It removes nothing by a clock that was set within the last day.
    """
    return lambda _: turn() if services.core.clock.is_steady_since(_STEADY_SECONDS) else None

"""What `/metrics` shows beside requests, such as automations, deliveries and disk space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from opsicle.server.assembly import Services
from opsicle.server.data_folder import LAST_BACKUP
from opsicle.server.figures import Figures
from opsicle.server.http.metrics import Metrics
from opsicle.server.last_backup import made_at

_DATABASES = ("opsicle.db", "opsicle.db-wal", "logs.db", "logs.db-wal")


def add_gauges(
    metrics: Metrics,
    services: Services,
    folder: Path,
    certificates: Callable[[], Mapping[str, float]],
) -> None:
    """Add the figures of these services and this data folder.

    `certificates` says when each ends, in Unix time.
    """
    metrics.add_gauge(
        "opsicle_connected_workers", "Workers that are connected.", services.fleet.connected_count
    )
    metrics.add_gauge(
        "opsicle_loop_lag_seconds",
        "How long the event loop was held up at most since this was asked last.",
        services.loop_lag.take,
    )

    metrics.add_gauges(
        "opsicle_certificate_expiry_seconds",
        "When a certificate ends, in Unix time.",
        "certificate",
        certificates,
    )
    _add_automations(metrics, services.figures)
    _add_copies(metrics, services, folder)


def _add_automations(metrics: Metrics, figures: Figures) -> None:
    """Add what waits, runs and has ended, and what goes out of it."""
    add = metrics.add_gauges
    add(
        "opsicle_open_automations",
        "Automations that are not over yet.",
        "state",
        figures.open_automations,
    )
    add(
        "opsicle_queued_automations",
        "Automations that wait for a worker, and why.",
        "reason",
        figures.queue,
    )
    metrics.add_table(
        "opsicle_waiting_automations",
        "Automations that one more worker with these labels could take.",
        ("org", "labels"),
        figures.waiting,
    )
    metrics.add_counters(
        "opsicle_ended_automations",
        "Automations that ended since the server started.",
        "state",
        lambda: figures.ended,
    )
    add(
        "opsicle_deliveries",
        "Messages through channels that are kept.",
        "state",
        figures.deliveries,
    )


def _add_copies(metrics: Metrics, services: Services, folder: Path) -> None:
    """Add how large the state is, and how much of it stands elsewhere too."""
    add = metrics.add_gauges
    forwarders = {each.destination.name: each for each in services.forwarders}
    add(
        "opsicle_forwarding_waiting_entries",
        "Entries of the record that a destination is not known to have.",
        "destination",
        lambda: {name: float(each.backlog().entries) for name, each in forwarders.items()},
    )
    add(
        "opsicle_forwarding_lag_seconds",
        "How old the oldest of those entries is.",
        "destination",
        lambda: {name: each.lag_seconds() for name, each in forwarders.items()},
    )

    add("opsicle_database_bytes", "Size of the database files.", "file", lambda: _sizes(folder))
    add(
        "opsicle_last_backup_seconds",
        f"When {LAST_BACKUP} in the data folder was touched last, in Unix time; absent if never.",
        "",
        lambda: _last_backup(folder),
    )
    if replica := services.replica:
        add(
            "opsicle_replica_lag_seconds",
            "For how long the replica of a database has lacked something; 0 if it lacks nothing.",
            "database",
            replica.lag_seconds,
        )


def _sizes(folder: Path) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for name in _DATABASES:
        with suppress(OSError):
            sizes[name] = float((folder / name).stat().st_size)
    return sizes


def _last_backup(folder: Path) -> dict[str, float]:
    at = made_at(folder)
    return {} if at is None else {"": at}

"""Lists, filters, inbox and dispatch after a million ended automations, beside after a thousand."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from bench import history_generator, systems
from bench.figures import Figure
from bench.latency import start_percentile_ms
from tests.product import Installation
from tests.thin_api import Api

FEW, MANY = 1_000, 1_000_000
CALLS = 100
STARTS = 5
MOST = 1.5

_LIST = "/api/v1/automations?limit=50"
PATHS = {
    "list": _LIST,
    "filter by state": f"{_LIST}&state=failed",
    "filter by a rare state": f"{_LIST}&state=expired",
    "filter by template": f"{_LIST}&template=past-7",
    "filter by template and state": f"{_LIST}&template=past-7&state=cancelled",
    "inbox": "/api/v1/approvals?state=pending",
    "approvals": "/api/v1/approvals?limit=50",
    "record": "/api/v1/audit?limit=50",
}


@dataclass(frozen=True)
class _Measured:
    """What one history has cost: milliseconds at the 99th percentile by what was asked."""

    p99_ms: dict[str, float]
    ready_seconds: float


def histories(folder: Path) -> list[Figure]:
    """Measure with a thousand ended automations, then with a million."""
    few, many = _measure(folder / "few", FEW), _measure(folder / "many", MANY)
    figures = [
        Figure(
            f"{name}, p99, {MANY:,} behind",
            many.p99_ms[name],
            MOST * before,
            "ms",
            f"{MOST} × that with {FEW:,}",
        )
        for name, before in few.p99_ms.items()
    ]
    ready = Figure(
        "ready", many.ready_seconds, MOST * few.ready_seconds, "s", f"{MOST} × that with {FEW:,}"
    )
    return [*figures, ready]


def _measure(folder: Path, count: int) -> _Measured:
    with systems.product(folder, 4) as (installation, system):
        installation.server.process.stop()
        history_generator.fill(installation.server.folder / "data/opsicle.db", count)
        ready = statistics.median(_ready_seconds(installation) for _ in range(STARTS))
        api = Api(system.access)
        p99 = {name: _call_percentile_ms(api, path) for name, path in PATHS.items()}
        return _Measured({**p99, "trigger → starts": start_percentile_ms(api, CALLS, 99)}, ready)


def _ready_seconds(installation: Installation) -> float:
    """Return the seconds from the start of a server to its ready line."""
    installation.server.process.stop()
    began = time.perf_counter()
    installation.server.start()
    return time.perf_counter() - began


def _call_percentile_ms(api: Api, path: str) -> float:
    api.reconnects()
    return statistics.quantiles([_call_ms(api, path) for _ in range(CALLS)], n=100)[98]


def _call_ms(api: Api, path: str) -> float:
    began = time.perf_counter()
    api.request("GET", path)
    return (time.perf_counter() - began) * 1000

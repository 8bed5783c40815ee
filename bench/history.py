"""Lists, filters, inbox and dispatch after a million ended automations, beside after a thousand.

Each list is asked for no more than the thousand fill, so that both answer with as many rows: to
read, describe and send a page of fifty takes three times as long as one of five, whatever lies
behind it. Of the thousand, 19 have failed, 9 of these of one template.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import history_generator, systems
from bench.figures import Figure
from bench.latency import WARM_UP, times_of_one
from tests.product import Installation
from tests.thin_api import Api

FEW, MANY = 1_000, 1_000_000
CALLS, TRIGGERS = 1_000, 300
STARTS = 5
MOST = 1.5

_LIST = "/api/v1/automations?limit=50"
PATHS = {
    "list": _LIST,
    "filter by state": "/api/v1/automations?limit=19&state=failed",
    "filter by a rare state": f"{_LIST}&state=expired",
    "filter by template": f"{_LIST}&template=past-7",
    "filter by template and state": "/api/v1/automations?limit=9&template=past-11&state=failed",
    "filter by template and a rare state": f"{_LIST}&template=past-7&state=timed_out",
    "inbox": "/api/v1/approvals?state=pending",
    "approvals": "/api/v1/approvals?limit=50",
    "record": "/api/v1/audit?limit=50",
}


@dataclass(frozen=True)
class _Filled:
    """A running server with so many ended automations."""

    api: Api
    ready_seconds: float


def histories(folder: Path) -> list[Figure]:
    """Measure with a thousand ended automations and with a million in turn, call by call.

    So what else the machine does touches both alike.
    """
    with _filled(folder / "few", FEW) as few, _filled(folder / "many", MANY) as many:
        both = [few.api, many.api]
        figures = [
            _figure(name, *_percentiles(partial(_call_ms, path=path), both, CALLS))
            for name, path in PATHS.items()
        ]
        figures.append(_figure("trigger → starts", *_percentiles(_start_ms, both, TRIGGERS)))
        most = MOST * few.ready_seconds
        ready = Figure("ready", many.ready_seconds, most, "s", f"{MOST} × that with {FEW:,}")

    return [*figures, ready]


def _figure(name: str, few_ms: float, many_ms: float) -> Figure:
    return Figure(
        f"{name}, p99, {MANY:,} behind", many_ms, MOST * few_ms, "ms", f"{MOST} × that with {FEW:,}"
    )


@contextmanager
def _filled(folder: Path, count: int) -> Iterator[_Filled]:
    with systems.product(folder, 4) as (installation, system):
        installation.server.process.stop()
        history_generator.fill(installation.server.folder / "data/opsicle.db", count)
        ready = statistics.median(_ready_seconds(installation) for _ in range(STARTS))
        yield _Filled(Api(system.access), ready)


def _ready_seconds(installation: Installation) -> float:
    """Return the seconds from the start of a server to its ready line."""
    installation.server.process.stop()
    began = time.perf_counter()
    installation.server.start()
    return time.perf_counter() - began


def _percentiles(measure: Callable[[Api], float], apis: list[Api], count: int) -> list[float]:
    """Return the 99th percentile for each, of `count` measurements after some that do not count."""
    for api in apis:
        api.reconnects()

    taken = [[measure(api) for api in apis] for _ in range(WARM_UP + count)][WARM_UP:]
    return [statistics.quantiles(of_one, n=100)[98] for of_one in zip(*taken, strict=True)]


def _call_ms(api: Api, path: str) -> float:
    began = time.perf_counter()
    api.request("GET", path)
    return (time.perf_counter() - began) * 1000


def _start_ms(api: Api) -> float:
    return times_of_one(api, "stamp").started * 1000

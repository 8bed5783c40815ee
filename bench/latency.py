"""From the trigger to the first command, and to the end that a follower sees, on an idle system."""

from __future__ import annotations

import random
import statistics
import time
from typing import NamedTuple

from bench import floors
from bench.figures import Figure
from bench.systems import System
from tests.thin_api import Api

RUNS = 100
WARM_UP = 10
LONGEST_GAP_SECONDS = 0.5
"""Between two triggers, at random, so that no rhythm of the server's is met or missed each time."""


class Times(NamedTuple):
    """Seconds from the trigger of one automation."""

    started: float
    ended: float


def latencies(product: System, prototype: System) -> list[Figure]:
    """Measure both in turn, so that what else the machine does touches both alike."""
    ours, bare = _measure([product, prototype])
    start = floors.median_ms([t.started for t in ours])
    p99 = floors.p99_ms([t.started for t in ours])
    end = floors.median_ms([t.ended for t in ours])

    bare_start = floors.median_ms([t.started for t in bare])
    bare_end = floors.median_ms([t.ended for t in bare])
    fork = floors.median_ms(floors.forks())
    beside = f"prototype {bare_start:.2f} ms, bare fork+exec of sh {fork:.2f} ms"

    return [
        Figure("trigger → command starts, p50", start, 1.5 * bare_start, "ms", f"1.5 × {beside}"),
        Figure(
            "trigger → command starts, p99", p99, 3 * bare_start, "ms", "3 × p50 of the prototype"
        ),
        Figure(
            "trigger → end seen, p50",
            end,
            1.3 * bare_end,
            "ms",
            f"1.3 × prototype {bare_end:.2f} ms",
        ),
    ]


def _measure(systems: list[System]) -> list[list[Times]]:
    apis = [Api(system.access) for system in systems]
    found: list[list[Times]] = [[] for _ in systems]

    for number in range(WARM_UP + RUNS):
        for api, system, times in zip(apis, systems, found, strict=True):
            time.sleep(random.uniform(0, LONGEST_GAP_SECONDS) if number >= WARM_UP else 0)
            taken = times_of_one(api, system.templates["stamp"])
            if number >= WARM_UP:
                times.append(taken)

    return found


def times_of_one(api: Api, template: str) -> Times:
    """Trigger an automation whose first command prints the time, and follow it to its end."""
    sent = time.time()
    automation_id = api.run(template)
    api.wait_final(automation_id)
    ended = time.time()
    return Times(
        int(api.request("GET", f"/api/v1/automations/{automation_id}/log")) / 1e9 - sent,
        ended - sent,
    )


def start_percentile_ms(api: Api, runs: int, percent: int) -> float:
    """Return the milliseconds from trigger to first command, at a percentile of so many runs."""
    taken = [times_of_one(api, "stamp").started for _ in range(WARM_UP + runs)][WARM_UP:]
    return statistics.quantiles(taken, n=100)[percent - 1] * 1000

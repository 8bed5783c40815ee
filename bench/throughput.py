"""No-op automations a second, and what one of them costs."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import systems
from bench.figures import Figure, cpu_seconds
from bench.systems import System
from tests.support import wait_until
from tests.thin_api import Access, Api

RUNS = 1_000
CLIENTS = 4
ROUNDS = 3
"""The best of so many counts: this machine is shared."""

LEAST_SHARE = 0.75
MOST_CPU_MS = 6.0
"""Of server and worker together for one job; bare prototypes took 3.9 ms when the aim was set."""


@dataclass(frozen=True)
class Rate:
    """Automations a second, and the milliseconds of processor time that each took.

    The time is that of server and worker together.
    """

    per_second: float
    cpu_ms: float


def throughputs(folder: Path) -> list[Figure]:
    """Measure with four slots and with eight, product and prototype in turn."""
    found: list[Figure] = []
    for slots in (4, 8):
        with (
            systems.product(folder / f"product-{slots}", slots) as (_, product),
            systems.prototype(folder / f"prototype-{slots}", slots) as prototype,
        ):
            pairs = [(measure(product), measure(prototype)) for _ in range(ROUNDS)]

        ours = max((pair[0] for pair in pairs), key=lambda rate: rate.per_second)
        bare = max((pair[1] for pair in pairs), key=lambda rate: rate.per_second)
        how = f"{LEAST_SHARE} × prototype ({bare.per_second:.0f}/s, {bare.cpu_ms:.1f} ms CPU each)"

        least = LEAST_SHARE * bare.per_second
        name = f"no-op automations, {slots} slots"
        found.append(Figure(name, ours.per_second, least, "/s", how, is_floor=True))
        found.append(
            Figure(f"{name}, CPU of one", ours.cpu_ms, MOST_CPU_MS, "ms", "server and worker")
        )
    return found


def measure(system: System, name: str = "nothing") -> Rate:
    """Measure from the first trigger, four clients at once, until all have succeeded."""
    template = system.templates[name]
    with multiprocessing.get_context("spawn").Pool(CLIENTS) as pool:
        pool.starmap(_trigger, [(system.access, template, 5)] * CLIENTS)
        _wait_all(system, template)

        began, cpu = time.perf_counter(), cpu_seconds(*system.pids)
        pool.starmap(_trigger, [(system.access, template, RUNS // CLIENTS)] * CLIENTS)
        _wait_all(system, template)
        seconds = time.perf_counter() - began

        return Rate(RUNS / seconds, (cpu_seconds(*system.pids) - cpu) / RUNS * 1000)


def warm_up(access: Access) -> None:
    """Let a process of a pool load what it needs, and the server who it speaks for."""
    Api(access).json("GET", "/api/v1/whoami")


def _trigger(access: Access, template: str, count: int) -> None:
    api = Api(access)
    for _ in range(count):
        api.run(template)


def _wait_all(system: System, template: str) -> None:
    """Wait until none of this template waits or runs any more. Raise if one has failed."""
    api = Api(system.access)
    wait_ended(api, template)
    for state in ("failed", "unknown", "cancelled"):
        if _count(api, template, state):
            raise RuntimeError(f"an automation is {state}")


def wait_ended(api: Api, template: str) -> None:
    """Wait until none of this template waits or runs.

    It asks seldom, because asking costs the server time.
    """
    for state in ("queued", "running"):
        wait_until(
            partial(_is_over, api, template, state),
            600,
            f"no {state} automation",
            lambda _: time.sleep(0.05),
        )


def _is_over(api: Api, template: str, state: str) -> bool:
    return not _count(api, template, state)


def _count(api: Api, template: str, state: str) -> int:
    return len(
        api.json("GET", f"/api/v1/automations?template={template}&state={state}&limit=1")["items"]
    )

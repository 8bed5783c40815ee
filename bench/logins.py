"""How quickly work is handed out while people log in, beside how quickly on an idle server."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench.figures import Figure
from bench.latency import start_percentile_ms
from tests.thin_api import Access, Api

RUNS = 60
LOGINS_PER_SECOND = 20
LEAST_SERVED = 19.0
THREADS = 8
"""Connections that log in, in one process: enough that a slow answer delays no other login."""


@dataclass(frozen=True)
class Person:
    """Who logs in, and where."""

    access: Access
    email: str
    password: str


def dispatch_under_logins(access: Access, person: Person) -> list[Figure]:
    """Measure from trigger to first command (p95), with twenty right passwords a second beside it.

    Logins are open: they are sent at their pace whether or not the ones before have been answered.
    That as many are *served* is a figure of its own, so that a server cannot win by serving fewer.
    """
    api = Api(access)

    idle = start_percentile_ms(api, RUNS, 95)
    with _logins(person) as served:
        busy = start_percentile_ms(api, RUNS, 95)

    return [
        Figure(
            "trigger → starts, p95, with logins", busy, 2 * idle, "ms", f"2 × idle ({idle:.1f} ms)"
        ),
        Figure(
            "logins served meanwhile", served[0], LEAST_SERVED, "/s", "of 20 asked", is_floor=True
        ),
    ]


@contextmanager
def _logins(person: Person) -> Iterator[list[float]]:
    """Let people log in meanwhile; afterwards the list holds how many a second were let in."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_log_in, args=(person, theirs))
    child.start()
    ours.recv()  # its first logins have been answered

    rates: list[float] = []
    try:
        yield rates
    finally:
        ours.send("stop")
        rates.append(ours.recv())
        child.join()


def _log_in(person: Person, end: Connection) -> None:
    """Log in at an even pace until told to stop, then say how many a second were served."""
    apis = [Api(person.access) for _ in range(THREADS)]
    body = {"email": person.email, "password": person.password}
    for api in apis:
        api.json("POST", "/api/v1/login", body)

    stopping = threading.Event()
    end.send("ready")
    began = time.monotonic()

    with ThreadPoolExecutor(THREADS) as pool:
        counts = [
            pool.submit(_keep_pace, api, body, n, began, stopping) for n, api in enumerate(apis)
        ]
        end.recv()
        stopping.set()
        served = sum(count.result() for count in counts)

    end.send(served / (time.monotonic() - began))


def _keep_pace(
    api: Api, body: dict[str, str], number: int, began: float, stopping: threading.Event
) -> int:
    """Log in as often as is one connection's share; return how many logins were served."""
    served = 0
    every = THREADS / LOGINS_PER_SECOND

    def pause() -> float:
        return max(0.0, began + (served + number / THREADS) * every - time.monotonic())

    while not stopping.wait(pause()):
        api.json("POST", "/api/v1/login", body)
        served += 1

    return served

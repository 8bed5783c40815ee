"""How quickly work is handed out while people log in, beside how quickly it is on an idle server."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from bench import floors
from bench.figures import WARM_UP, Figure, start_seconds
from tests.thin_api import Access, Api

RUNS = 60
LOGINS_PER_SECOND = 20
PROCESSES = 2


@dataclass(frozen=True)
class Person:
    """Who logs in, and where."""

    access: Access
    email: str
    password: str


def dispatch_under_logins(api: Api, person: Person) -> list[Figure]:
    """Trigger to the first command at the 95th percentile, with twenty right passwords a second beside it."""
    idle = floors.p95_ms(_starts(api))
    with _logins(person) as seen:
        busy = floors.p95_ms(_starts(api))
    rate = f"{seen[0]:.1f} logins/s answered of {LOGINS_PER_SECOND} asked"
    how = f"2 × idle ({idle:.1f} ms); {rate}"
    return [Figure("trigger → command started, p95, logins", busy, 2 * idle, "ms", how)]


def _starts(api: Api) -> list[float]:
    return [start_seconds(api) for _ in range(WARM_UP + RUNS)][WARM_UP:]


@contextmanager
def _logins(person: Person) -> Iterator[list[float]]:
    """People log in meanwhile; afterwards the list holds how many a second were let in."""
    context = multiprocessing.get_context("spawn")
    ends, children, rates = [], [], []
    for _ in range(PROCESSES):
        ours, theirs = context.Pipe()
        child = context.Process(target=_log_in, args=(person, theirs))
        child.start()
        ends.append(ours)
        children.append(child)
    for end in ends:
        end.recv()  # its first login has been answered
    try:
        yield rates
    finally:
        for end in ends:
            end.send("stop")
        rates.append(sum(end.recv() for end in ends))
        for child in children:
            child.join()


def _log_in(person: Person, end: Connection) -> None:
    """Log in at an even pace until told to stop, then say how many a second it was."""
    api = Api(person.access)
    body = {"email": person.email, "password": person.password}
    api.json("POST", "/api/v1/login", body)
    end.send("ready")
    began, count = time.monotonic(), 0
    while not end.poll(max(0.0, began + count * PROCESSES / LOGINS_PER_SECOND - time.monotonic())):
        api.json("POST", "/api/v1/login", body)
        count += 1
    end.send(count / (time.monotonic() - began))

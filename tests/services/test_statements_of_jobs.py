"""How many statements an automation that does nothing costs, from its trigger to its end.

A feature that some orgs use must cost the others none: what it asks is joined to what is asked
anyhow, or known in memory. Whoever has to raise a number here says in the commit what for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import apsw

from opsicle.server.access.actor import Actor
from tests.services.core import Core

_TRANSACTION = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT", "ROLLBACK")
"""Left out: how many units of work share a commit is another matter."""


@contextmanager
def counted(core: Core) -> Iterator[Counter[str]]:
    """Count what both connections of the loop run meanwhile, and what triggers run of their own."""
    counts: Counter[str] = Counter()

    def note(event: dict[str, object]) -> None:
        sql = str(event["sql"])
        if not event["trigger"]:
            counts["statements"] += not sql.startswith(_TRANSACTION)
        elif not sql.startswith("TRIGGER "):
            counts["of triggers"] += 1

    connections = (core.database._writer, core.database._reader)
    for connection in connections:
        connection.trace_v2(apsw.SQLITE_TRACE_STMT, note)
    try:
        yield counts
    finally:
        for connection in connections:
            connection.trace_v2(0)


def cost(core: Core, call: Callable[[], object]) -> tuple[int, int]:
    """Return how many statements a call runs, and how many its triggers do."""
    with counted(core) as counts:
        call()
    return counts["statements"], counts["of triggers"]


def test_an_automation_that_a_worker_waits_for_costs_no_statement_more(
    core: Core, alice: Actor
) -> None:
    core.run(alice)  # the first of its hour
    worker = core.worker(alice.org_id, "w1", slots=2)
    worker.poll()
    poll = worker.poll_in_background()

    triggered = cost(core, partial(core.run, alice))
    (work,) = poll.get(timeout=60).work
    started = cost(core, partial(worker.start, work))
    finished = cost(core, partial(worker.finish_for_more, work))

    assert triggered == (13, 2)  # the triggers count how large the org is
    assert started == (5, 0)
    assert finished == (11, 1)


def test_an_automation_that_waits_in_the_queue_costs_no_statement_more(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    (first,) = worker.poll().work
    worker.start(first)

    triggered = cost(core, partial(core.run, alice))
    finished = cost(core, partial(worker.finish_for_more, first))

    assert len(worker.held) == 1
    assert triggered == (10, 3)  # and note that it waits
    assert finished == (22, 1)  # with the lease of the next one

"""What one search may take of a server, whatever a job has printed."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from opsicle.domain.patterns import SearchPattern
from opsicle.server.access.actor import Actor
from opsicle.server.logs.search import (
    LogSearch,
    SearchBudget,
    Searched,
    SearchPosition,
    SoughtLines,
)
from opsicle.wire.worker_api import LogRequest
from tests.services.core import Core

LINES = 32 * 1024
MOST_BYTES = 4 * 1024 * 1024


@pytest.mark.parametrize("counts_on", [False, True])
def test_a_search_that_matches_each_of_very_many_lines_holds_few_hits(
    core: Core, alice: Actor, counts_on: bool
) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    half = b"\n" * (LINES // 2)
    chunks = ((0, 0, 1, 0, half), (len(half), 0, 1, 0, half))
    core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=chunks))
    wanted, searched = SoughtLines(SearchPattern("x*", is_regex=True)), Searched()
    budget = SearchBudget(time.monotonic() + 600, 50)

    tracemalloc.start()
    try:
        core.logs_database.read_long(
            lambda db: LogSearch(db, work.job_id, wanted, searched, counts_on=counts_on).run(
                SearchPosition(), budget
            )
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [hit.line.number for hit in searched.hits] == list(range(1, 51))
    assert searched.matches == (LINES if counts_on else 50)
    assert peak < MOST_BYTES

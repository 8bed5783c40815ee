"""What one search may take of a server, whatever a job has printed."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.patterns import SearchPattern
from opsicle.server.access.actor import Actor
from opsicle.server.logs import search
from opsicle.server.logs.search import (
    LineQuery,
    LogSearch,
    SearchBudget,
    SearchPosition,
    SearchResult,
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
    wanted, searched = LineQuery(SearchPattern("x*", is_regex=True)), SearchResult()
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


def test_an_expression_that_takes_seconds_for_each_mebibyte_is_refused(
    core: Core, alice: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "OVERDUE_SECONDS", 0.0)
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    line = random.Random(1).choices(b"ab ", k=999)
    content = (bytes(line) + b"\n") * 64
    chunks = tuple((n * len(content), 0, 1, 0, content) for n in range(6))
    core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=chunks))

    slow = LineQuery(SearchPattern("(?:[ab]?.?){400}z", is_regex=True))
    budget, searched = SearchBudget(time.monotonic() + 0.2, 50), SearchResult()
    with pytest.raises(InvalidInput, match="takes too long"):
        core.logs_database.read_long(
            lambda db: LogSearch(db, work.job_id, slow, searched).run(SearchPosition(), budget)
        )

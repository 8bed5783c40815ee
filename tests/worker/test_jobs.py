"""The jobs of a worker, in the process of the test, beside a stand-in of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.worker import jobs as jobs_module
from opsicle.worker.connection import Connection
from opsicle.worker.identity import DataFolder
from opsicle.worker.job_threads import JobThreads
from opsicle.worker.jobs import Jobs
from opsicle.worker.journal import Journal
from opsicle.worker.spool import Room
from opsicle.worker.verification import Verifier
from tests.support import wait_until
from tests.worker.ordering import ordered
from tests.worker.peer import Peer, Refusal, work


@pytest.fixture
def jobs(tmp_path: Path, peer: Peer) -> Iterator[Jobs]:
    folder = DataFolder.open(tmp_path / "worker")
    identity = peer.identity()
    journal = Journal(folder.journal)
    room = Room(1 << 20, 1 << 20)
    jobs = Jobs(folder, Connection(identity), journal, Verifier(identity, {}), room, lambda _: None, lambda: None)
    jobs.shipper.start()
    yield jobs
    jobs.end()
    assert jobs.wait_until_idle(20)
    jobs.shipper.stop(5)
    journal.close()
    folder.close()


def test_a_worker_that_is_to_end_does_not_report_for_ever_to_a_server_that_cannot_hear_it(
    jobs: Jobs, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "REPORT_SECONDS", 0.5)
    peer.refusals["finish"] = Refusal(503, "unavailable", "this is a copy")
    jobs.take(ordered(work("j1", ":"), peer.order_key))
    wait_until(lambda: peer.calls["finish"], 20, "the first report")
    assert jobs.held()

    jobs.draining_since = time.monotonic()

    assert jobs.wait_until_idle(20)
    (left,) = Journal(tmp_path / "worker/journal").open_jobs()
    assert left.outcome is not None, "the next life has nothing to report"


def test_a_job_that_runs_may_take_its_time_while_its_worker_is_to_end(
    jobs: Jobs, peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "REPORT_SECONDS", 0.0)
    go_on = tmp_path / "go-on"
    jobs.take(ordered(work("j1", f"until test -e {go_on}; do sleep 0.01; done"), peer.order_key))
    wait_until(lambda: peer.starts, 20, "the start")

    jobs.draining_since = time.monotonic()

    assert not jobs.wait_until_idle(0.3)
    go_on.touch()
    assert jobs.wait_until_idle(20)
    assert peer.finished["j1"].state == "succeeded"


def test_the_job_that_an_end_brings_is_begun_by_the_same_thread_and_a_second_one_at_once() -> None:
    threads = JobThreads()
    begun: list[str] = []

    def first() -> None:
        threads.run_next(lambda: begun.append("next"))
        threads.run_next(lambda: begun.append("at once"))
        wait_until(lambda: begun == ["at once"], 20, "the second task beside the first")

    threads.run(first)

    wait_until(lambda: begun == ["at once", "next"], 20, "both")

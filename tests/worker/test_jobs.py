"""The jobs of a worker, in the process of the test, beside a stand-in of the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.worker import job_reporter
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job_threads import JobThreads
from opsicle.worker.jobs import JobSupervisor
from opsicle.worker.journal import Journal
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.spool import SpoolQuota
from opsicle.worker.verification import Verifier
from tests.support import wait_until
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.signed_work import ordered


@pytest.fixture
def jobs(tmp_path: Path, fake_server: FakeServer) -> Iterator[JobSupervisor]:
    folder = WorkerDataFolder.open(tmp_path / "worker")
    identity = fake_server.identity()
    journal = Journal(folder.journal)
    room = SpoolQuota(1 << 20, 1 << 20)
    jobs = JobSupervisor(
        folder,
        ServerConnection(identity),
        journal,
        Verifier(identity, {}),
        room,
        Runtimes(known_runtimes()),
        lambda _: None,
        lambda: None,
    )
    jobs.shipper.start()
    yield jobs
    jobs.end()
    assert jobs.wait_until_idle(60)
    jobs.shipper.stop(5)
    journal.close()
    folder.close()


def test_jobs_of_the_tests_are_named_after_the_process_they_run_in() -> None:
    """A worker ends whatever carries the name of its job, also what another process has started."""
    assert J1.endswith(f"-{os.getpid()}")


def test_a_worker_that_is_to_end_does_not_report_for_ever_to_a_server_that_cannot_hear_it(
    jobs: JobSupervisor, fake_server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_reporter, "REPORT_SECONDS", 0.5)
    fake_server.refusals["finish"] = Refusal(503, "unavailable", "this is a copy")
    jobs.take(ordered(work(J1, ":"), fake_server.order_key))
    wait_until(lambda: fake_server.calls["finish"], 60, "the first report")
    assert jobs.held()

    jobs.drain()

    assert jobs.wait_until_idle(60)
    (left,) = Journal(tmp_path / "worker/journal").open_jobs()
    assert left.outcome is not None, "the next run has nothing to report"


def test_it_is_in_the_log_that_a_job_has_ended_though_the_server_cannot_hear_of_it(
    jobs: JobSupervisor, fake_server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "opsicle")
    fake_server.refusals["finish"] = Refusal(503, "unavailable", "this is a copy")
    jobs.take(ordered(work(J1, ":"), fake_server.order_key))

    def said() -> list[str]:
        return [each.message for each in caplog.records if each.message.startswith("job ")]

    wait_until(lambda: said() == ["job started", "job ended"], 60, "the lines of the job")
    assert jobs.held()


def test_a_job_that_runs_may_take_its_time_while_its_worker_is_to_end(
    jobs: JobSupervisor, fake_server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_reporter, "REPORT_SECONDS", 0.0)
    go_on = tmp_path / "go-on"
    jobs.take(
        ordered(work(J1, f"until test -e {go_on}; do sleep 0.01; done"), fake_server.order_key)
    )
    wait_until(lambda: fake_server.starts, 60, "the start")

    jobs.drain()

    assert not jobs.wait_until_idle(0.3)
    go_on.touch()
    assert jobs.wait_until_idle(60)
    assert fake_server.finished[J1].state == "succeeded"


def test_the_job_that_an_end_brings_is_begun_by_the_same_thread_and_a_second_one_at_once() -> None:
    threads = JobThreads()
    begun: list[str] = []

    def first() -> None:
        threads.run_next(lambda: begun.append("next"))
        threads.run_next(lambda: begun.append("at once"))
        wait_until(lambda: begun == ["at once"], 60, "the second task beside the first")

    threads.run(first)

    wait_until(lambda: begun == ["at once", "next"], 60, "both")

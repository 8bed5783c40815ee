"""What must be on the worker's disk before anything is executed, and what if it cannot be."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.worker.connection import ServerConnection
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.jobs import JobSupervisor
from opsicle.worker.journal import Journal
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.spool import SpoolQuota
from opsicle.worker.verification import Verifier
from tests.support import wait_until
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.signed_work import ordered


@pytest.fixture
def jobs(tmp_path: Path, fake_server: FakeServer) -> Iterator[JobSupervisor]:
    folder = WorkerDataFolder.open(tmp_path / "worker")
    identity = fake_server.identity()
    connection, journal = ServerConnection(identity), Journal(folder.journal)
    jobs = JobSupervisor(
        folder,
        connection,
        journal,
        Verifier(identity, {}),
        SpoolQuota(1 << 20, 1 << 20),
        Runtimes(known_runtimes()),
        lambda _: None,
        lambda: None,
    )
    yield jobs
    jobs.end()
    jobs.wait_until_idle(10)
    connection.close()
    journal.close()
    folder.close()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[int], None]], None]]:
    """Lets a test stand before every `fdatasync` of the worker."""
    really = os.fdatasync

    def stand_before(look: Callable[[int], None]) -> None:
        def fdatasync(fd: int) -> None:
            look(fd)
            really(fd)

        monkeypatch.setattr(os, "fdatasync", fdatasync)

    return stand_before


def test_the_order_is_on_the_disk_before_anything_is_executed(
    jobs: JobSupervisor, fake_server: FakeServer, tmp_path: Path, disk
) -> None:
    judge = tmp_path / "judge"
    seen: list[bool] = []
    disk(lambda _: seen.append(judge.exists()))

    jobs.take(ordered(work(J1, f"touch {judge}"), fake_server.order_key))
    wait_until(lambda: J1 in fake_server.finished, 60, "the end")

    assert judge.exists()
    assert seen[:1] == [False]


def test_nothing_is_executed_when_the_disk_fails(
    jobs: JobSupervisor, fake_server: FakeServer, tmp_path: Path, disk
) -> None:
    judge = tmp_path / "judge"

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk(fail)
    jobs.take(ordered(work(J1, f"touch {judge}"), fake_server.order_key))
    wait_until(lambda: J1 in fake_server.finished, 60, "the end")

    assert not judge.exists()
    assert fake_server.finished[J1].state == JobState.FAILED
    assert "disk failed" in fake_server.finished[J1].explanation


def test_an_end_that_cannot_be_told_at_once_is_made_durable(
    jobs: JobSupervisor, fake_server: FakeServer, tmp_path: Path, disk
) -> None:
    judge = tmp_path / "judge"
    seen: list[bool] = []
    disk(lambda _: seen.append(judge.exists()))
    # The first is tried again on another connection.
    fake_server.faults["finish"].extend(["before", "before", "before"])

    jobs.take(ordered(work(J1, f"touch {judge}"), fake_server.order_key))
    wait_until(lambda: J1 in fake_server.finished, 60, "the end")

    assert True in seen

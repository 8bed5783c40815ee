"""What must be on the worker's disk before anything is executed, and what happens when it cannot be."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.worker.connection import Connection
from opsicle.worker.identity import DataFolder
from opsicle.worker.jobs import Jobs
from opsicle.worker.journal import Journal
from opsicle.worker.spool import Room
from opsicle.worker.verification import Verifier
from tests.support import wait_until
from tests.worker.ordering import ordered
from tests.worker.peer import J1, Peer, work


@pytest.fixture
def jobs(tmp_path: Path, peer: Peer) -> Iterator[Jobs]:
    folder = DataFolder.open(tmp_path / "worker")
    identity = peer.identity()
    connection, journal = Connection(identity), Journal(folder.journal)
    jobs = Jobs(
        folder, connection, journal, Verifier(identity, {}), Room(1 << 20, 1 << 20), lambda _: None, lambda: None
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


def test_the_order_is_on_the_disk_before_anything_is_executed(jobs: Jobs, peer: Peer, tmp_path: Path, disk) -> None:
    judge = tmp_path / "judge"
    seen: list[bool] = []
    disk(lambda _: seen.append(judge.exists()))

    jobs.take(ordered(work(J1, f"touch {judge}"), peer.order_key))
    wait_until(lambda: J1 in peer.finished, 60, "the end")

    assert judge.exists()
    assert seen[:1] == [False]


def test_nothing_is_executed_when_the_disk_fails(jobs: Jobs, peer: Peer, tmp_path: Path, disk) -> None:
    judge = tmp_path / "judge"

    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    disk(fail)
    jobs.take(ordered(work(J1, f"touch {judge}"), peer.order_key))
    wait_until(lambda: J1 in peer.finished, 60, "the end")

    assert not judge.exists()
    assert peer.finished[J1].state == JobState.FAILED
    assert "disk failed" in peer.finished[J1].explanation


def test_an_end_that_cannot_be_told_at_once_is_made_durable(jobs: Jobs, peer: Peer, tmp_path: Path, disk) -> None:
    judge = tmp_path / "judge"
    seen: list[bool] = []
    disk(lambda _: seen.append(judge.exists()))
    peer.faults["finish"].extend(["before", "before", "before"])  # the first is tried again on another connection

    jobs.take(ordered(work(J1, f"touch {judge}"), peer.order_key))
    wait_until(lambda: J1 in peer.finished, 60, "the end")

    assert True in seen

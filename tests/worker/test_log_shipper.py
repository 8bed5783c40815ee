"""Output reaches the server soon, in order and once, whatever happens on the way."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from opsicle.domain.errors import LeaseLost, LogIncomplete, OpsicleError
from opsicle.wire.jobs import PhaseReport, StepState
from opsicle.wire.worker_api import MAX_LOG_REQUEST_BYTES
from opsicle.worker import log_shipper
from opsicle.worker.connection import ServerConnection
from opsicle.worker.journal import Journal
from opsicle.worker.log_shipper import JobLog, LogShipper
from opsicle.worker.spool import Spool, SpoolQuota
from tests.support import wait_until
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import FakeServer
from tests.worker.running_worker import let_pass


@pytest.fixture
def connection(fake_server: FakeServer) -> Iterator[ServerConnection]:
    connection = ServerConnection(fake_server.identity())
    yield connection
    connection.close()


@pytest.fixture
def shipper(connection: ServerConnection) -> Iterator[LogShipper]:
    shipper = LogShipper(connection)
    shipper.start()
    yield shipper
    shipper.stop(5)


class Logs:
    """Makes the logs of jobs, and keeps what the shipper says of them."""

    def __init__(self, folder: Path, shipper: LogShipper) -> None:
        self.folder = folder / "spool"
        self.folder.mkdir()
        self.shipper = shipper
        self.journal = Journal(folder / "journal")
        self.refusals: list[OpsicleError] = []

    def open(self, job_id: str = "job") -> JobLog:
        self.journal.starting(job_id, 1)
        spool = Spool(self.folder, job_id, SpoolQuota(1 << 30, 1 << 30))

        def refused(error: OpsicleError) -> None:
            self.refusals.append(error)
            spool.discard()

        return JobLog(1, spool, self.shipper, self.journal, refused)


@pytest.fixture
def logs(tmp_path: Path, shipper: LogShipper) -> Logs:
    return Logs(tmp_path, shipper)


def test_output_goes_out_together_after_the_interval(logs: Logs, fake_server: FakeServer) -> None:
    logs.shipper.interval = 0.3
    log = logs.open()

    for number in range(100):
        log.write(0, 1, 1000, b"line %d\n" % number)
    wait_until(lambda: log.spool.pending == 0)

    assert fake_server.calls["log"] == 1
    assert bytes(fake_server.logs["job"]) == b"".join(
        b"line %d\n" % number for number in range(100)
    )


def test_a_full_request_does_not_wait_for_the_interval(logs: Logs, fake_server: FakeServer) -> None:
    logs.shipper.interval = 3600
    log = logs.open()
    log.write(0, 1, 0, b"first\n")
    for _ in range(17):
        log.write(0, 1, 0, b"x" * 64 * 1024)
    wait_until(lambda: len(fake_server.logs["job"]) >= MAX_LOG_REQUEST_BYTES - 64 * 1024)


def test_one_busy_job_does_not_hold_up_another(logs: Logs, fake_server: FakeServer) -> None:
    busy, quiet = logs.open("busy"), logs.open("quiet")
    for _ in range(400):
        busy.write(0, 1, 0, b"x" * 64 * 1024)

    quiet.write(0, 1, 0, b"hello")
    wait_until(lambda: fake_server.logs["quiet"])

    assert busy.spool.pending > 0

    wait_until(lambda: busy.spool.pending == 0)


def test_any_loss_on_the_way_leaves_the_log_byte_equal(logs: Logs, fake_server: FakeServer) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    logs.shipper.interval = 0.001
    fake_server.faults["log"] += source.choices(["", "after", "before", "slow"], k=60)
    log = logs.open()
    content = b""

    for _ in range(300):
        piece = source.randbytes(source.choice([1, 100, 5000, 64 * 1024]))
        content += piece
        log.write(source.randrange(2), source.randrange(1, 3), source.randrange(1000), piece)
        if source.random() < 0.1:
            let_pass(0.01)
    wait_until(lambda: log.spool.pending == 0, 60)

    assert bytes(fake_server.logs["job"]) == content


def test_phases_are_told_without_output_too_and_noted_in_the_journal(
    logs: Logs, fake_server: FakeServer, tmp_path: Path
) -> None:
    log = logs.open()

    log.progress([PhaseReport(name="main", state=StepState.RUNNING)])
    wait_until(lambda: fake_server.phases.get("job"))

    (entry,) = logs.journal.open_jobs()
    assert entry.phases[0].state == StepState.RUNNING


def test_phases_that_were_lost_are_told_again_unless_there_is_newer_news(
    logs: Logs, fake_server: FakeServer
) -> None:
    fake_server.faults["log"] += ["before", "before"]
    log = logs.open()
    log.progress([PhaseReport(name="main", state=StepState.RUNNING)])
    wait_until(lambda: fake_server.calls["log"])
    log.progress([PhaseReport(name="main", state=StepState.SUCCEEDED)])
    wait_until(
        lambda: (
            fake_server.phases.get("job")
            and fake_server.phases["job"][0].state == StepState.SUCCEEDED
        )
    )


def test_reports_that_change_later_are_told_as_they_were(
    logs: Logs, fake_server: FakeServer
) -> None:
    report = PhaseReport(name="main", state=StepState.RUNNING)
    log = logs.open()
    log.progress([report])
    report.name = "changed"
    wait_until(lambda: fake_server.phases.get("job"))

    assert fake_server.phases["job"][0].name == "main"


def test_a_lost_lease_is_told_and_nothing_more_is_sent(logs: Logs, fake_server: FakeServer) -> None:
    fake_server.lost.add("job")
    log = logs.open()

    log.write(0, 1, 0, b"too late")
    wait_until(lambda: logs.refusals)

    assert isinstance(logs.refusals[0], LeaseLost)

    log.write(0, 1, 0, b"nobody listens")
    other = logs.open("other")
    other.write(0, 1, 0, b"hello")
    wait_until(lambda: fake_server.logs["other"])
    assert fake_server.calls["log"] == 2


def test_a_server_that_lost_what_it_had_acknowledged_is_told_so_not_asked_for_ever(
    logs: Logs, fake_server: FakeServer
) -> None:
    log = logs.open()
    log.write(0, 1, 0, b"kept\n")
    wait_until(lambda: log.spool.pending == 0)
    fake_server.logs["job"].clear()

    log.write(0, 1, 0, b"more\n")
    wait_until(lambda: logs.refusals)

    assert isinstance(logs.refusals[0], LogIncomplete)


def test_after_detaching_nothing_is_sent_and_nothing_is_under_way(
    logs: Logs, fake_server: FakeServer
) -> None:
    fake_server.faults["log"] += ["slow"]
    logs.shipper.interval = 0.01
    log = logs.open()
    log.write(0, 1, 0, b"first")
    wait_until(lambda: fake_server.calls["log"] == 1)
    log.write(0, 1, 0, b"second")

    logs.shipper.detach(log)

    assert log.spool.acknowledged == 5, "it returned while a request was under way"

    let_pass(0.2)
    assert fake_server.calls["log"] == 1
    assert [chunk[4] for chunk in log.spool.read()] == [b"second"]


def test_a_server_that_is_away_is_not_hammered(logs: Logs, fake_server: FakeServer) -> None:
    logs.shipper.interval = 0.001
    fake_server.refusals["log"] = Refusal(503, "unavailable", "starting")
    log = logs.open()

    log.write(0, 1, 0, b"hello")
    let_pass(1.5)

    assert 1 <= fake_server.calls["log"] < 15

    del fake_server.refusals["log"]
    wait_until(lambda: bytes(fake_server.logs["job"]) == b"hello", 60)


def test_a_request_that_fails_never_hides_newer_progress(
    connection: ServerConnection, fake_server: FakeServer, tmp_path: Path
) -> None:
    fake_server.refusals["log"] = Refusal(503, "unavailable", "away")
    shipper = LogShipper(connection)
    log = Logs(tmp_path, shipper).open()

    for number in itertools.count():
        log.progress([PhaseReport(name="older")])
        was_between = run_with_a_step_between(
            lambda: shipper._send(log),
            number,
            lambda: log.progress([PhaseReport(name="newer")]),
        )
        if not was_between:
            break

        phases = log.next_request().phases

        assert phases
        assert phases[0].name == "newer", f"hidden before line {number} of the sending"

    assert number > 10


def run_with_a_step_between(
    call: Callable[[], object], number: int, step: Callable[[], None]
) -> bool:
    """Call, and take a step of another thread before line `number` of the shipper's code.

    Returns whether it has so many lines.
    """
    lines_left = number

    def before_line(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines_left
        if frame.f_code.co_filename != log_shipper.__file__:
            return None
        if event == "line":
            lines_left -= 1
            if lines_left == -1:
                step()
        return before_line

    sys.settrace(before_line)
    try:
        call()
    finally:
        sys.settrace(None)
    return lines_left < 0

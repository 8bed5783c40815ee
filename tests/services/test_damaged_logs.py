"""Logs are never a reason not to run, end or show anything: what is damaged is set aside."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import apsw
import gevent
import pytest

from opsicle.domain.errors import LogIncomplete, Unavailable
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.store.log_database import LogDatabase
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import FinishRequest, LogRequest
from tests.services.core import Core
from tests.services.databases import raise_fatal


@pytest.fixture
def running(core: Core, alice: Actor):
    """Run a job that prints 300,000 bytes that do not pack well; return it and its worker."""
    worker = core.worker(alice.org_id, "one")
    automation = core.run(alice)
    (work,) = worker.poll().work
    worker.start(work)
    noise = random.Random(1)
    for start in range(0, 300_000, 50_000):
        chunk = (start, 0, 1, 0, noise.randbytes(50_000))
        assert core.jobs.log(
            worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=(chunk,))
        ).durable_to
    return automation, worker, work


def damage(core: Core) -> None:
    """Overwrite the file and its write-ahead log, and let the server find that out."""
    path = core.logs_database.path
    for name in (path, path.with_name("logs.db-wal")):
        name.write_bytes(random.Random(2).randbytes(name.stat().st_size))
    for connection in (core.logs_database._database._reader, core.logs_database._database._writer):
        connection.execute("PRAGMA shrink_memory")
        connection.execute("PRAGMA cache_size = 0")


def finish(core: Core, worker, work, **more) -> str:
    request = FinishRequest(
        fence=work.fence, outcome=Outcome(state="succeeded", phases=(), exit_code=0), **more
    )
    return core.jobs.finish(worker.actor, work.job_id, request).state


def test_damage_while_it_runs_ends_no_job_and_blocks_nothing(
    core: Core, alice: Actor, running
) -> None:
    automation, worker, work = running
    damage(core)

    again = core.jobs.log(
        worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=((300_000, 0, 1, 0, b"on"),))
    )
    assert again.durable_to == 300_002
    assert (
        finish(core, worker, work, log_bytes=300_005, chunks=((300_002, 0, 1, 0, b"end"),))
        == "succeeded"
    )

    shown = core.automations.get(alice, automation.id)
    assert shown.state == "succeeded"
    assert "its log was lost" in shown.log_remark
    assert (
        b"".join(chunk[4] for chunks in core.job_logs.read(work.job_id) for chunk in chunks)
        == b"onend"
    )
    assert [each for each in core.folder.iterdir() if ".damaged-" in each.name]
    assert core.services.core.remarks.shown


def test_many_who_find_the_damage_at_once_lose_nothing_that_was_acknowledged(
    core: Core, running
) -> None:
    damage(core)

    calls = [
        gevent.spawn(core.job_logs.append, f"job-{number}", [(0, 0, 1, 0, b"x" * 99)])
        for number in range(20)
    ]
    gevent.joinall(calls, raise_error=True)

    assert {core.job_logs.size(f"job-{number}") for number in range(20)} == {99}
    assert len(core.services.core.remarks.shown) == 1


class DamagingClock:
    """Lets the next few files be damaged as soon as they are made.

    It is asked for the time before the first write.
    """

    def __init__(self, path: Path, times: int) -> None:
        self._path, self._times = path, times

    def now(self) -> datetime:
        if self._times and self._path.exists():
            self._times -= 1
            self._path.write_bytes(random.Random(4).randbytes(self._path.stat().st_size))
        return datetime.now(UTC)


def test_a_new_file_that_is_damaged_at_once_is_replaced_as_well(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    lost: list[str] = []
    clock = DamagingClock(path, 2)  # the second time it hits what is set aside anyway

    database = LogDatabase.open(path, raise_fatal, clock.now, lost.append, is_expected=True)
    try:
        assert database.read(lambda db: db.execute("SELECT count(*) FROM losses").fetchone()) == (
            1,
        )
        assert len(lost) == 1
        assert "damaged" in lost[0]
        assert len(list(tmp_path.glob("logs.db.damaged-*[0-9]"))) == 1
    finally:
        database.close()


def test_files_that_are_always_damaged_at_once_are_told_in_plain_words(tmp_path: Path) -> None:
    clock = DamagingClock(tmp_path / "logs.db", 100)
    with pytest.raises(Unavailable, match="damaged as soon as it is written"):
        LogDatabase.open(tmp_path / "logs.db", raise_fatal, clock.now, [].append, is_expected=True)


@pytest.mark.parametrize("what", ["missing", "empty", "noise", "cut", "folder", "other"])
def test_a_start_with_damaged_logs_goes_on_without(
    core: Core, alice: Actor, running, what: str
) -> None:
    automation, worker, work = running
    core.close()

    path = core.folder / "logs.db"
    content = path.read_bytes()
    path.unlink()
    match what:
        case "empty":
            path.touch()
        case "noise":
            path.write_bytes(random.Random(3).randbytes(50_000))
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "folder":
            path.mkdir()
        case "other":
            apsw.Connection(str(path)).execute("CREATE TABLE a (b); PRAGMA user_version = 99")

    lost: list[str] = []
    LogDatabase.open(path, raise_fatal, core.clock.now, lost.append, is_expected=True).close()
    assert lost

    core.__post_init__()

    assert core.automations.get(alice, automation.id).state == "running"
    assert finish(core, worker, work, log_bytes=300_000, is_after_loss=True) == "succeeded"
    assert core.automations.get(alice, automation.id).log_remark
    assert core.run(alice).state == "queued"


def test_an_older_copy_of_the_logs_keeps_no_job_from_its_end(
    core: Core, alice: Actor, running
) -> None:
    automation, worker, work = running
    core.logs_database.write(lambda db: db.execute("DELETE FROM segments WHERE start >= 100000"))
    on = LogRequest(fence=work.fence, chunks=((300_000, 0, 1, 0, b"on"),))
    assert core.jobs.log(worker.actor, work.job_id, on).durable_to == 100_000

    on.is_after_loss = True
    assert core.jobs.log(worker.actor, work.job_id, on).durable_to == 300_002
    assert finish(core, worker, work, log_bytes=300_002) == "succeeded"
    assert (
        core.automations.get(alice, automation.id).log_remark
        == "a part of its log was lost by the server"
    )


def test_a_part_that_can_still_come_is_still_waited_for(core: Core, alice: Actor, running) -> None:
    _, worker, work = running
    with pytest.raises(LogIncomplete):
        finish(core, worker, work, log_bytes=300_001)


def test_a_damaged_piece_of_a_log_says_so_in_its_place(core: Core, running) -> None:
    _, _, work = running
    core.logs_database.write(
        lambda db: db.execute("UPDATE segments SET chunks = x'00' WHERE start = 50000")
    )

    whole = b"".join(chunk[4] for chunks in core.job_logs.read(work.job_id) for chunk in chunks)

    assert len(whole) == 300_000
    assert whole[50_000:].startswith(b"[here the server's log is damaged]")


def test_a_disk_without_room_for_new_logs_says_so_and_is_tried_again(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = core.logs_database
    monkeypatch.setattr(LogDatabase, "_begin", lambda *_: (_ for _ in ()).throw(_full()))

    with pytest.raises(type(_full())):
        logs._replace("for the test")

    monkeypatch.undo()
    assert JobLogs(logs, core.clock).append("job", [(0, 0, 1, 0, b"x")]) == 1


def _full() -> Exception:
    from opsicle.domain.errors import Unavailable

    return Unavailable("the disk is full")

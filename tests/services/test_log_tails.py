"""The last small piece of a log is durable with the end of its job, wherever the power fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import gevent
import pytest

from opsicle.domain.errors import LeaseLost, LogIncomplete
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.log_tails import TAIL_BYTES
from opsicle.server.store import log_tails
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.worker_api import Chunk, FinishRequest, LogRequest
from tests.services.core import Core, TestWorker
from tests.services.recording_disk import Disk

SAID = b"the last words\n"


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    apsw.set_default_vfs("unix")
    disk.unregister()


def chunk(text: bytes, offset: int = 0) -> Chunk:
    return (offset, 0, 1, 0, text)


def end(core: Core, worker: TestWorker, work: Work, text: bytes, log_bytes: int = 0) -> None:
    """Say that a job has ended, with the last of its log."""
    request = FinishRequest(
        fence=work.fence,
        outcome=Outcome(state="succeeded", phases=(), exit_code=0),
        log_bytes=log_bytes or len(text),
        chunks=(chunk(text),) if text else (),
    )
    core.jobs.finish(worker.actor, work.job_id, request)


def log_of(core: Core, work: Work) -> bytes:
    return b"".join(each[4] for chunks in core.job_logs.read(work.job_id) for each in chunks)


def kept(core: Core) -> list[str]:
    """Return of which jobs a piece stands beside their end."""
    return [row.job_id for row in core.database.read(lambda db: log_tails.list_first(db, 10))]


@pytest.fixture
def on_disk(core: Core, alice: Actor, worker: TestWorker, work: Work, disk: Disk) -> Iterator[Core]:
    """Return a server that comes back on a disk of which all is synced, with the job running."""
    core.close()
    disk.know(core.folder)
    core = core.restart()
    yield core
    core.close()


def after_power_cut(core: Core, disk: Disk, folder: Path) -> Core:
    """Return a server on what a disk holds that has lost all that was not synced."""
    apsw.set_default_vfs("unix")  # so that the disk goes on with the server before alone
    return Core(disk.after_total_loss(folder), core.clock)


@pytest.mark.parametrize("text", [SAID, b"x" * TAIL_BYTES, b"x" * (TAIL_BYTES + 1)])
@pytest.mark.parametrize("is_settled", [False, True])
def test_a_log_whose_end_was_acknowledged_survives_a_power_cut(
    on_disk: Core,
    worker: TestWorker,
    work: Work,
    disk: Disk,
    tmp_path: Path,
    text: bytes,
    is_settled: bool,
) -> None:
    end(on_disk, worker, work, text)
    if is_settled:
        on_disk.services.log_tails.flush()
        assert kept(on_disk) == []

    after = after_power_cut(on_disk, disk, tmp_path / "after")

    assert log_of(after, work) == text
    assert kept(after) == []
    after.close()


def test_the_end_of_a_job_waits_for_the_disk_once(
    on_disk: Core, worker: TestWorker, work: Work, disk: Disk
) -> None:
    for database in (on_disk.database, on_disk.logs_database):
        database.sync()  # the first in a write-ahead log that is new syncs its head as well
    before = disk.syncs

    end(on_disk, worker, work, SAID)

    assert disk.syncs == before + 1
    assert log_of(on_disk, work) == SAID
    assert kept(on_disk) == [work.job_id]


def test_an_end_that_meets_a_sync_of_the_logs_has_its_log(
    core: Core, worker: TestWorker, work: Work
) -> None:
    core.job_logs.append("other", [chunk(SAID)], waits_for_disk=False)

    gevent.joinall(
        [gevent.spawn(core.job_logs.sync), gevent.spawn(end, core, worker, work, SAID)],
        raise_error=True,
        timeout=60,
    )

    assert log_of(core, work) == SAID
    assert kept(core) == [work.job_id]


def test_a_log_that_is_refused_beside_the_end_comes_later(
    core: Core, alice: Actor, worker: TestWorker, work: Work
) -> None:
    refusing = apsw.Connection(str(core.logs_database.path))
    refusing.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON segments BEGIN SELECT RAISE(ABORT, 'no'); END"
    )

    end(core, worker, work, SAID)

    assert core.automations.get(alice, work.automation_id).state == "succeeded"
    assert kept(core) == [work.job_id]
    with pytest.raises(apsw.ConstraintError):
        core.services.log_tails.flush()
    assert kept(core) == [work.job_id]
    refusing.execute("DROP TRIGGER refuse")
    core.services.log_tails.flush()
    assert log_of(core, work) == SAID
    assert kept(core) == []


def test_what_the_logs_have_not_taken_outlives_a_flush_that_is_under_way(
    core: Core, worker: TestWorker, work: Work
) -> None:
    tails = core.services.log_tails
    end(core, worker, work, SAID)

    # The first waits for the disk once it has seen what there is to be forgotten.
    turns = [gevent.spawn(tails.flush), gevent.spawn(tails.note_behind)]
    gevent.joinall(turns, raise_error=True, timeout=60)

    assert kept(core) == [work.job_id]
    tails.flush()
    assert kept(core) == []
    assert log_of(core, work) == SAID


def test_what_was_kept_is_forgotten_once_the_log_has_it(
    core: Core, worker: TestWorker, work: Work
) -> None:
    end(core, worker, work, SAID)

    core.services.log_tails.flush()

    assert kept(core) == []
    assert log_of(core, work) == SAID


def test_what_is_kept_while_the_disk_is_waited_for_stays_until_the_next_time(
    core: Core, worker: TestWorker, work: Work
) -> None:
    tails = core.services.log_tails
    end(core, worker, work, SAID)

    def keep() -> None:
        core.database.write(lambda db: tails.put(db, work.job_id, "org", (chunk(SAID),)))

    gevent.joinall([gevent.spawn(tails.flush), gevent.spawn(keep)], raise_error=True, timeout=60)

    assert kept(core) == [work.job_id]
    tails.flush()
    assert kept(core) == []


def test_what_was_appended_without_a_wait_is_not_acknowledged_before_it_is_durable(
    on_disk: Core, worker: TestWorker, work: Work, disk: Disk, tmp_path: Path
) -> None:
    # All but the end itself, as by a server that dies, or whose disk is full, in between.
    with pytest.raises(LogIncomplete):
        end(on_disk, worker, work, SAID, log_bytes=1_000)
    lost = after_power_cut(on_disk, disk, tmp_path / "lost")
    assert log_of(lost, work) == b"", "nothing was said of it yet"
    lost.close()

    request = LogRequest(fence=work.fence, chunks=(chunk(SAID),))
    reply = on_disk.jobs.log(worker.actor, work.job_id, request)

    assert reply.durable_to == len(SAID)
    kept_by_disk = after_power_cut(on_disk, disk, tmp_path / "kept")
    assert log_of(kept_by_disk, work) == SAID
    kept_by_disk.close()


def test_a_server_that_comes_back_acknowledges_nothing_that_the_disk_may_lose(
    on_disk: Core, worker: TestWorker, work: Work, disk: Disk, tmp_path: Path
) -> None:
    with pytest.raises(LogIncomplete):
        end(on_disk, worker, work, SAID, log_bytes=1_000)
    back = replace(on_disk)  # the one before has died, and closed nothing

    request = LogRequest(fence=work.fence, chunks=(chunk(SAID),))
    reply = back.jobs.log(worker.actor, work.job_id, request)

    assert reply.durable_to == len(SAID)
    assert log_of(back, work) == SAID
    after = after_power_cut(back, disk, tmp_path / "after")
    assert log_of(after, work) == SAID
    after.close()
    back.close()


def test_an_answer_that_was_lost_changes_nothing(
    core: Core, worker: TestWorker, work: Work
) -> None:
    end(core, worker, work, SAID)

    with pytest.raises(LeaseLost):  # as ever: its log is closed
        end(core, worker, work, SAID)
    end(core, worker, work, b"", log_bytes=len(SAID))

    assert log_of(core, work) == SAID


def test_an_end_that_is_not_taken_keeps_nothing(core: Core, worker: TestWorker, work: Work) -> None:
    with pytest.raises(LogIncomplete):
        end(core, worker, work, SAID, log_bytes=1_000)

    assert kept(core) == []


def test_a_start_whose_disk_is_full_leaves_the_ends_of_logs_for_the_next(
    core: Core, worker: TestWorker, work: Work
) -> None:
    end(core, worker, work, SAID)

    core.logs_database.close()  # which takes nothing any more, either
    core.services.log_tails.recover()
    core.services.log_tails.flush_last()

    assert kept(core) == [work.job_id]


def test_a_start_takes_nothing_twice(core: Core, worker: TestWorker, work: Work) -> None:
    end(core, worker, work, SAID)
    assert kept(core) == [work.job_id]

    back = core.restart()

    assert kept(back) == []
    assert log_of(back, work) == SAID
    back.close()


def test_nothing_counts_as_durable_while_the_disk_is_still_waited_for(
    core: Core, worker: TestWorker, work: Work
) -> None:
    core.job_logs.sync()
    core.job_logs.append(work.job_id, [chunk(SAID)], waits_for_disk=False)
    answers: list[str] = []

    def sync() -> None:
        core.job_logs.sync()
        answers.append("synced")

    def ask() -> None:
        core.job_logs.durable_size(work.job_id)
        answers.append("said to be durable")

    gevent.joinall([gevent.spawn(sync), gevent.spawn(ask)], raise_error=True)

    assert answers == ["synced", "said to be durable"]

"""A job that fills the disk of its worker ends, says why, and holds nobody else up."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.files import InputFile
from opsicle.domain.templates import Phase, When
from tests.worker.fake_server import FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, let_pass, lines

J1, J2 = f"disk-{os.getpid()}-1", f"disk-{os.getpid()}-2"
"""So that no other run of these tests on this machine takes their processes for its own."""

FILL = "head -c 40000000 /dev/zero > big"


@pytest.fixture
def worker(small_disk: Path, fake_server: FakeServer) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(small_disk, fake_server)
    running_worker.log = fake_server._folder / "worker.log"
    running_worker.start()
    yield running_worker
    running_worker.close()


def room(disk: Path) -> int:
    found = os.statvfs(disk)
    return found.f_bavail * found.f_frsize


def test_a_job_that_fills_the_disk_fails_with_what_its_command_said(
    worker: RunningWorker, fake_server: FakeServer, small_disk: Path
) -> None:
    fake_server.give(work(J1, FILL, timeout=60))

    assert worker.wait_for_finish(J1) == JobState.FAILED
    assert b"No space left on device" in bytes(fake_server.logs[J1])

    worker.wait(
        lambda: not worker.files("workspaces") and room(small_disk) > 20_000_000,
        "the disk to be free again",
    )
    fake_server.give(work(J2, "echo fine"))
    assert worker.wait_for_finish(J2) == JobState.SUCCEEDED
    assert bytes(fake_server.logs[J2]) == b"fine\n"


def test_another_job_goes_on_while_the_disk_is_full(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    fake_server.give(
        work(J1, f"echo begun; while ! test -e {go_on}; do sleep 0.05; done; seq 20000; echo ended")
    )
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"begun\n", "the first job")
    fake_server.give(work(J2, f"{FILL} || sleep 30", timeout=60))
    worker.wait(lambda: b"No space" in bytes(fake_server.logs[J2]), "the full disk")

    go_on.touch()

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert (
        bytes(fake_server.logs[J1])
        == b"begun\n" + b"".join(b"%d\n" % n for n in range(1, 20001)) + b"ended\n"
    )
    assert J2 not in fake_server.finished

    fake_server.cancel(J2)
    assert worker.wait_for_finish(J2) == JobState.CANCELLED


@pytest.mark.parametrize("timeout", [3, None])
def test_a_job_on_a_full_disk_ends_at_its_time_limit(
    worker: RunningWorker, fake_server: FakeServer, timeout: int | None
) -> None:
    job = work(J1, f"{FILL} || yes", timeout=60 if timeout else 3)
    fake_server.give(msgspec.structs.replace(job, timeout=timeout))

    state = worker.wait_for_finish(J1)

    assert state == JobState.TIMED_OUT, fake_server.finished[J1]

    worker.wait(lambda: not worker.files("workspaces"), "the workspace to go")


def test_clean_up_phases_run_on_a_full_disk(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    job = work(J1, FILL, timeout=60)
    clean_up = Phase(
        name="clean up", commands=("echo cleaning", f"echo ran >> {judge}"), when=When.ALWAYS
    )

    fake_server.give(msgspec.structs.replace(job, phases=(*job.phases, clean_up)))

    assert worker.wait_for_finish(J1) == JobState.FAILED
    assert bytes(fake_server.logs[J1]).endswith(b"cleaning\n")
    assert lines(judge) == ["ran"]


def test_a_daemon_that_fills_the_disk_holds_up_neither_the_end_nor_other_jobs(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    script = tmp_path / "daemon"
    script.write_text(
        # The job's end closes its pipes.
        f"trap '' PIPE; echo $$ > {tmp_path}/pid; exec 3> big; cat /dev/zero >&3; "
        "while :; do echo full; sleep 0.01; done"
    )
    fake_server.give(
        work(J1, f"setsid sh {shlex.quote(str(script))} & sleep 1; echo begun", timeout=60)
    )

    try:
        assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
        assert b"begun\n" in bytes(fake_server.logs[J1])
        assert is_alive(int((tmp_path / "pid").read_text()))
        fake_server.give(work(J2, "echo fine"))
        worker.wait(lambda: fake_server.polls[-1].free_slots == 4, "the worker to look for work")
    finally:
        with suppress(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 9)

    worker.wait(lambda: not worker.files("workspaces"), "the workspace to go")


def test_a_disk_that_others_filled_and_freed_costs_no_byte(
    worker: RunningWorker, fake_server: FakeServer, small_disk: Path
) -> None:
    fake_server.give(work(J1, "sleep 0.5; seq 300000; echo ended"))
    worker.wait(lambda: fake_server.polls[-1].jobs, "the job")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    fake_server.stop()  # so that nothing leaves the memory either
    let_pass(2)
    filler.unlink()

    fake_server.start()

    assert worker.wait_for_finish(J1, timeout=60) == JobState.SUCCEEDED
    assert (
        bytes(fake_server.logs[J1]) == b"".join(b"%d\n" % n for n in range(1, 300_001)) + b"ended\n"
    )


def test_a_worker_without_a_journal_takes_no_job_for_a_while(
    worker: RunningWorker, fake_server: FakeServer, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    began = len(fake_server.polls)
    with (small_disk / "worker/journal").open("ab") as journal, suppress(OSError):
        journal.write(b"\n" * 8192)  # the rest of the journal's last page

    fake_server.give(work(J1, "echo never"))
    worker.wait(
        lambda: any(poll.free_slots == 0 for poll in fake_server.polls[began:]),
        "a poll that wants nothing",
    )

    assert fake_server.calls["start"] == 0

    filler.unlink()
    worker.wait(lambda: fake_server.polls[-1].free_slots == 4, "a poll that wants work again")


def test_a_file_for_which_there_is_no_room_lets_its_job_wait_for_another_worker(
    worker: RunningWorker, fake_server: FakeServer, small_disk: Path
) -> None:
    content = b"\0" * 40_000_000
    large = InputFile(
        variable="dump",
        position=0,
        name="dump",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    fake_server.files[large.sha256], fake_server.file_bytes_at_once = content, 500_000

    fake_server.give(msgspec.structs.replace(work(J1, "echo ran"), files=(large,)))

    worker.wait(lambda: J1 in fake_server.refused, "the worker to give it back")
    worker.wait(lambda: not worker.files("workspaces"), "what has come of it to go")
    assert fake_server.starts == []
    assert "its disk does not take the files" in str(fake_server.refused[J1])
    assert room(small_disk) > 20_000_000

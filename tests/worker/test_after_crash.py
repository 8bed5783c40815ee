"""After the worker's own end in the midst of a job.

Its clean-up phases run once, or it is said why they did not.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Phase, When
from opsicle.wire.jobs import Outcome, StepState, Work
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, lines

JOB = f"crash-{os.getpid()}"


@pytest.fixture
def judge(tmp_path: Path) -> Path:
    return tmp_path / "judge"


def job(judge: Path, *clean_up: str, **more: Any) -> Work:
    """Return a job that writes its shell's id into the workspace and sleeps.

    Then come clean-up phases that tell the judge.
    """
    main = Phase(
        name="main", commands=(f"echo $$ > pid; cp pid {judge}.pid; echo begun; sleep 60",)
    )
    on_failure = Phase(name="on failure", commands=(f"echo failure >> {judge}",), when=When.FAILURE)
    tidy = [
        Phase(name=f"tidy {number}", commands=(command,), when=When.ALWAYS)
        for number, command in enumerate(clean_up)
    ]
    return msgspec.structs.replace(work(JOB), phases=(main, on_failure, *tidy), **more)


def run_until_killed(
    worker: RunningWorker, fake_server: FakeServer, judge: Path, given: Work
) -> None:
    """Let the worker die while the first phase runs."""
    fake_server.give(given)
    worker.wait(lambda: bytes(fake_server.logs[JOB]) == b"begun\n", "the job's output")
    worker.kill()


def ended(worker: RunningWorker, fake_server: FakeServer) -> Outcome:
    """Return what the next run of the worker reports."""
    worker.start()
    assert worker.wait_for_finish(JOB, timeout=60) == JobState.UNKNOWN
    return fake_server.finished[JOB]


def edit_journal(worker: RunningWorker, old: str, new: str) -> None:
    """Change what is written in the journal, with checksums that fit."""
    path = worker.folder / "journal"
    changed = [line[9:].replace(old, new).encode() for line in path.read_text().splitlines()]
    path.write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in changed))


def test_clean_up_phases_run_at_the_next_start_in_the_workspace_that_is_left(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    given = job(
        judge,
        f'echo "$OPSICLE_VAR_NAME of $(cat pid)" | tee -a {judge}',
        f"echo second >> {judge}; exit 3",
    )
    run_until_killed(
        worker,
        fake_server,
        judge,
        msgspec.structs.replace(given, environment={"OPSICLE_VAR_NAME": "tidied"}),
    )
    outcome = ended(worker, fake_server)

    pid = Path(f"{judge}.pid").read_text().strip()

    assert judge.read_text() == f"tidied of {pid}\nsecond\n"
    assert not is_alive(int(pid))
    assert bytes(fake_server.logs[JOB]) == b"begun\n" + f"tidied of {pid}\n".encode()
    assert [phase.state for phase in outcome.phases] == [
        "unknown",
        "pending",
        "succeeded",
        "failed",
    ]
    assert outcome.explanation.endswith("; afterwards it ran its clean-up phases tidy 0, tidy 1")

    worker.wait(lambda: worker.files("workspaces") == [], "the workspace to go")


def test_a_clean_up_phase_that_had_begun_is_not_begun_again(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    given = job(judge, f"echo first >> {judge}; sleep 60", f"echo second >> {judge}")
    fake_server.give(given)
    worker.wait(lambda: bytes(fake_server.logs[JOB]) == b"begun\n", "the job's output")
    fake_server.cancel(JOB)
    worker.wait(lambda: lines(judge) == ["failure", "first"], "the clean-up", timeout=60)
    worker.kill()

    outcome = ended(worker, fake_server)

    assert lines(judge) == ["failure", "first", "second"]
    assert [phase.state for phase in outcome.phases][2:] == ["unknown", "succeeded"]


def test_a_worker_that_is_killed_again_while_it_cleans_up_goes_on_behind_what_it_has_begun(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    run_until_killed(
        worker,
        fake_server,
        judge,
        job(judge, f"echo first >> {judge}; sleep 60", f"echo second >> {judge}"),
    )
    worker.start()
    worker.wait(lambda: lines(judge) == ["first"], "the clean-up")
    worker.kill()

    outcome = ended(worker, fake_server)

    assert lines(judge) == ["first", "second"]
    assert [phase.state for phase in outcome.phases][2:] == ["unknown", "succeeded"]


def refused(worker: RunningWorker, fake_server: FakeServer, judge: Path, why: str) -> None:
    outcome = ended(worker, fake_server)
    assert lines(judge) == []
    assert outcome.explanation.endswith(f"; it did not run its clean-up phase tidy 0: {why}")
    assert (outcome.phases[2].state, outcome.phases[2].explanation) == (
        StepState.SKIPPED,
        f"not run: {why}",
    )
    worker.wait(lambda: worker.files("workspaces") == [], "the workspace to go")


def test_on_a_machine_that_was_started_anew_nothing_is_cleaned_up(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    run_until_killed(worker, fake_server, judge, job(judge, f"echo ran >> {judge}"))
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    edit_journal(worker, f'"boot":"{boot}"', '"boot":"another"')
    refused(worker, fake_server, judge, "the machine was started anew")


def test_without_the_workspace_nothing_is_cleaned_up(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    run_until_killed(worker, fake_server, judge, job(judge, f"echo ran >> {judge}"))
    workspace = worker.folder / "workspaces" / JOB
    workspace.rename(judge.with_name("moved"))
    workspace.symlink_to("/etc")
    refused(worker, fake_server, judge, "the workspace is gone")


@pytest.mark.parametrize(
    "more",
    [
        {"secret_values": {"key": "secret value"}},
        {"secret_environment": {"OPSICLE_VAR_S": "secret"}},
    ],
)
def test_nothing_is_cleaned_up_whose_secrets_are_gone_and_none_is_in_the_journal(
    worker: RunningWorker, fake_server: FakeServer, judge: Path, more: dict[str, Any]
) -> None:
    given = job(judge, f"echo ran >> {judge}", **more)
    main = msgspec.structs.replace(given.phases[0], secrets=tuple(more.get("secret_values", ())))

    run_until_killed(
        worker, fake_server, judge, msgspec.structs.replace(given, phases=(main, *given.phases[1:]))
    )

    assert b"secret value" not in (worker.folder / "journal").read_bytes()
    assert '"secret"' not in (worker.folder / "journal").read_text()

    refused(
        worker, fake_server, judge, "the job had secrets, which went with the worker's last run"
    )


def test_nothing_is_cleaned_up_where_values_were_masked_that_nobody_knows_any_more(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    given = job(judge, f"echo ran >> {judge}")
    command = f'echo made-by-the-job >> "$OPSICLE_MASK"; {given.phases[0].commands[0]}'
    main = msgspec.structs.replace(given.phases[0], commands=(command,))

    run_until_killed(
        worker, fake_server, judge, msgspec.structs.replace(given, phases=(main, *given.phases[1:]))
    )

    assert b"made-by-the-job" not in b"".join(
        line
        for line in (worker.folder / "journal").read_bytes().splitlines()
        if b'"clean-up"' not in line
    )

    refused(
        worker, fake_server, judge, "the job had secrets, which went with the worker's last run"
    )


def test_nothing_is_cleaned_up_of_a_job_that_is_no_longer_this_workers(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    run_until_killed(worker, fake_server, judge, job(judge, f"echo ran >> {judge}"))
    fake_server.refusals["start"] = Refusal(409, "lease_lost", "no longer yours")
    refused(worker, fake_server, judge, "the worker came back too late")


def test_a_job_without_clean_up_phases_writes_nothing_more_into_the_journal(
    worker: RunningWorker, fake_server: FakeServer, judge: Path
) -> None:
    run_until_killed(worker, fake_server, judge, job(judge))

    kinds = {
        json.loads(line[9:])["type"]
        for line in (worker.folder / "journal").read_text().splitlines()
    }
    assert not kinds & {"clean-up", "begun", "masked"}
    assert (
        ended(worker, fake_server).explanation
        == "the worker ended while the job ran, so that nobody can say what it did"
    )

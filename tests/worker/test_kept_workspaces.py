"""Workspaces that are kept: until when, for whom, and that only one goes on in each."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.files import InputFile
from opsicle.domain.resume_points import KeptWorkspace, ResumePoint
from opsicle.domain.templates import Phase
from opsicle.wire.jobs import Outcome, Work
from opsicle.worker import kept_workspaces
from opsicle.worker.input_files import receive, staging_folder
from opsicle.worker.kept_workspaces import CannotTakeOver, KeptWorkspaceRecord, KeptWorkspaces
from opsicle.worker.output import now_ms
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.verification import Refused, Verifier
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import Machine, phase
from tests.worker.running_worker import RunningWorker
from tests.worker.signed_work import ordered

MIB = 1024 * 1024
FAILS = phase("echo kept > file", "false", name="copy")


class KeepingMachine(Machine):
    """A machine that keeps workspaces; `restart` is the worker's next start."""

    def __init__(self, root: Path) -> None:
        super().__init__(root / "workspaces")
        self.root.mkdir()
        self.kept_root = root / "kept"
        self.restart()

    def restart(self, mib: int = 1) -> None:
        self.kept = KeptWorkspaces(self.kept_root, mib * MIB)
        self.kept.restore()

    def carry_out(self, work: Work, org_id: str = "o1") -> Outcome | None:
        host = RunnerHost(
            workspace_root=self.root,
            runtimes=Runtimes((SubprocessRuntime(self.environment),)),
            grace_seconds=0.5,
            org_id=org_id,
            kept=self.kept,
        )
        return Runner(work, self.log, host, self.cancellation).run()

    def fail(self, *phases: Phase, keep: int = 3600) -> str:
        """Let a job fail, and return its id."""
        work = self.work(*(phases or (FAILS,)), keep_workspace=keep)
        outcome = self.carry_out(work)
        assert outcome is not None
        assert outcome.state == "failed"
        return work.job_id

    def resume(self, job_id: str, *phases: Phase, org_id: str = "o1", **more: object) -> Outcome:
        work = self.work(*(phases or (FAILS, phase("cat file"))), **more)
        resumed = msgspec.structs.replace(work, resumed_from=point(job_id))
        outcome = self.carry_out(resumed, org_id)
        assert outcome is not None
        return outcome

    def left(self) -> set[str]:
        found = self.kept_root.iterdir() if self.kept_root.exists() else ()
        return {path.name for path in (*found, *self.root.iterdir())}


@pytest.fixture
def machine(tmp_path: Path) -> KeepingMachine:
    return KeepingMachine(tmp_path)


def point(job_id: str, worker_id: str = "w1") -> ResumePoint:
    kept = KeptWorkspace(
        job_id=job_id,
        worker_id=worker_id,
        worker_name="worker-1",
        kept_until=datetime(2030, 1, 1, tzinfo=UTC),
    )
    return ResumePoint(automation_id="old", first_phase=1, outputs={}, answers={}, workspace=kept)


def test_a_job_goes_on_in_the_workspace_that_another_one_has_left(machine: KeepingMachine) -> None:
    work = machine.work(FAILS, keep_workspace=3600)
    before = now_ms()

    failed = machine.carry_out(work)

    assert failed is not None
    assert failed.kept_until_ms is not None
    assert before + 3_600_000 <= failed.kept_until_ms <= now_ms() + 3_600_000
    assert machine.left() == {work.job_id, f"{work.job_id}.json"}

    resumed = machine.resume(work.job_id)
    assert (resumed.state, resumed.kept_until_ms) == ("succeeded", None)
    assert machine.log.of(1).endswith(b"kept\n")
    assert machine.left() == set()


def test_only_one_goes_on_in_a_workspace_and_it_keeps_that_if_it_fails_again(
    machine: KeepingMachine,
) -> None:
    job_id = machine.fail()

    second = machine.work(FAILS, phase("false"), keep_workspace=60)
    again = machine.carry_out(msgspec.structs.replace(second, resumed_from=point(job_id)))
    assert again is not None
    assert again.kept_until_ms is not None

    refused = machine.resume(job_id)
    assert refused.state == "failed"
    assert "is not kept here any more" in refused.explanation
    assert machine.resume(second.job_id).state == "succeeded"


def test_files_that_a_job_is_given_take_the_place_of_those_that_were_left(
    machine: KeepingMachine, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    job_id = machine.fail(phase(f"ln -s {elsewhere} .files", "false", name="copy"))
    given = InputFile(
        variable="list", position=0, name="a", size=2, sha256=sha256(b"ab").hexdigest()
    )
    resumed = machine.work(FAILS, phase('cat "$OPSICLE_VAR_LIST"'), files=(given,))
    receive((given,), staging_folder(machine.root, resumed.job_id), lambda _file, at: b"ab"[at:])

    outcome = machine.carry_out(msgspec.structs.replace(resumed, resumed_from=point(job_id)))

    assert outcome is not None
    assert machine.log.of(1).endswith(b"\nab")
    assert [path.name for path in elsewhere.iterdir()] == ["mine"]


def test_what_goes_well_and_what_says_nothing_is_not_kept(machine: KeepingMachine) -> None:
    machine.carry_out(machine.work(phase("echo 1 > file"), keep_workspace=60))
    machine.carry_out(machine.work(FAILS))

    assert machine.left() == set()


def test_a_workspace_is_no_other_orgs_and_no_other_templates(machine: KeepingMachine) -> None:
    job_id = machine.fail()

    for other in ({"org_id": "o2"}, {"template": "other"}):
        whose = {"org_id": "o1", "template": "t"} | other
        with pytest.raises(CannotTakeOver, match="is another's"):
            machine.kept.take_over(job_id, **whose, account=None, to=machine.root / "new")
    assert "is another's" in machine.resume(job_id, org_id="o2").explanation
    assert machine.resume(job_id).state == "succeeded"


def test_a_workspace_is_kept_for_its_time_also_across_a_restart(
    machine: KeepingMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, other = machine.fail(keep=60), machine.fail(keep=7200)
    machine.restart()
    assert len(machine.left()) == 4

    now = now_ms()
    monkeypatch.setattr(kept_workspaces, "now_ms", lambda: now + 61_000)
    assert machine.kept.has_expired
    assert "the time is over" in machine.resume(job_id).explanation

    machine.restart()
    assert machine.left() == {other, f"{other}.json"}


def test_a_workspace_that_is_not_as_it_was_left_is_not_taken_over(
    machine: KeepingMachine, tmp_path: Path
) -> None:
    job_id = machine.fail()
    (machine.kept_root / job_id).rename(tmp_path / "away")
    (machine.kept_root / job_id).symlink_to(tmp_path / "away")

    assert "is not as it was left" in machine.resume(job_id).explanation


def test_where_there_is_no_room_what_is_kept_longest_stays(machine: KeepingMachine) -> None:
    fills = phase("head -c 700000 /dev/zero > file", "false")

    short = machine.fail(fills, keep=60)
    long = machine.fail(fills, keep=3600)
    assert machine.left() == {long, f"{long}.json"}
    assert "not kept here any more" in machine.resume(short).explanation

    work = machine.work(phase("head -c 1200000 /dev/zero > file", "false"), keep_workspace=3600)
    outcome = machine.carry_out(work)
    assert outcome is not None
    assert outcome.kept_until_ms is None
    assert machine.left() == {long, f"{long}.json"}


def test_half_of_what_a_killed_worker_moved_is_removed_at_its_next_start(
    machine: KeepingMachine,
) -> None:
    job_id = machine.fail()
    record = (machine.kept_root / f"{job_id}.json").read_bytes()
    # As it is killed between the two steps of keeping, and of taking over.
    other = msgspec.structs.replace(
        msgspec.json.decode(record, type=KeptWorkspaceRecord), job_id="record-alone"
    )
    (machine.kept_root / "record-alone.json").write_bytes(msgspec.json.encode(other))
    (machine.kept_root / "folder-alone").mkdir()
    (machine.kept_root / "torn.json").write_bytes(record[:20])

    machine.restart()

    assert machine.left() == {job_id, f"{job_id}.json"}


def test_a_worker_goes_on_in_no_workspace_that_another_one_keeps(fake_server: FakeServer) -> None:
    plain = msgspec.structs.replace(work(J1, "true"), phases=(FAILS, FAILS))
    verifier = Verifier(fake_server.identity(), {})
    own = msgspec.structs.replace(plain, resumed_from=point("job"))
    verifier.check(ordered(own, fake_server.order_key))

    others = msgspec.structs.replace(plain, resumed_from=point("job", worker_id="w2"))
    with pytest.raises(Refused, match="another worker keeps"):
        verifier.check(ordered(others, fake_server.order_key))
    for changes in ({"keep_workspace": 9}, {"resumed_from": point("another-job")}):
        given = msgspec.structs.replace(ordered(own, fake_server.order_key), **changes)
        with pytest.raises(Refused, match="not as ordered"):
            verifier.check(given)


def resumed(job_id: str, from_job: str, *commands: str) -> Work:
    phases = (FAILS, phase(*commands, name="restart"))
    return msgspec.structs.replace(
        work(job_id), phases=phases, resumed_from=point(from_job), keep_workspace=3600
    )


def test_a_killed_worker_still_keeps_what_it_kept_and_nothing_of_a_job_in_whose_midst_it_died(
    tmp_path: Path, fake_server: FakeServer, worker: RunningWorker
) -> None:
    folder = worker.folder
    failing = msgspec.structs.replace(work(J1), phases=(FAILS,), keep_workspace=3600)
    fake_server.give(failing)
    assert worker.wait_for_finish(J1) == "failed"
    assert fake_server.finished[J1].kept_until_ms is not None

    worker.kill()
    worker.start()
    assert {path.name for path in (folder / "kept").iterdir()} == {J1, f"{J1}.json"}

    fake_server.give(resumed("job-2", J1, "cat file", "sleep 600"))
    worker.wait(lambda: b"kept\n" in fake_server.logs["job-2"], "the job to go on")
    worker.kill()
    worker.start()
    assert worker.wait_for_finish("job-2") == "unknown"
    assert fake_server.finished["job-2"].kept_until_ms is None
    assert not (folder / "workspaces" / "job-2").exists()
    assert list((folder / "kept").iterdir()) == []

    fake_server.give(resumed("job-3", J1, f"touch {tmp_path}/judge"))
    assert worker.wait_for_finish("job-3") == "failed"
    assert "is not kept here any more" in fake_server.finished["job-3"].explanation
    assert not (tmp_path / "judge").exists()

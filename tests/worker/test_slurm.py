"""Phases as jobs of a real Slurm: what they see, how they end, and what ends them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.files import InputFile
from opsicle.domain.templates import Phase, SlurmOptions
from opsicle.wire.jobs import StepState, outputs_of, summary_of
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.input_files import receive, staging_folder
from opsicle.worker.private_files import private_folder
from opsicle.worker.runtimes import slurm as slurm_runtime
from opsicle.worker.runtimes.slurm import SlurmRuntime
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.slurm_ends import read_end
from opsicle.worker.slurm_scripts import NOT_BEGUN, batch_script
from tests.slurm import Slurm
from tests.support import wait_until
from tests.worker.container_phases import arguments_of_all
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import (
    Machine,
    in_background,
    number_twice,
    phase,
    printed_twice,
    under_headings,
)
from tests.worker.running_worker import RunningWorker

NOTE = re.compile(rb"opsicle: job .*\n")
"""What is said of Slurm in between."""

SECRET = "line one, secret\nline 'two' $HOME"


@pytest.fixture(scope="module")
def own_slurm() -> Iterator[Slurm]:
    slurm = Slurm()
    yield slurm
    slurm.close()


@pytest.fixture
def slurm(own_slurm: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    monkeypatch.setenv("SLURM_CONF", own_slurm.environment["SLURM_CONF"])
    monkeypatch.setattr(slurm_runtime, "_ASK_TENTHS", 10)
    yield own_slurm
    assert own_slurm.jobs() == [], "a job of Slurm was left"


@pytest.fixture
def cluster(machine: Machine, slurm: Slurm) -> Iterator[Machine]:
    """Return a machine that has Slurm; what a failed test left running is cancelled."""
    machine.runtimes = Runtimes((SubprocessRuntime(machine.environment), SlurmRuntime()))
    assert machine.runtimes.kinds == ("subprocess", "slurm"), machine.runtimes.unavailable
    yield machine
    machine.cancellation.cancel()
    for thread in machine.beside:
        thread.join(60)
    assert list(machine.root.iterdir()) == []


def in_slurm(*commands: str, asked: SlurmOptions | None = None, **more: Any) -> Phase:
    """Return a phase that is a job of Slurm; generous, as Slurm takes its time."""
    more.setdefault("timeout", 120)
    return phase(*commands, slurm=asked or SlurmOptions(), **more)


def end_once_begun(cluster: Machine, phases: Phase, end: Any) -> Any:
    """Run a job, and do something to it once it has printed; return how it ended."""
    thread, outcomes = in_background(cluster, phases)
    wait_until(lambda: b"begun" in cluster.log.stdout, 60, "its output")
    end()
    thread.join(60)
    return outcomes[0]


STUBBORN = "trap '' TERM; echo begun; exec env -i sleep 300"
"""Without a mark of its job, by which another runtime would find it on this machine."""


# What a phase sees, and hands on


def test_a_phase_in_slurm_is_like_one_without_and_shares_the_workspace(
    cluster: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given: a file of the job's, a secret, and a worker's environment that is nobody's business
    monkeypatch.setenv("OF_THE_WORKER", "1")
    cluster.private_folder = private_folder(tmp_path)
    cluster.artifacts = ArtifactSpool(tmp_path / "artifacts", "job-1")
    content = b"a;b"
    file = InputFile(
        variable="r",
        position=0,
        name="it's.csv",
        size=3,
        sha256=hashlib.sha256(content).hexdigest(),
    )
    cluster.root.mkdir()
    receive([file], staging_folder(cluster.root, "job-1"), lambda _file, at: content[at:])

    # when
    outcome = cluster.run(
        phase("mkdir sub; echo plain >from-plain", name="before"),
        in_slurm(
            'echo "$(pwd) ${OF_THE_WORKER-unset} $V"; echo wrong >&2; cat ../from-plain',
            'cat "$OPSICLE_VAR_R" "$OPSICLE_SECRET_FILE_PIN"; echo "$OPSICLE_SECRET_PIN"',
            'stat -c %a "$OPSICLE_SECRET_FILE_PIN"; echo made >made',
            'echo out=1 >>"$OPSICLE_OUTPUT"; echo "# Done" >>"$OPSICLE_SUMMARY"',
            'test "$SLURM_CPUS_PER_TASK" = 1; test -n "$SLURM_JOB_ID"; exit 0',
            name="there",
            working_directory="sub",
            env={"V": "a\nb"},
            secrets=("pin",),
            outputs=("out",),
            artifacts=("sub/made",),
            asked=SlurmOptions(partition="main", cpus=1, memory_mib=64, time=600),
        ),
        phase("cat sub/made; echo $OPSICLE_OUTPUT_OUT", name="after"),
        in_slurm(*number_twice(100), name="numbers"),
        job_id="job-1",
        secret_values={"pin": SECRET},
        files=(file,),
    )

    # then
    there = outcome.phases[1]
    assert outcome.state is JobState.SUCCEEDED, (outcome, cluster.log.everything)
    expected = f"{cluster.root}/job-1/sub unset a\nb\nplain\na;b***\n***\n600\n"
    assert cluster.log.of(phase=1, stream=1).decode() == expected
    assert b"wrong\n" in cluster.log.of(phase=1, stream=2)
    assert [command.exit_code for command in there.commands] == [0, 0, 0, 0, 0]
    assert outputs_of(outcome.phases) == {"out": "1"}
    assert summary_of(outcome.phases) == "# Done"
    assert cluster.log.of(phase=2) == b"made\n1\n"
    numbers = [b"".join(NOTE.split(each)) for each in under_headings(cluster.log, outcome, 3)]
    assert numbers == printed_twice(100)
    assert cluster.artifacts.count == 1
    cluster.private_folder.rmdir()


def test_a_log_comes_as_it_is_printed_whole_and_once(cluster: Machine) -> None:
    count = 60_000
    outcome = cluster.run(
        in_slurm(f"i=0; while [ $i -lt {count} ]; do echo line $i; i=$((i+1)); done; exit 7")
    )

    assert cluster.log.stdout == b"".join(b"line %d\n" % i for i in range(count))
    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 7)


# How it ends


def test_a_cancel_lets_it_end_and_takes_its_last_words(cluster: Machine, slurm: Slurm) -> None:
    polite = in_slurm(
        "trap 'echo last words; exit 3' TERM; echo begun; while :; do sleep 0.1; done"
    )
    outcome = end_once_begun(cluster, polite, cluster.cancellation.cancel)

    assert outcome.state is JobState.CANCELLED
    assert cluster.log.stdout == b"begun\nlast words\n"


def test_what_ends_it_is_told_apart_and_no_value_stands_in_an_argument(
    slurm: Slurm, tmp_path: Path
) -> None:
    # given: three jobs side by side, as what is waited for here is Slurm
    machines = [Machine(tmp_path / name) for name in ("ours", "theirs", "hungry")]
    for each in machines:
        each.runtimes = Runtimes((SlurmRuntime(),))
    ours, theirs, hungry = machines
    too_much = "exec python3 -c 'import time; x = b\"x\" * 200_000_000; time.sleep(300)'"
    ended = [
        in_background(ours, in_slurm(STUBBORN, env={"V": "in no argument"})),
        in_background(theirs, in_slurm(STUBBORN), job_id="theirs"),
        in_background(hungry, in_slurm(too_much, asked=SlurmOptions(memory_mib=50))),
    ]
    wait_until(lambda: b"begun" in ours.log.stdout and b"begun" in theirs.log.stdout, 60, "both")

    # when
    told = arguments_of_all() + slurm("scontrol", "show", "job").encode()
    ours.cancellation.cancel()
    slurm("scancel", "--name=opsicle-theirs")
    for thread, _ in ended:
        thread.join(120)

    # then
    outcomes = [outcome for _, [outcome] in ended]
    assert b"opsicle-theirs" in told
    assert b"in no argument" not in told
    failed, cancelled = JobState.FAILED, JobState.CANCELLED
    assert [outcome.state for outcome in outcomes] == [cancelled, failed, failed]
    assert [outcome.phases[0].explanation for outcome in outcomes] == [
        "cancelled",
        "it was cancelled in Slurm, not by Opsicle",
        "it needed more memory than Slurm had given it (50 MiB)",
    ]


def test_one_that_waits_in_slurm_is_cancelled_at_once_and_says_for_what_it_waits(
    cluster: Machine, slurm: Slurm
) -> None:
    slurm("scontrol", "update", "partitionname=main", "state=down")
    try:
        thread, outcomes = in_background(cluster, in_slurm("echo begun"), grace_seconds=60)
        wait_until(lambda: b"waits in Slurm (PartitionDown)" in cluster.log.stderr, 60, "the wait")
        cluster.cancellation.cancel()
        thread.join(60)
    finally:
        slurm("scontrol", "update", "partitionname=main", "state=up")

    assert outcomes[0].state is JobState.CANCELLED
    assert cluster.log.stdout == b""
    assert cluster.seconds < 60


def test_a_lost_node_leaves_nobody_knowing_how_it_ended(cluster: Machine, slurm: Slurm) -> None:
    outcome = end_once_begun(cluster, in_slurm(STUBBORN), slurm.lose_node)
    slurm.await_node()

    assert outcome.phases[0].state is StepState.UNKNOWN
    assert outcome.state is JobState.UNKNOWN
    assert f"Slurm lost the node {slurm.node}" in outcome.phases[0].explanation


def test_one_that_is_preempted_says_so_and_runs_once(cluster: Machine, slurm: Slurm) -> None:
    def preempt() -> None:
        slurm("sbatch", "--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=true")

    outcome = end_once_begun(cluster, in_slurm(STUBBORN), preempt)
    slurm.await_node()

    assert (outcome.state, cluster.log.stdout) == (JobState.FAILED, b"begun\n")
    assert "pre-empted it" in outcome.phases[0].explanation


@pytest.mark.parametrize(
    ("said", "asked", "explanation"),
    [
        (
            "TIMEOUT Reason=TimeLimit",
            SlurmOptions(time=600),
            "its time limit (`slurm.time`, 600 s)",
        ),
        ("TIMEOUT Reason=TimeLimit", SlurmOptions(), "its time limit (its partition's)"),
        ("OUT_OF_MEMORY Reason=OutOfMemory", SlurmOptions(), "more memory than Slurm had given it"),
        ("DEADLINE Reason=DeadLine", SlurmOptions(), "at its deadline"),
        ("COMPLETED Reason=None", SlurmOptions(), ""),
    ],
)
def test_what_would_take_slurm_long_or_cgroups_is_read_from_its_words(
    tmp_path: Path, said: str, asked: SlurmOptions, explanation: str
) -> None:
    for name in ("started", "end", "err"):
        (tmp_path / name).touch()
    words = f"JobId=1 JobName=x JobState={said} Requeue=0 ExitCode=0:15 BatchHost=n1\n"
    (tmp_path / "said").write_text(words)

    end = read_end(tmp_path)

    assert end.is_gone
    assert end.lost_text() == ""
    assert explanation in end.problem_text(asked, tmp_path)
    assert bool(explanation) == bool(end.problem_text(asked, tmp_path))


def test_a_node_without_the_workers_folder_is_named_and_has_run_nothing(tmp_path: Path) -> None:
    # As Slurm 22.05 says where it cannot open the log's file.
    for name in ("first", "err"):
        (tmp_path / name).touch()
    (tmp_path / "said").write_text("JobId=6 JobState=FAILED ExitCode=0:53 BatchHost=n7\n")

    end = read_end(tmp_path)

    assert not (tmp_path / "first").exists()
    assert "the node n7 does not see" in end.problem_text(SlurmOptions(), tmp_path)
    assert "nothing of it was run" in end.problem_text(SlurmOptions(), tmp_path)


def test_what_slurm_is_given_begins_a_phase_once_whoever_begins_it_again(tmp_path: Path) -> None:
    (tmp_path / "batch").write_bytes(batch_script(tmp_path))
    (tmp_path / "first").write_text("echo ran")

    begun = [
        subprocess.run(["/bin/sh", tmp_path / "batch"], capture_output=True, check=False)
        for _ in range(2)
    ]

    assert [each.returncode for each in begun] == [0, NOT_BEGUN]
    assert [each.stdout for each in begun] == [b"ran\n", b""]
    assert b"nothing is run" in begun[1].stderr


def test_what_slurm_does_not_take_has_run_nothing(cluster: Machine) -> None:
    outcome = cluster.run(in_slurm("echo begun", asked=SlurmOptions(partition="nowhere")))

    assert outcome.state is JobState.FAILED
    assert outcome.phases[0].explanation == "Slurm did not take it; nothing of it was run"
    assert b"invalid partition" in cluster.log.stderr


# A worker's death


def test_a_job_of_an_earlier_life_is_swept_by_the_next(
    tmp_path: Path, fake_server: FakeServer, slurm: Slurm
) -> None:
    worker = RunningWorker(tmp_path, fake_server)
    worker.start()
    try:
        job = work(J1, "echo begun; exec env -i sleep 300")
        there = msgspec.structs.replace(job.phases[0], slurm=SlurmOptions(), timeout=120)
        fake_server.give(msgspec.structs.replace(job, phases=(there,)))
        worker.wait(lambda: b"begun\n" in bytes(fake_server.logs[J1]), "the job's output")

        worker.kill()
        assert slurm.jobs() == [f"opsicle-{J1}"]
        worker.start()

        assert worker.wait_for_finish(J1) == JobState.UNKNOWN
        assert slurm.jobs() == []
    finally:
        worker.close()


# What a job does to the folder


def test_a_job_that_puts_something_else_in_the_place_of_its_files_harms_nobody(
    cluster: Machine, tmp_path: Path
) -> None:
    (tmp_path / "output").write_text("out=of somebody else\n")
    there = '"$(dirname "$OPSICLE_OUTPUT")"'
    outcome = cluster.run(
        in_slurm(
            f"cd {there}; rm err output said; mkfifo err; ln -s {tmp_path}/output output",
            "exit 3",
            outputs=("out",),
        )
    )

    assert outcome.state is not JobState.SUCCEEDED
    assert outputs_of(outcome.phases) == {}
    assert b"somebody else" not in cluster.log.everything


def test_jobs_of_another_user_are_that_users_in_slurm_too(
    slurm: Slurm, fake_server: FakeServer
) -> None:
    with tempfile.TemporaryDirectory(prefix="opsicle-run-as-") as name:
        Path(name).chmod(0o711)
        worker = RunningWorker(Path(name), fake_server, options=("--run-as", "nobody"))
        worker.start()
        try:
            commands = ("id -u; stat -c %u:%a .", 'echo out=$(id -u) >>"$OPSICLE_OUTPUT"')
            job = work(J1, *commands)
            there = msgspec.structs.replace(
                job.phases[0], slurm=SlurmOptions(), timeout=120, outputs=("out",)
            )
            fake_server.give(msgspec.structs.replace(job, phases=(there,)))
            assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
        finally:
            worker.close()

    assert b"65534\n65534:700\n" in bytes(fake_server.logs[J1])
    assert outputs_of(fake_server.finished[J1].phases) == {"out": "65534"}

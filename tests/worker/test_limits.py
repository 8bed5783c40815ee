"""What phases without an image may use at most, kept by rlimits; real processes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import ResourceLimits, Retries
from opsicle.worker.cgroups import NoCgroups, find_pids_cgroups
from opsicle.worker.run_as import find_accounts
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.support import require
from tests.worker.job_runs import Machine, is_alive, phase

HOG = "x = bytearray(300 << 20); print('had it all')"


@pytest.fixture
def by_rlimits(machine: Machine) -> Machine:
    """Return a machine whose worker has no cgroups, wherever these tests run."""
    runtime = SubprocessRuntime(machine.environment)
    machine.runtimes = Runtimes((runtime,))
    runtime.cgroups = None
    return machine


@pytest.mark.parametrize(
    ("command", "limits", "exit_code", "explanation"),
    [
        (
            "while :; do :; done",
            ResourceLimits(cpu_seconds=1),
            152,
            "a process used more than the limit of 1 s of CPU (SIGXCPU)",
        ),
        (
            "dd if=/dev/zero of=large bs=1M count=3",
            ResourceLimits(file_mib=1),
            153,
            "a file was to be larger than the limit of 1 MiB (SIGXFSZ)",
        ),
    ],
)
def test_a_phase_that_uses_more_fails_and_says_of_what(
    by_rlimits: Machine, command: str, limits: ResourceLimits, exit_code: int, explanation: str
) -> None:
    outcome = by_rlimits.run(phase(command, limits=limits), phase("echo never"))

    assert outcome.state is JobState.FAILED
    assert (outcome.phases[0].exit_code, outcome.phases[0].explanation) == (exit_code, explanation)
    assert outcome.explanation == f"phase work: {explanation}"
    assert b"never" not in by_rlimits.log.stdout


def test_what_wants_more_memory_gets_none(by_rlimits: Machine) -> None:
    outcome = by_rlimits.run(
        phase(HOG, shell=sys.executable, limits=ResourceLimits(memory_mib=200)),
        phase(HOG, shell=sys.executable, name="free"),
    )

    assert (outcome.state, outcome.phases[0].exit_code) == (JobState.FAILED, 1)
    assert b"MemoryError" in by_rlimits.log.stderr
    assert b"had it all" not in by_rlimits.log.stdout


def test_limits_end_with_their_phase_and_bind_no_other(by_rlimits: Machine) -> None:
    before = os.nice(0)

    outcome = by_rlimits.run(
        phase(
            "ulimit -St; ulimit -Ht; ulimit -f; ulimit -v; nice",
            limits=ResourceLimits(cpu_seconds=5, file_mib=2, memory_mib=512, nice=7),
        ),
        phase("ulimit -t; ulimit -f; ulimit -v; nice", name="free"),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert by_rlimits.log.of(phase=0, stream=1).split() == [
        *(b"5", b"6", b"4096", b"524288"),
        str(min(before + 7, 19)).encode(),
    ]
    assert by_rlimits.log.of(phase=1).split() == [b"unlimited"] * 3 + [str(before).encode()]


def test_the_log_says_by_what_limits_are_kept(by_rlimits: Machine) -> None:
    limits = ResourceLimits(cpu_seconds=5, memory_mib=512, file_mib=2, nice=1)

    by_rlimits.run(phase("echo through", limits=limits), phase("true", name="free"))

    assert by_rlimits.log.stderr.decode() == (
        "opsicle: limits: 512 MiB of address space for each process, by rlimit; "
        "5 s of CPU for each process, by rlimit; 2 MiB for each file, by rlimit; nice 1\n"
    )


def test_every_try_has_the_whole_limit(by_rlimits: Machine) -> None:
    outcome = by_rlimits.run(
        phase(
            "ulimit -t; exit 3", limits=ResourceLimits(cpu_seconds=5), retries=Retries(1, delay=0)
        )
    )

    assert outcome.phases[0].tries == 2
    assert by_rlimits.log.stdout == b"5\n5\n"


def test_with_limits_a_phase_has_the_same_files_session_and_environment(
    by_rlimits: Machine,
) -> None:
    tell = "ls /proc/self/fd; cat; cut -d' ' -f5,6 /proc/$$/stat | tr ' ' '\\n' | sort -u | wc -l"
    tell += "; env | sed 's/=.*//' | sort"

    by_rlimits.run(phase(tell), phase(tell, limits=ResourceLimits(cpu_seconds=9)))

    assert by_rlimits.log.of(phase=0, stream=1) == by_rlimits.log.of(phase=1, stream=1)
    assert b"opsicle_go" not in by_rlimits.log.stdout


def test_a_shell_that_is_not_there_fails_as_one_without_limits(by_rlimits: Machine) -> None:
    outcome = by_rlimits.run(phase("x", shell="/no/sh", limits=ResourceLimits(cpu_seconds=9)))

    assert (outcome.state, outcome.phases[0].exit_code) == (JobState.FAILED, 127)
    assert outcome.phases[0].explanation == "the shell /no/sh was not found on the worker"


def test_nothing_of_a_limited_phase_outlives_a_cancel(by_rlimits: Machine) -> None:
    by_rlimits.on_child = lambda pid, _: (
        by_rlimits.children.append((pid, "")),
        by_rlimits.cancellation.cancel(),
    )[0]

    outcome = by_rlimits.run(phase("sleep 300", limits=ResourceLimits(cpu_seconds=9)))

    assert outcome.state is JobState.CANCELLED
    assert not any(is_alive(pid) for pid, _ in by_rlimits.children)


# Processes: the kernel counts those of a user, and not root's.


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that others may pass through, which pytest's are not."""
    require(os.geteuid() == 0, "root, to start processes as another user")
    name = tempfile.mkdtemp(prefix="opsicle-limits-")
    Path(name).chmod(0o711)
    yield Path(name)
    shutil.rmtree(name)


def test_root_is_refused_what_the_kernel_would_not_keep(by_rlimits: Machine) -> None:
    require(os.geteuid() == 0, "root, whose processes are not counted")

    outcome = by_rlimits.run(phase("touch ran", limits=ResourceLimits(processes=5)))

    assert (outcome.state, outcome.phases[0].exit_code) == (JobState.FAILED, 126)
    assert "`limits.processes` cannot be kept on this worker" in outcome.explanation


def test_root_has_them_counted_by_a_cgroup_of_version_1_where_there_is_one(
    by_rlimits: Machine,
) -> None:
    runtime = _with_cgroups_v1(by_rlimits)
    limits = ResourceLimits(processes=5, memory_mib=512)

    outcome = by_rlimits.run(
        phase("cat /proc/self/cgroup; ulimit -v", name="few", limits=limits),
        phase("for i in 1 2 3 4 5 6 7; do sleep 1 & done; wait", limits=limits, shell="/bin/dash"),
    )
    by_rlimits.run(phase("true", limits=limits))

    assert runtime.limits_by == "rlimits, and cgroup v1 for processes"
    assert [each.state for each in outcome.phases] == ["succeeded", "failed"]
    assert outcome.phases[1].explanation == "it needed more than its limit of 5 processes"
    assert by_rlimits.log.of(0, 1).endswith(b"\n524288\n")
    assert b"5 processes by cgroup v1" in by_rlimits.log.of(0, 2)
    mine = f"opsicle-worker-{os.getpid()}"
    assert mine.encode() in by_rlimits.log.of(0, 1)
    [folder] = Path("/sys/fs/cgroup/pids").glob(f"**/{mine}")
    assert not list(folder.glob("opsicle-phase-*"))
    folder.rmdir()


def _with_cgroups_v1(machine: Machine) -> SubprocessRuntime:
    try:
        cgroups = find_pids_cgroups()
    except NoCgroups as problem:
        require(False, f"cgroups of version 1 to make some in: {problem}")
        raise
    runtime = SubprocessRuntime(machine.environment)
    machine.runtimes = Runtimes((runtime,))
    runtime.cgroups = cgroups
    return runtime


def test_a_cgroup_of_version_1_is_left_to_systemd_and_cleared_of_who_has_ended(
    tmp_path: Path,
) -> None:
    mounts, own = tmp_path / "mountinfo", tmp_path / "cgroup"
    mounts.write_text(f"30 23 0:26 / {tmp_path} rw - cgroup pids rw,pids\n")
    own.write_text("8:pids:/system.slice/x.service\n")
    (tmp_path / "system.slice/x.service").mkdir(parents=True)
    with pytest.raises(NoCgroups, match="systemd's to manage"):
        find_pids_cgroups(mounts, own)

    own.write_text("8:cpu,pids:/mine\n")
    ended = tmp_path / "mine/opsicle-worker-99999999/opsicle-phase-1"
    alive = tmp_path / f"mine/opsicle-worker-{os.getppid()}"
    ended.mkdir(parents=True)
    alive.mkdir()
    find_pids_cgroups(mounts, own)
    assert alive.exists()
    assert not ended.parent.exists()

    own.write_text("8:cpu:/\n")
    with pytest.raises(NoCgroups, match="no cgroup with the controller pids"):
        find_pids_cgroups(mounts, own)


def test_a_fork_bomb_of_another_user_ends_at_the_limit(by_rlimits: Machine, folder: Path) -> None:
    # A user that runs nothing else: 12 processes are 12.
    account = find_accounts(["backup"]).default
    bomb = "bomb() { bomb | bomb; }; bomb"
    work = by_rlimits.work(phase(bomb, limits=ResourceLimits(processes=12), timeout=30))
    host = RunnerHost(
        workspace_root=folder,
        runtimes=by_rlimits.runtimes or Runtimes(()),
        account=account,
        grace_seconds=0.5,
    )

    outcome = Runner(work, by_rlimits.log, host, by_rlimits.cancellation).run()

    assert outcome is not None
    assert (outcome.state, outcome.phases[0].exit_code) == (JobState.FAILED, 2)
    assert b"Cannot fork" in by_rlimits.log.stderr

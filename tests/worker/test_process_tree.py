"""Finding every process of a job, none of anybody else's, and ending what a dead worker left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.worker import process, process_ids
from opsicle.worker.process_tree import JobTree, end_tree, kill_orphans
from tests.support import wait_until
from tests.worker.job_runs import is_alive

JOB = f"tree-{os.getpid()}"
"""Test processes that run side by side have jobs of their own: all that carries its id is ended."""

WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.worker.job_runs import Machine, phase
machine = Machine(Path(sys.argv[2]))
machine.on_child = lambda pid, life: print(pid, life, flush=True)
machine.run(phase(sys.argv[4], timeout=60), job_id=sys.argv[3])
"""


class KilledWorker:
    """A worker that ran one job and was killed with SIGKILL in the middle of it."""

    def __init__(self, root: Path, job_id: str, command: str, up: Path) -> None:
        repository = Path(__file__).parents[2]
        running = subprocess.Popen(
            [sys.executable, "-c", WORKER, repository, root, job_id, command],
            stdout=subprocess.PIPE,
            text=True,
        )

        with running:
            pid, self.instance = running.stdout.readline().split()
            self.shell = int(pid)
            wait_until(up.exists, what="the job's processes")
            running.kill()


@pytest.fixture
def other_process() -> Iterator[subprocess.Popen[bytes]]:
    other = subprocess.Popen(["sleep", "1000"], env={"OPSICLE_JOB_ID": f"{JOB}0"})
    yield other
    other.kill()
    other.wait()


def test_after_a_crash_everything_of_the_job_is_ended_and_nothing_else(
    tmp_path: Path, other_process: subprocess.Popen[bytes]
) -> None:
    up = tmp_path / "up"
    command = (
        f"cd {tmp_path}; trap '' TERM;"
        'env -i setsid sh -c \'trap "" TERM;'
        "(sleep 1000 & echo $! > orphan; wait) </dev/null >/dev/null 2>&1 &';"
        f"while [ ! -s orphan ]; do :; done; touch {up}; sleep 1000 & sleep 1000"
    )

    dead = KilledWorker(tmp_path / "root", JOB, command, up)

    orphan = int((tmp_path / "orphan").read_text())
    assert is_alive(dead.shell)
    assert is_alive(orphan)
    assert kill_orphans(JOB, dead.shell, dead.instance, grace_seconds=0.3) == 0
    assert not is_alive(dead.shell)
    assert not is_alive(orphan)
    assert other_process.poll() is None


def test_a_process_that_only_has_the_same_id_now_is_left_alone(
    other_process: subprocess.Popen[bytes],
) -> None:
    instance = process_ids.instance_of(other_process.pid)

    assert instance

    boot, _, ticks = instance.partition("/")
    assert kill_orphans(JOB, other_process.pid, f"{boot}/{int(ticks) - 1}", grace_seconds=0.1) == 0
    assert kill_orphans(JOB, other_process.pid, f"another-boot/{ticks}", grace_seconds=0.1) == 0
    assert kill_orphans(JOB, other_process.pid, "", grace_seconds=0.1) == 0
    assert other_process.poll() is None


def test_a_job_whose_id_begins_alike_is_another_job(other_process: subprocess.Popen[bytes]) -> None:
    assert kill_orphans(JOB, grace_seconds=0.1) == 0
    assert other_process.poll() is None
    assert JobTree(f"{JOB}0").count() == 1


def test_one_that_lost_every_mark_is_found_through_its_parent_and_remembered(
    tmp_path: Path,
) -> None:
    pid_file = tmp_path / "pid"
    stripped = (
        "import os, resource, signal, sys\n"
        "resource.setrlimit(10, (resource.RLIM_INFINITY,) * 2)\n"  # what `su` may do to limits
        "if os.fork():\n    signal.pause()\n"
        "os.setsid()\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\nsignal.pause()\n"
    )
    (tmp_path / "stripped.py").write_text(stripped)
    tree = JobTree(f"{JOB}-2")
    shell = f"env -i {sys.executable} {tmp_path}/stripped.py; true"

    child = process.spawn(
        [b"/bin/sh", b"-c", shell.encode()], {b"PATH": os.environb[b"PATH"]}, tmp_path, tree.tag
    )
    wait_until(lambda: pid_file.exists() and pid_file.read_text(), what="the stripped process")

    assert end_tree(tree, grace_seconds=0.3) == 0
    assert not is_alive(int(pid_file.read_text()))
    assert child.wait() == 128 + signal.SIGTERM

    process.collect_orphans()
    os.close(child.stdout)
    os.close(child.stderr)


def test_a_tree_that_grows_while_it_is_cut_is_ended(tmp_path: Path) -> None:
    # It ends by itself, so that a failing test leaves nothing behind that nobody can catch, and it
    # sleeps, so that the dead do not take up every process id.
    hopping = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ends_at = time.monotonic() + 90
while time.monotonic() < ends_at:
    if os.fork():
        os._exit(0)
    os.setsid()
    time.sleep(0.005)
"""
    tree = JobTree(f"{JOB}-3")

    child = process.spawn(
        [os.fsencode(sys.executable), b"-c", hopping.encode()], {}, tmp_path, tree.tag
    )

    assert child.wait() == 0

    began = time.monotonic()
    assert end_tree(tree, grace_seconds=0.2) == 0
    assert time.monotonic() - began < 60  # else it ends by itself

    process.collect_orphans()
    os.close(child.stdout)
    os.close(child.stderr)


def test_a_process_whose_first_thread_has_ended_is_still_alive(tmp_path: Path) -> None:
    program = (
        "import ctypes, threading, time\n"
        "def run(): time.sleep(0.1); open('up', 'w'); time.sleep(1000)\n"
        "threading.Thread(target=run).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    tree = JobTree(f"{JOB}-4")

    child = process.spawn(
        [os.fsencode(sys.executable), b"-c", program.encode()], {}, tmp_path, tree.tag
    )
    wait_until((tmp_path / "up").exists, what="the second thread")

    assert end_tree(tree, grace_seconds=0.1) == 0
    assert child.wait() in {128 + signal.SIGTERM, 128 + signal.SIGKILL}

    os.close(child.stdout)
    os.close(child.stderr)

"""The worker's data folder, and the identity that is kept in it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.kit import files
from opsicle.security import join_token
from opsicle.worker import process_ids
from opsicle.worker.identity import WorkerDataFolder
from tests.worker.running_worker import run_worker


def test_a_crash_while_the_identity_is_written_leaves_the_old_one_or_the_new(
    tmp_path: Path,
) -> None:
    """The process is killed at each system call of the replacement in turn."""
    code = """
import os, pathlib, sys
from opsicle.kit import files
left = int(sys.argv[2])
def dying(call):
    def wrapper(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), 9)
        return call(*arguments, **options)
    return wrapper
for name in ("open", "write", "fsync", "replace", "close"):
    setattr(os, name, dying(getattr(os, name)))
files.replace(pathlib.Path(sys.argv[1]), b"new" * 1000)
"""
    path = tmp_path / "identity.json"
    seen = set()

    for calls in range(12):
        path.write_bytes(b"old" * 1000)
        ended = subprocess.run(
            [sys.executable, "-c", code, str(path), str(calls)], check=False
        ).returncode
        content = path.read_bytes()
        assert content in {b"old" * 1000, b"new" * 1000}
        seen.add((ended, content[:3]))

    assert (-9, b"old") in seen
    assert (0, b"new") in seen


def test_half_an_identity_on_the_way_is_no_identity(folder: WorkerDataFolder) -> None:
    (folder.path / ".identity.json.new").write_bytes(b'{"worker_id": "w')

    assert folder.load_identity() is None

    files.replace(folder.path / "identity.json", b"{}")
    with pytest.raises(InvalidInput, match="damaged"):
        folder.load_identity()


def test_two_workers_cannot_share_a_data_folder(folder: WorkerDataFolder) -> None:
    with pytest.raises(Conflict, match="another worker is running"):
        WorkerDataFolder.open(folder.path)


def test_a_lock_that_a_child_of_a_killed_worker_still_has_is_waited_for(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    gone = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, text=True, check=True)
    os.write(lock, f"{gone.stdout.strip()} {process_ids.boot_id()}/1".encode())
    looks: list[float] = []

    def let_go(_seconds: float) -> None:
        looks.append(_seconds)
        os.close(lock)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", let_go)
        WorkerDataFolder.open(tmp_path).close()

    assert len(looks) == 1


def test_a_killed_worker_of_which_its_parent_has_not_heard_is_no_living_one(tmp_path: Path) -> None:
    """Process 1 of many containers never hears of one; its jobs would be left to nobody."""
    code = """
import os, sys, pathlib
from opsicle.worker.identity import WorkerDataFolder
WorkerDataFolder.open(pathlib.Path(sys.argv[1]))
os.kill(os.getpid(), 9)
"""
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)

    folder = WorkerDataFolder.open(tmp_path)

    assert folder.living_original is None
    folder.close()
    assert killed.wait() == -signal.SIGKILL


def test_a_data_folder_that_is_a_file_is_told_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()

    ended = run_worker(path, "--join", join_token.new("http://127.0.0.1:9").text)

    assert ended.returncode == 2
    assert "cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr

"""Which server runs on a data folder, as other programs on its machine find out."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import msgspec
import pytest

from opsicle.server.data_folder import ServerFile, find_running


@pytest.fixture
def said(tmp_path: Path) -> ServerFile:
    """Return what this process says of itself as the server of a folder."""
    said = ServerFile(
        url="https://a", worker_url="https://b", pid=os.getpid(), ca_fingerprint="", version="1"
    )
    (tmp_path / "server.json").write_bytes(msgspec.json.encode(said))
    return said


def test_who_holds_the_lock_is_found(tmp_path: Path, said: ServerFile) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert find_running(tmp_path) == said

    assert find_running(tmp_path) is None


def test_a_process_that_has_the_number_of_one_that_crashed_is_no_server(
    tmp_path: Path, said: ServerFile
) -> None:
    (tmp_path / "lock").touch()

    assert Path(f"/proc/{said.pid}").exists()
    assert find_running(tmp_path) is None


def test_a_pipe_in_the_place_of_the_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    os.mkfifo(tmp_path / "server.json")

    assert find_running(tmp_path) is None

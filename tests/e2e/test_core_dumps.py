"""However the server or a worker dies, nothing of its memory comes to the disk."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.product import Installation, Place
from tests.support import require

pytestmark = pytest.mark.e2e

GENEROUS = Place(("sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"))
"""A place where a program that crashes leaves a core file, of whatever size."""


def leaves_core(popen: subprocess.Popen[bytes]) -> bool:
    """Return whether a process leaves a core file when it crashes, by the kernel's own word."""
    popen.send_signal(signal.SIGABRT)
    _, status = os.waitpid(popen.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT
    popen.returncode = -signal.SIGABRT
    return os.WCOREDUMP(status)


def need_core_files(folder: Path) -> None:
    """Skip unless what crashes here otherwise does leave a core."""
    with subprocess.Popen(
        [*GENEROUS.prefix, "sh", "-c", "echo; read _"], cwd=folder, stdin=-1, stdout=-1
    ) as shell:
        assert shell.stdout
        shell.stdout.readline()
        require(leaves_core(shell), "a system on which a crash leaves a core file")


def test_a_crash_of_server_or_worker_leaves_no_core_file(tmp_path: Path) -> None:
    need_core_files(tmp_path)
    with Installation(tmp_path / "place", server_place=GENEROUS) as installation:
        worker = installation.worker("w", GENEROUS)
        assert leaves_core(worker.process.popen) is False
        assert leaves_core(installation.server.process.popen) is False

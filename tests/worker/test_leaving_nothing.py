"""The tests themselves leave no worker behind, however they end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import wait_until
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import ROOT

_LEFT_ALONE = """
import pathlib, sys, time
from tests.worker.fake_server import FakeServer
from tests.worker.running_worker import RunningWorker
folder = pathlib.Path(sys.argv[1])
fake_server = FakeServer(folder)
fake_server.start()
running_worker = RunningWorker(folder, fake_server)
running_worker.start()
print(running_worker.process.pid, flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_the_tests_that_started_it(tmp_path: Path) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", _LEFT_ALONE, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tests.stdout
    worker_pid = int(tests.stdout.readline())
    assert is_alive(worker_pid)

    tests.kill()
    tests.communicate()

    wait_until(lambda: not is_alive(worker_pid), what="the worker's end")

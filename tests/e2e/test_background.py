"""Started in the background, where shells let a program ignore Ctrl-C.

It heeds it all the same, and so do its jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.product import Process, User, clean_environment, program
from tests.support import wait_until
from tests.worker.fake_server import FakeServer, work
from tests.worker.running_worker import RunningWorker

pytestmark = pytest.mark.e2e

JOB = f"background-{os.getpid()}"
IGNORING = ["sh", "-c", 'trap "" INT QUIT HUP USR1; exec "$@"', "sh"]
HEEDS = (
    "trap 'echo heard' INT QUIT HUP USR1; kill -INT $$; kill -QUIT $$; kill -HUP $$; kill -USR1 $$"
)
TEMPLATE = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: t}
spec: {template: {phases: [{name: p, commands: ["COMMAND"]}]}}
"""


@pytest.fixture
def fake_server(tmp_path: Path):
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    yield fake_server
    fake_server.stop()


def template(tmp_path: Path, command: str) -> str:
    path = tmp_path / "t.yaml"
    path.write_text(TEMPLATE.replace("COMMAND", command))
    return str(path)


def test_a_command_of_a_file_that_is_run_in_the_background_can_be_signalled(tmp_path: Path) -> None:
    done = subprocess.run(
        [*IGNORING, *program(), "run", template(tmp_path, HEEDS)],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(User(tmp_path, "a@example.com").environment),
        check=True,
    )
    assert done.stdout.split() == ["heard"] * 4


def test_a_file_that_is_run_in_the_background_is_cancelled_by_ctrl_c_but_not_by_a_closed_terminal(
    tmp_path: Path,
) -> None:
    begun = tmp_path / "begun"
    path = template(tmp_path, f"touch {begun}; sleep 60")
    running = Process([*IGNORING, *program(), "run", path], tmp_path, "run")
    wait_until(begun.exists, 60, "the command")
    running.popen.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        running.popen.wait(1)
    running.popen.send_signal(signal.SIGINT)
    assert running.popen.wait(60) == 11, running.log()


def test_a_worker_in_the_background_drains_at_ctrl_c_and_its_jobs_can_be_signalled(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    worker = RunningWorker(tmp_path, fake_server)
    worker.prefix = IGNORING
    worker.start()
    try:
        fake_server.give(work(JOB, HEEDS))
        assert worker.wait_for_finish(JOB) == "succeeded"
        assert bytes(fake_server.logs[JOB]).split() == [b"heard"] * 4
        worker.signal(signal.SIGINT)
        assert worker.wait_for_end() == 0
    finally:
        worker.close()


def test_a_demo_in_the_background_ends_at_ctrl_c(tmp_path: Path) -> None:
    user = User(tmp_path / "user", "a@example.com")
    (tmp_path / "tmp").mkdir()
    user.environment["TMPDIR"] = str(tmp_path / "tmp")
    demo = Process([*IGNORING, *program(), "demo"], user.folder, "demo", user.environment)
    try:
        demo.wait_for("password")
        demo.popen.send_signal(signal.SIGINT)
        assert demo.popen.wait(60) == 0, demo.log()
    finally:
        demo.stop()
    assert list((tmp_path / "tmp").iterdir()) == []

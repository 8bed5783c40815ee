"""`opsicle demo`: it shows real runs, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.product import CHECKOUT, Process, User
from tests.support import SCALE, wait_until

pytestmark = pytest.mark.e2e


INTERRUPTED_IN_A_DESTRUCTOR = """\
import os, signal, sys
from opsicle.cli import execute

class Interrupted:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def interrupt(event, _arguments):
    if event == "tempfile.mkdtemp":
        Interrupted()

if sys.argv[1] == "demo":
    sys.addaudithook(interrupt)
sys.exit(execute(sys.argv[1:]))
"""


def start(tmp_path: Path, *arguments: str) -> Process:
    """Return a demo whose folder is made inside `tmp_path`."""
    user = user_of_demo(tmp_path)
    return user.start("demo", *arguments)


def user_of_demo(tmp_path: Path) -> User:
    user = User(tmp_path / "user", "a@example.com")
    (tmp_path / "tmp").mkdir()
    user.environment["TMPDIR"] = str(tmp_path / "tmp")
    return user


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose command line names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def assert_nothing_is_left(tmp_path: Path) -> None:
    assert list((tmp_path / "tmp").iterdir()) == []
    assert processes_in(tmp_path / "tmp") == []


def test_the_demo_runs_samples_and_removes_everything(tmp_path: Path) -> None:
    demo = start(tmp_path, "-o", "json", "demo", "--no-wait")
    assert demo.popen.wait(90) == 0, demo.log()

    shown = json.loads(demo.output())
    assert shown["url"].startswith("http://127.0.0.1:")

    states = {automation["template"]: automation["state"] for automation in shown["automations"]}
    assert states["hello"] == "succeeded"
    assert states["failing-check"] == "failed"
    assert "Hello, World!" in demo.log()
    assert_nothing_is_left(tmp_path)


ENDING = (signal.SIGTERM, signal.SIGHUP)
"""SIGINT ends the demos of tests/e2e/test_background.py, and the one in the midst of a run."""


@pytest.mark.parametrize("number", ENDING if SCALE > 1 else ENDING[:1])
def test_a_demo_that_is_ended_takes_its_processes_with_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    demo = start(tmp_path, "demo")
    try:
        demo.wait_for("password")
        page = re.search(r"http://127\.0\.0\.1:\d+", demo.output())
        assert page
        with urllib.request.urlopen(f"{page[0]}/healthz") as reply:
            assert reply.status == 200
        assert len(processes_in(tmp_path / "tmp")) >= 2
        demo.popen.send_signal(number)
        assert demo.popen.wait(60) == 0, demo.log()
    finally:
        demo.stop()

    assert_nothing_is_left(tmp_path)


def test_a_demo_that_is_ended_in_the_midst_of_a_run_leaves_nothing(tmp_path: Path) -> None:
    demo = start(tmp_path, "demo")
    try:
        wait_until(lambda: "running on" in demo.log(), 60, "the first run")
        demo.popen.send_signal(signal.SIGINT)
        assert demo.popen.wait(60) == 130, demo.log()
    finally:
        demo.stop()

    assert_nothing_is_left(tmp_path)


def test_ctrl_c_where_python_drops_exceptions_ends_the_demo_too(tmp_path: Path) -> None:
    user = user_of_demo(tmp_path)
    user.environment["PYTHONPATH"] = str(CHECKOUT)
    script = tmp_path / "demo.py"
    script.write_text(INTERRUPTED_IN_A_DESTRUCTOR)

    command = [sys.executable, str(script), "demo", "--no-wait"]
    demo = Process(command, tmp_path, "demo", user.environment)

    assert demo.popen.wait(60) == 130, demo.log()
    assert_nothing_is_left(tmp_path)


def test_a_demo_whose_server_dies_says_so_and_ends(tmp_path: Path) -> None:
    demo = start(tmp_path, "demo")
    try:
        demo.wait_for("password")
        server = json.loads(next((tmp_path / "tmp").glob("*/server/server.json")).read_text())
        os.kill(server["pid"], signal.SIGKILL)
        assert demo.popen.wait(60) == 1
        assert "the demo's server has ended" in demo.log()
    finally:
        demo.stop()

    assert_nothing_is_left(tmp_path)

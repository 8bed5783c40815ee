"""Workers whose clock is wrong.

Nothing ends for it, nothing is spent for it, and everybody can see it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clocks import SetClock
from tests.product import Installation, Process, Worker, program
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

WHERE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: where}
spec:
  template:
    phases: [{name: say, commands: ["echo here"]}]
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path) as installation:
        installation.push(WHERE)
        yield installation


def shown(installation: Installation, name: str) -> dict[str, Any]:
    worker: dict[str, Any] = installation.look_at(f"workers/{name}")
    return worker


def automation(installation: Installation, automation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = installation.look_at(f"automations/{automation_id}")
    return found


def join(token: str, data: Path, clock: SetClock) -> subprocess.CompletedProcess[str]:
    """Start a worker that is expected to end by itself."""
    command = [*clock.place.prefix, *program(), "worker", "--join", token, "--data-dir", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("offset", "seconds", "text"), [("+6m", 360, "6 min ahead"), ("+3h", 10_800, "3 h ahead")]
)
def test_of_two_workers_the_one_whose_clock_is_right_runs_everything(
    installation: Installation, tmp_path: Path, offset: str, seconds: int, text: str
) -> None:
    clock = SetClock(tmp_path / "wrong", "+0")
    installation.worker("right", None, "--slots", "1")
    installation.worker("wrong", clock.place, "--slots", "10")
    clock.set(offset)
    wait_until(
        lambda: abs((shown(installation, "wrong")["clock_offset_seconds"] or 0) - seconds) < 30, 60
    )

    runs = [installation.admin.json("run", "where") for _ in range(10)]

    ended = [wait_until(lambda run=run: _end(installation, run["id"]), 60) for run in runs]  # type: ignore[misc]
    assert [end["state"] for end in ended] == ["succeeded"] * 10
    assert {end["worker"]["name"] for end in ended} == {"right"}
    assert text in shown(installation, "wrong")["withheld"]
    assert text in installation.admin.cli("workers", "show", "wrong")
    assert text in "".join(installation.admin.cli("workers", "list").split("\n"))


def _end(installation: Installation, automation_id: str) -> dict[str, Any] | None:
    found = automation(installation, automation_id)
    return found if found["state"] not in {"queued", "running"} else None


def test_an_order_that_is_refused_for_its_time_waits_until_the_clock_is_right(
    installation: Installation, tmp_path: Path
) -> None:
    clock = SetClock(tmp_path / "stepping", "+0")
    worker = installation.worker("stepping", clock.place)
    clock.set("+10m")  # its poll is open, and the server cannot know yet

    run = installation.admin.json("run", "where")

    wait_until(lambda: "order refused" in worker.process.log(), 60, "a refusal")
    waiting = wait_until(
        lambda: "10 min ahead" in automation(installation, run["id"])["waiting_reason"], 60
    )
    assert waiting
    assert installation.state(run["id"]) == "queued"

    clock.set("+0")
    wait_until(lambda: installation.state(run["id"]) == "succeeded", 90, "the run")


@pytest.mark.parametrize(
    ("offset", "text"),
    [
        ("-6m", "6 min behind"),
        ("-3h", "3 h behind"),
        ("-400d", "400 days behind"),
        ("+8d", "8 days ahead"),
    ],
)
def test_a_wrong_clock_is_said_before_the_join_token_is_spent(
    installation: Installation, tmp_path: Path, offset: str, text: str
) -> None:
    clock, data = SetClock(tmp_path / "clock", offset), tmp_path / "worker/data"
    token = installation.admin.json("workers", "token")["token"]

    refused = join(token, data, clock)

    assert refused.returncode == 5, refused.stderr
    assert f"this machine's clock is {text} " in refused.stderr
    assert "and the server 20" in refused.stderr
    assert "The join token was not used up" in refused.stderr
    assert "Traceback" not in refused.stderr

    clock.set("+0")
    worker = installation.join("worker", token, clock.place)
    assert worker.process.popen.poll() is None


@pytest.mark.parametrize(
    "date", ["@1970-01-02 00:00:00", "@2000-01-01 00:00:00", "@2099-01-01 00:00:00"]
)
def test_an_enrolled_worker_with_the_factorys_date_waits_for_the_right_time(
    installation: Installation, tmp_path: Path, date: str
) -> None:
    token = installation.admin.json("workers", "token")["token"]
    clock = SetClock(tmp_path / "clock", "+0")
    worker = installation.join("small", token, clock.place)
    worker.process.stop()
    clock.set(date)

    process = _start_without_waiting(worker, token)
    run = installation.admin.json("run", "where")

    wait_until(
        lambda: "the clock is wrong" in process.log() or process.popen.poll() is not None, 60
    )
    assert process.popen.poll() is None, process.log()
    wait_until(
        lambda: "its clock is" in shown(installation, "small")["withheld"], 60, "the list says so"
    )
    assert "its clock is" in automation(installation, run["id"])["waiting_reason"]

    clock.set("+0")
    process.wait_for("opsicle worker ready", 2)
    wait_until(lambda: installation.state(run["id"]) == "succeeded", 60, "the run")


def _start_without_waiting(worker: Worker, token: str) -> Process:
    """As a service file does: with the token of the first start still in it."""
    command = [
        *worker.place.prefix,
        *program(),
        "worker",
        "--join",
        token,
        "--data-dir",
        str(worker.folder / "data"),
    ]
    worker.process = Process([*command, *worker.options], worker.folder, "worker")
    return worker.process

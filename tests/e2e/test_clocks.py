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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("clocks")) as installation:
        installation.push(WHERE)
        yield installation


@pytest.fixture
def installation(shared: Installation) -> Iterator[Installation]:
    """Return the server of these tests, which each leave without a worker."""
    yield shared
    for worker in [each for each in shared.processes if isinstance(each, Worker)]:
        worker.process.kill()
        print(worker.process.log())
        shared.processes.remove(worker)
    for row in shared.admin.json("workers", "list"):
        shared.admin.cli("workers", "revoke", row["name"])


WARNING = "the clock is wrong"


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


def test_of_two_workers_the_one_whose_clock_is_right_runs_everything(
    installation: Installation, tmp_path: Path
) -> None:
    clock = SetClock(tmp_path / "wrong", "+0")
    installation.worker("right", None, "--slots", "1")
    installation.worker("wrong", clock.place, "--slots", "10")
    for offset, seconds, text in (("+6m", 360, "6 min ahead"), ("+3h", 10_800, "3 h ahead")):
        clock.set(offset)
        wait_until(lambda seconds=seconds: _is_off(installation, "wrong", seconds), 60)  # type: ignore[misc]

        runs = [installation.admin.json("run", "where") for _ in range(10)]

        ended = [wait_until(lambda run=run: _end(installation, run["id"]), 60) for run in runs]  # type: ignore[misc]
        assert [end["state"] for end in ended] == ["succeeded"] * 10
        assert {end["worker"]["name"] for end in ended} == {"right"}
        assert text in shown(installation, "wrong")["withheld"]
        assert text in installation.admin.cli("workers", "show", "wrong")
        assert text in "".join(installation.admin.cli("workers", "list").split("\n"))


def _is_off(installation: Installation, name: str, seconds: int) -> bool:
    """Return whether the server knows by how much a worker's clock is off, within half a minute."""
    return abs((shown(installation, name)["clock_offset_seconds"] or 0) - seconds) < 30


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


def test_a_wrong_clock_is_said_before_the_join_token_is_spent(
    installation: Installation, tmp_path: Path
) -> None:
    clock, data = SetClock(tmp_path / "clock", "+0"), installation.folder / "worker/data"
    token = installation.admin.json("workers", "token")["token"]

    for offset, text in (
        ("-6m", "6 min behind"),
        ("-3h", "3 h behind"),
        ("-400d", "400 days behind"),
        ("+8d", "8 days ahead"),
    ):
        clock.set(offset)
        refused = join(token, data, clock)

        assert refused.returncode == 5, refused.stderr
        assert f"this machine's clock is {text} " in refused.stderr
        assert "and the server 20" in refused.stderr
        assert "The join token was not used up" in refused.stderr
        assert "Traceback" not in refused.stderr

    clock.set("+0")
    worker = installation.join("worker", token, clock.place)
    assert worker.process.popen.poll() is None


def test_an_enrolled_worker_with_the_factorys_date_waits_for_the_right_time(
    installation: Installation, tmp_path: Path
) -> None:
    token = installation.admin.json("workers", "token")["token"]
    clock = SetClock(tmp_path / "clock", "+0")
    worker = installation.join("small", token, clock.place)

    for turn, year in enumerate((1970, 2000, 2099), 1):
        worker.process.stop()
        clock.set(f"@{year}-01-02 00:00:00")
        said = worker.process.log().count(WARNING)
        process = _start_without_waiting(worker, token)
        run = installation.admin.json("run", "where")

        _wait_for_warning(process, said + 1)
        wait_until(
            lambda: "its clock is" in shown(installation, "small")["withheld"], 60, "it to be said"
        )
        assert "its clock is" in automation(installation, run["id"])["waiting_reason"]

        clock.set("+0")
        process.wait_for("opsicle worker ready", turn + 1)
        wait_until(lambda run=run: installation.state(run["id"]) == "succeeded", 60, "the run")  # type: ignore[misc]


def _wait_for_warning(process: Process, count: int) -> None:
    """Wait until a worker has said so often that its clock is wrong, and not ended for it."""
    wait_until(
        lambda: process.log().count(WARNING) >= count or process.popen.poll() is not None,
        60,
        "a warning about the clock",
    )
    assert process.popen.poll() is None, process.log()


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

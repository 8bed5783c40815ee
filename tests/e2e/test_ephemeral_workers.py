"""Workers that an autoscaler starts and stops: real ones, by one join token, one of them killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation, Worker
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  variables: [{id: file, type: string, default: ""}]
  runsOn: {labels: {site: ams}}
  template:
    phases:
      - name: greet
        commands: ['echo hello; [ -z "$OPSICLE_VAR_FILE" ] || exec tail -f "$OPSICLE_VAR_FILE"']
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("place")
    with Installation(folder, server_options=("--ephemeral-silent-seconds", "30")) as installation:
        installation.push(TEMPLATE)
        yield installation


def token_for(installation: Installation, uses: int) -> str:
    made = installation.admin.json(
        "workers", "token", "--uses", str(uses), "--ttl", "864000", "--label", "site=ams"
    )
    return str(made["token"])


def names(installation: Installation, query: str = "") -> list[str]:
    return [each["name"] for each in installation.look_at(f"workers{query}")["items"]]


def has_ended(worker: Worker) -> bool:
    return worker.process.popen.poll() is not None


def test_each_takes_one_job_and_leaves_and_one_that_finds_none_leaves_too(
    installation: Installation,
) -> None:
    token = token_for(installation, 2)
    run = installation.admin.json("run", "hello")

    worker = installation.join("one", token, None, "--ephemeral")
    wait_until(lambda: has_ended(worker), timeout=60, what="its leave after a job")
    idle = installation.join("two", token, None, "--ephemeral", "--idle-seconds", "1")
    wait_until(lambda: has_ended(idle), timeout=60, what="its leave without one")

    assert (worker.process.popen.returncode, idle.process.popen.returncode) == (0, 0)
    assert installation.state(run["id"]) == "succeeded"
    assert names(installation) == []
    left = installation.look_at("audit?verb=leave")["items"]
    assert [entry["data"]["reason"] for entry in left] == ["idle", "done"]
    assert installation.look_at("join-tokens")["items"] == []


def test_one_that_is_killed_leaves_an_unknown_job_and_is_ended_by_the_server(
    installation: Installation, tmp_path: Path
) -> None:
    endless = tmp_path / "endless"
    endless.touch()
    token = token_for(installation, 5)
    worker = installation.join("dead", token, None, "--ephemeral")
    run = installation.admin.json("run", "hello", "--var", f"file={endless}")
    wait_until(lambda: installation.state(run["id"]) == "running", timeout=60, what="its job")

    worker.process.kill()

    wait_until(
        lambda: installation.state(run["id"]) == "unknown", timeout=90, what="the unknown job"
    )
    wait_until(lambda: names(installation) == [], timeout=120, what="its end")
    assert "dead" in names(installation, "?all=true")
    [ended] = installation.look_at("audit?verb=end_silent")["items"]
    assert ended["data"]["name"] == "dead"
    assert installation.look_at(f"automations/{run['id']}")["jobs"][0]["worker"]["name"] == "dead"

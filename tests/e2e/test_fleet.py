"""The fleet as people run it.

Copied folders, servers that move, labels that are granted, workers that are out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation, Process, Worker, program
from tests.support import wait_until

pytestmark = pytest.mark.e2e

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: %s}
spec:
  %s
  template:
    phases: [{name: say, commands: ["echo here"]}]
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path) as installation:
        installation.push(TEMPLATE % ("anywhere", ""))
        yield installation


def shown(installation: Installation, name: str) -> dict[str, Any]:
    worker: dict[str, Any] = installation.look_at(f"workers/{name}")
    return worker


def run(installation: Installation, template: str = "anywhere") -> str:
    return str(installation.admin.json("run", template)["id"])


def automation(installation: Installation, automation_id: str) -> dict[str, Any]:
    found: dict[str, Any] = installation.look_at(f"automations/{automation_id}")
    return found


def wait_for_success(installation: Installation, automation_id: str) -> None:
    wait_until(
        lambda: installation.state(automation_id) == "succeeded",
        60,
        "a run that succeeds",
    )


def verbs(installation: Installation) -> list[str]:
    return [entry["verb"] for entry in installation.admin.json("audit", "list")]


def start_as_it_is(worker: Worker, *options: str) -> Process:
    """Start a worker that need not become ready."""
    command = [*program(), "worker", "--data-dir", str(worker.folder / "data"), *options]
    worker.process = Process(command, worker.folder, "worker", is_warm=True)
    return worker.process


def test_a_copied_data_folder_is_noticed_by_everybody(
    installation: Installation, tmp_path: Path
) -> None:
    original = installation.worker("w")
    shutil.copytree(original.folder / "data", tmp_path / "copy/data")
    copy = Worker(tmp_path / "copy")
    installation.processes.append(copy)

    copy.start()

    withheld = wait_until(
        lambda: "two processes use" in shown(installation, "w")["withheld"], 90, "a word of it"
    )
    assert withheld
    runs = [run(installation) for _ in range(10)]
    for worker in (original, copy):
        wait_until(
            lambda worker=worker: "two processes use its identity" in worker.process.log(), 60
        )  # type: ignore[misc]
    assert "two processes use one worker's identity" in installation.server.process.log()
    assert verbs(installation).count("notice_copy") == 1
    assert "two processes use its identity" in "".join(
        installation.admin.cli("workers", "show", "w").split("\n")
    )
    states = {automation(installation, each)["state"] for each in runs}
    assert states == {"queued"}
    assert "two processes use its identity" in automation(installation, runs[0])["waiting_reason"]

    copy.process.stop()
    shutil.rmtree(copy.folder / "data")
    anew = installation.join("copy", installation.admin.json("workers", "token")["token"])
    assert anew.process.popen.poll() is None
    for each in runs:
        wait_for_success(installation, each)


def test_a_copy_on_the_same_machine_leaves_the_jobs_of_the_original_alone(
    installation: Installation, tmp_path: Path
) -> None:
    original = installation.worker("w")
    go_on = tmp_path / "go-on"
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: waits}\n"
        "spec: {template: {phases: [{name: one, "
        f"commands: ['while ! test -e {go_on}; do sleep 0.05; done']}}]}}}}\n"
    )
    waits = installation.admin.json("run", "waits")["id"]
    wait_until(lambda: automation(installation, waits)["state"] == "running", 60, "the job")
    shutil.copytree(original.folder / "data", tmp_path / "copy/data")
    copy = Worker(tmp_path / "copy")
    installation.processes.append(copy)

    copy.start()
    wait_until(
        lambda: "its jobs are left to that one" in copy.process.log(), 60, "a word of the copy"
    )
    wait_until(
        lambda: "two processes use" in shown(installation, "w")["withheld"],
        90,
        "a word of the server",
    )
    go_on.touch()

    wait_for_success(installation, waits)


def test_a_worker_that_is_killed_again_and_again_is_no_copy(installation: Installation) -> None:
    worker = installation.worker("w")
    for _ in range(5):
        worker.process.kill()
        worker.start()
    wait_for_success(installation, run(installation))
    assert "notice_copy" not in verbs(installation)
    assert shown(installation, "w")["withheld"] == ""


def test_a_worker_finds_its_server_at_another_address_and_keeps_it(
    installation: Installation,
) -> None:
    worker = installation.worker("w")
    worker.process.stop()
    old = installation.server.facts
    installation.server.process.stop()
    installation.server.known = {}  # so that it takes other ports
    installation.server.start()
    assert installation.server.facts["worker_url"] != old["worker_url"]
    installation.admin.login(installation.server)

    worker.options = (
        "--server-url",
        "https://127.0.0.1:1",
        "--server-url",
        installation.server.facts["worker_url"],
    )
    worker.start()
    worker.process.stop()
    worker.options = ()
    worker.start()

    wait_for_success(installation, run(installation))


def test_the_address_that_people_use_will_do_as_well(installation: Installation) -> None:
    worker = installation.worker("w")
    worker.process.stop()
    identity = worker.folder / "data/identity.json"
    identity.write_text(
        identity.read_text().replace(installation.server.facts["worker_url"], "https://127.0.0.1:1")
    )

    worker.options = ("--server-url", installation.server.url)
    worker.start()

    assert installation.server.facts["worker_url"] in identity.read_text()


def test_a_new_token_tells_an_enrolled_worker_where_its_server_is_and_is_not_spent(
    installation: Installation,
) -> None:
    worker = installation.worker("w")
    worker.process.stop()
    identity = worker.folder / "data/identity.json"
    identity.write_text(
        identity.read_text().replace(installation.server.facts["worker_url"], "https://127.0.0.1:1")
    )
    token = installation.admin.json("workers", "token")["token"]

    worker.start(token)

    assert (
        "the join token is not used up, it only tells where the server is" in worker.process.log()
    )
    assert len(installation.admin.json("workers", "list")) == 1
    installation.join("other", token)


def test_it_waits_for_a_token_s_server_that_is_away(installation: Installation) -> None:
    worker, server = installation.worker("w"), installation.server
    worker.process.stop()
    server.process.stop()
    server.known = {}  # so that it takes other ports
    server.start()
    installation.admin.login(server)
    token = installation.admin.json("workers", "token")["token"]
    server.process.stop()

    worker.process = start_as_it_is(worker, "--join", token)
    wait_until(
        lambda: "asking again where the server is" in worker.process.log(),
        60,
        "a word of the worker",
    )
    server.start()

    installation.admin.login(server)
    wait_for_success(installation, run(installation))
    assert "the join token is not used up" in worker.process.log()


def test_a_token_whose_server_is_gone_keeps_no_worker_from_the_one_that_it_knows(
    installation: Installation,
) -> None:
    worker, server = installation.worker("w"), installation.server
    worker.process.stop()
    here = server.known
    server.process.stop()
    server.known = {}
    server.start()
    installation.admin.login(server)
    token = installation.admin.json("workers", "token")["token"]
    server.process.stop()
    server.known = here
    server.start()
    installation.admin.login(server)

    worker.process = start_as_it_is(worker, "--join", token)

    wait_for_success(installation, run(installation))
    assert "the server is where it was" in worker.process.log()


def test_a_token_of_another_server_is_refused_by_an_enrolled_worker(
    installation: Installation, tmp_path: Path
) -> None:
    worker = installation.worker("w")
    worker.process.stop()
    with Installation(tmp_path / "elsewhere", is_new=True) as elsewhere:
        token = elsewhere.admin.json("workers", "token")["token"]
        process = start_as_it_is(worker, "--join", token)
        assert process.popen.wait(60) == 5
    assert "this data folder belongs to a worker of" in process.log()


def test_labels_are_granted_by_the_token_and_not_by_the_worker(installation: Installation) -> None:
    installation.push(TEMPLATE % ("in-ams", "runsOn: {labels: {site: ams}}"))
    installation.push(TEMPLATE % ("in-production", "runsOn: {labels: {env: production}}"))
    installation.push(
        TEMPLATE % ("by-its-word", "runsOn: {labels: {env: production}, acceptClaimed: true}")
    )
    token = installation.admin.json("workers", "token", "--label", "site=ams")["token"]
    installation.join("w", token, None, "--label", "env=production")

    wait_for_success(installation, run(installation, "in-ams"))
    wait_for_success(installation, run(installation, "by-its-word"))
    waiting = run(installation, "in-production")
    reason = automation(installation, waiting)["waiting_reason"]
    assert reason.startswith("no connected worker was granted env=production: w only says so")
    assert "env=production" in installation.admin.cli("workers", "show", "w")
    assert shown(installation, "w")["granted_labels"] == {"site": "ams"}

    installation.admin.cli(
        "workers", "update", "w", "--label", "site=ams", "--label", "env=production"
    )
    wait_for_success(installation, waiting)


def test_a_worker_keeps_the_labels_it_enrolled_with_when_a_restart_leaves_them_out(
    installation: Installation,
) -> None:
    installation.push(TEMPLATE % ("in-ams", "runsOn: {labels: {site: ams}}"))
    worker = installation.worker("w", None, "--label", "site=ams")
    wait_for_success(installation, run(installation, "in-ams"))
    worker.process.stop()

    worker.options = ("--name", "w")
    worker.start()

    wait_for_success(installation, run(installation, "in-ams"))
    wait_until(
        lambda: "labels granted by the server" in worker.process.log(), 60, "a word of the labels"
    )


def test_a_token_without_labels_at_all_grants_none(installation: Installation) -> None:
    token = installation.admin.json("workers", "token", "--no-labels")["token"]
    installation.join("w", token, None, "--label", "env=production")
    assert shown(installation, "w")["granted_labels"] == {}
    wait_for_success(installation, run(installation))


def test_a_revoked_worker_leaves_the_list(installation: Installation) -> None:
    installation.worker("w")
    installation.admin.cli("workers", "revoke", "w")
    assert installation.admin.json("workers", "list") == []
    assert [worker["state"] for worker in installation.admin.json("workers", "list", "--all")] == [
        "revoked"
    ]

"""Files that jobs leave behind, from the workspace to whoever takes them, through kills."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation
from tests.support import seeded_random, wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

REPORT = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: report}
spec:
  template:
    phases:
      - name: make
        artifacts: ["report/*.html", "**/*.txt", link, out/key, fifo, big, none.pdf, "odd*"]
        commands:
          - mkdir -p report/deep out-of-here
          - echo "<h1>hi</h1>" > report/index.html
          - echo hello > report/deep/a.txt
          - echo hidden > report/deep/.hidden.txt
          - ln -s /etc/passwd link; ln -s /etc out
          - mkfifo fifo
          - truncate -s 200G big
          - printf x > "$(printf 'odd\\033[31m\\nname')"; printf x > "$(printf 'odd\\377')"
      - name: break
        artifacts: [out.bin, report/index.html]
        commands: ["echo '<h1>anew</h1>' > report/index.html", "seq 400000 > out.bin", "exit 3"]
"""

PAUSES = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: pauses}
spec:
  template:
    phases:
      - {name: before, artifacts: [a.txt], commands: ["echo a > a.txt"]}
      - name: ask
        pause: {message: "Go on?", approvers: {users: [alice@example.com]}, allowRequester: true}
      - {name: after, artifacts: [b.txt], commands: ["echo b > b.txt"]}
"""
WAITS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: waits}
spec:
  variables: [{id: go, type: string, isRequired: true}]
  template:
    phases:
      - name: make
        timeout: 600
        artifacts: [big.bin]
        commands:
          - seq 3000000 > big.bin
          - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.02; done
"""
FINAL = {"succeeded", "unknown"}


@cache
def big() -> bytes:
    """Return what `seq 3000000` writes; made when it is needed, not by whoever only collects."""
    return "".join(f"{number}\n" for number in range(1, 3_000_001)).encode()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("artifacts")) as installation:
        installation.worker("w1")
        installation.push(REPORT)
        installation.push(WAITS)
        yield installation


def ended(installation: Installation, template: str, *more: str) -> Any:
    installation.admin.attempt("run", template, "--follow", *more)
    [newest, *_] = installation.admin.json("automations", "list", "--template", template)
    return installation.admin.json("automations", "show", newest["id"])


def has_ended(journal: Path, job_id: str) -> bool:
    """Return whether a worker's journal says how a job ended."""
    lines = journal.read_text().splitlines()
    return any(job_id in line and '"finished"' in line for line in lines)


def test_what_a_job_leaves_behind_can_be_listed_and_taken(
    installation: Installation, tmp_path: Path
) -> None:
    shown = ended(installation, "report")

    assert shown["state"] == "failed"
    kept = {artifact["path"]: artifact for artifact in shown["artifacts"]}
    assert sorted(kept) == ["out.bin", "report/deep/a.txt", "report/index.html"]
    assert kept["report/index.html"]["phase"] == "break"
    missing = {each["path"]: each["problem"] for each in shown["artifacts_missing"]}
    assert missing["link"] == "it is a symbolic link"
    assert missing["fifo"] == "it is a named pipe"
    assert missing["big"] == "it is larger than 100 MiB"
    assert sum(path.startswith("odd\\") for path in missing) == 2
    log = installation.admin.cli("logs", shown["id"])
    assert "opsicle: artifact link is not kept: it is a symbolic link\n" in log
    assert "opsicle: 2 artifacts kept\n" in log

    target = tmp_path / "out.bin"
    installation.admin.cli("artifacts", "get", shown["id"], "out.bin", "--to", str(target))

    content = "".join(f"{number}\n" for number in range(1, 400_001)).encode()
    assert target.read_bytes() == content
    assert kept["out.bin"]["sha256"] == hashlib.sha256(content).hexdigest()
    page = installation.admin.cli("artifacts", "get", shown["id"], "report/index.html", "--to", "-")
    assert page == "<h1>anew</h1>\n"
    listed = installation.admin.json("artifacts", "list", shown["id"])
    assert [each["path"] for each in listed] == sorted(kept)
    assert installation.admin.attempt("artifacts", "get", shown["id"], "link").returncode == 4


def test_what_was_left_before_people_are_asked_is_there_when_they_are(
    installation: Installation,
) -> None:
    installation.push(PAUSES)
    with Api(installation.access()) as api:
        request = {"template": "pauses"}
        path = f"/api/v1/automations/{api.json('POST', '/api/v1/automations', request)['id']}"
        wait_until(lambda: api.json("GET", path)["state"] == "paused")

        [before] = api.json("GET", path)["artifacts"]
        assert api.request("GET", f"/api/v1/artifacts/{before['id']}") == b"a\n"
        [worker] = [each for each in installation.processes if each.folder.name == "w1"]
        worker.process.kill()
        worker.start()
        [asked] = installation.admin.json("approvals", "list")
        installation.admin.cli("approvals", "approve", asked["id"])

        wait_until(lambda: api.json("GET", path)["state"] == "succeeded")
        kept = api.json("GET", path)["artifacts"]
        assert [each["path"] for each in kept] == ["a.txt", "b.txt"]


def test_an_artifact_outlives_a_server_that_is_away_and_a_worker_that_is_killed(
    installation: Installation, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    [worker] = [each for each in installation.processes if each.folder.name == "w1"]
    with Api(installation.access()) as api:
        request = {"template": "waits", "values": {"go": str(go)}}
        automation_id = api.json("POST", "/api/v1/automations", request)["id"]
        path = f"/api/v1/automations/{automation_id}"
        wait_until(lambda: api.json("GET", path)["state"] == "running")

        [job] = api.json("GET", path)["jobs"]
        installation.server.process.kill()
        go.touch()
        spool = worker.folder / "data/artifacts"
        wait_until(lambda: any(spool.glob("*/index")), what="the copy of the artifact")
        journal = worker.folder / "data/journal"
        wait_until(lambda: has_ended(journal, job["id"]), what="the end in the journal")
        worker.process.kill()
        installation.server.start()
        worker.start()

        wait_until(lambda: api.retry("GET", path)["state"] == "succeeded")
        [artifact] = api.json("GET", path)["artifacts"]
        assert api.request("GET", f"/api/v1/artifacts/{artifact['id']}") == big()
    wait_until(lambda: not any(spool.iterdir()), what="the worker's copy to go")


def test_no_kill_of_either_side_loses_or_alters_an_artifact(
    installation: Installation, tmp_path: Path
) -> None:
    seed = seeded_random()
    [worker] = [each for each in installation.processes if each.folder.name == "w1"]
    with Api(installation.access()) as api:
        for number in range(4):
            go = tmp_path / f"go-{number}"
            request = {"template": "waits", "values": {"go": str(go)}}
            automation_id = api.retry("POST", "/api/v1/automations", request, key=f"a{number}")[
                "id"
            ]
            path = f"/api/v1/automations/{automation_id}"
            wait_until(lambda path=path: api.retry("GET", path)["state"] == "running")
            go.touch()

            for _ in range(4):
                wait_until(lambda: seed.random() < 0.05, what="a random moment")
                (installation.server if seed.random() < 0.7 else worker).process.kill()
                installation.server.process.popen.poll() is None or installation.server.start()
                worker.process.popen.poll() is None or worker.start()

            wait_until(lambda path=path: api.retry("GET", path)["state"] in FINAL, 120)
            shown = api.retry("GET", path)
            if shown["state"] == "succeeded":
                [artifact] = shown["artifacts"]
            else:  # it was killed before the phase had ended, or while its files were copied
                # At the latest when the worker asks again: the server may not know it at first.
                wait_until(lambda: not list(worker.folder.glob("data/artifacts/*")), 180)
            for artifact in api.retry("GET", path)["artifacts"]:
                assert api.request("GET", f"/api/v1/artifacts/{artifact['id']}") == big()
    drafts = installation.server.folder / "data/artifacts/incoming"
    assert not any(drafts.iterdir())

"""A real server that is restored from a copy, with a real worker that knows more than it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation, Process
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: act}
spec:
  variables: [{id: judge, type: string, isRequired: true}, {id: go, type: string, default: /}]
  onWorkerLost: requeue
  template:
    phases:
      - name: act
        commands:
          - echo "$OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_JUDGE"
          - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.1; done
"""


class Site:
    """A server with a worker, and a judge that no restore sets back."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation = installation
        self.server = installation.server
        self.data = self.server.folder / "data"
        self.judge, self.go = folder / "judge", folder / "go"
        self.judge.touch()
        installation.push(TEMPLATE)
        self.worker = installation.worker("w1", None, "--slots", "3")
        self.access = installation.access()

    def run(self, template: str = "act", **values: str) -> str:
        with Api(self.access) as api:
            request = {"template": template, "values": {"judge": str(self.judge), **values}}
            return str(api.retry("POST", "/api/v1/automations", request)["id"])

    def show(self, automation: str) -> dict[str, Any]:
        with Api(self.access) as api:
            return dict(api.retry("GET", f"/api/v1/automations/{automation}"))

    def wait_for(self, automation: str, *states: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            found = self.show(automation)
            return found if found["state"] in states else None

        return wait_until(there, 60, f"{automation} to be {states}")

    def ran(self, automation: str) -> int:
        return self.judge.read_text().split().count(automation)

    def record(self, verb: str) -> list[dict[str, Any]]:
        with Api(self.access) as api:
            return list(api.retry("GET", f"/api/v1/audit?verb={verb}")["items"])

    def copy(self, to: Path) -> Path:
        assert self.server.process.stop() == 0
        shutil.copytree(self.data, to)
        return to

    def restore(self, source: Path) -> None:
        shutil.rmtree(self.data)
        shutil.copytree(source, self.data)

    def start(self, *options: str) -> dict[str, Any]:
        self.server.options = options
        self.keep_ports()
        self.server.start()
        return dict(self.server.facts)

    def refused(self) -> str:
        """Return what a server says that does not start."""
        process = Process(self.server.process.arguments, self.server.folder, "refused")
        try:
            assert process.popen.wait(60) == 5, process.log()
        finally:
            process.kill()
        return process.log()

    def keep_ports(self) -> None:
        """Write `server.json`, which a copy has not: the server starts at the same ports again."""
        (self.data / "server.json").write_text(json.dumps(self.addresses))

    def note_ports(self) -> None:
        self.addresses = dict(self.server.facts)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Installation(tmp_path / "site") as installation:
        site = Site(installation, tmp_path)
        site.note_ports()
        yield site
        site.go.touch()


def test_what_a_restored_server_does_not_know_runs_once_and_is_reported(
    site: Site, tmp_path: Path
) -> None:
    first = site.run()
    site.wait_for(first, "succeeded")
    assert site.worker.process.stop() == 0
    twice = site.run()  # waits in the copy, and runs after it was made
    old = site.copy(tmp_path / "old")
    site.start()
    site.worker.start()
    site.wait_for(twice, "succeeded")
    lost = site.run(go=str(site.go))  # the copy knows nothing of this one
    wait_until(lambda: site.ran(lost), 60, "the job to run")
    site.server.process.kill()
    site.restore(old)

    refused = site.refused()
    assert "opsicle.db is a copy" in refused
    assert "--accept-restored" in refused

    facts = site.start("--accept-restored")
    assert (facts["held"], facts["epoch"]) == (True, 2)
    assert site.show(twice)["waiting_reason"].startswith("held after a restore")
    wait_until(lambda: site.record("report_unknown_job"), 60, "the worker to be heard")
    wait_until(lambda: site.record("report_ran"), 60, "the worker to tell what it ran")
    assert [each["resource"] for each in site.record("report_ran")] == [f"automations/{twice}"]
    assert [each["resource"] for each in site.record("report_unknown_automation")] == [
        f"automations/{lost}"
    ]
    (entry,) = site.record("accept_restored")
    assert entry["data"]["epoch"] == 2
    assert site.ran(lost) == 1, "its job was not begun again"
    assert "job dropped" not in site.worker.process.log(), "nor stopped"
    worker = site.installation.admin.json("workers", "show", "w1")
    assert len(worker["unknown_jobs"]) == 1

    fresh = site.run()
    assert site.ran(fresh) == 0
    assert site.installation.admin.json("orgs", "release-queue")["held"] == ""
    wait_until(lambda: not site.server.facts["held"], 60, "server.json to say so")
    assert site.wait_for(fresh, "succeeded")["jobs"][0]["fence"] > 2**32
    found = site.wait_for(twice, "cancelled")
    assert "ran on this worker already" in found["explanation"]
    assert (site.ran(twice), site.ran(lost), site.ran(first)) == (1, 1, 1)


def test_what_a_job_says_to_a_server_that_does_not_know_it_is_kept_for_one_that_does(
    site: Site, tmp_path: Path
) -> None:
    """A folder was replaced by an older copy by mistake.

    The job goes on, and ends, before the mistake is mended.
    """
    old = site.copy(tmp_path / "old")
    site.start()
    going_on = site.run(go=str(site.go))
    wait_until(lambda: site.ran(going_on), 60, "the job to run")
    site.server.process.kill()
    newest = tmp_path / "newest"
    site.data.rename(newest)
    shutil.copytree(old, site.data)
    assert site.start("--accept-restored")["held"]
    wait_until(lambda: site.record("report_unknown_job"), 60, "the job to be reported")
    site.go.touch()
    wait_until(lambda: "job ended" in site.worker.process.log(), 60, "the job to end")
    assert site.server.process.stop() == 0

    shutil.rmtree(site.data)
    newest.rename(site.data)
    assert site.start()["held"] is False

    assert (
        site.wait_for(going_on, "succeeded", "cancelled", "failed", "unknown")["state"]
        == "succeeded"
    )
    assert site.ran(going_on) == 1


def test_a_server_on_an_older_copy_cannot_make_workers_run_anything(
    site: Site, tmp_path: Path
) -> None:
    """The first server is replaced by one on a copy, then comes back beside it, same address."""
    site.wait_for(site.run(), "succeeded")
    copy = site.copy(tmp_path / "copy")
    first = tmp_path / "first"
    site.data.rename(first)
    shutil.copytree(copy, site.data)
    site.start("--accept-restored")
    site.installation.admin.cli("orgs", "release-queue")
    site.wait_for(site.run(), "succeeded")
    assert site.server.process.stop() == 0

    site.data.rename(tmp_path / "second")
    first.rename(site.data)  # the very files of the first server, which miss nothing
    assert site.start()["held"] is False
    again = site.run()

    wait_until(
        lambda: site.server.facts["held"], 60, "the server to learn that it runs on an older copy"
    )
    reason = "held, because a worker has worked for a later state"
    wait_until(
        lambda: site.show(again)["waiting_reason"].startswith(reason),
        60,
        "what was refused to wait again",
    )
    assert site.show(again)["state"] == "queued"
    assert site.record("report_newer_epoch")
    assert site.ran(again) == 0
    assert site.server.process.stop() == 0
    assert "epoch" in site.refused()

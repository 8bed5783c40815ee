"""A server is restored from an older copy, and workers keep paused jobs of later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.restored_sites import Site
from tests.product import User
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ASKS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: asks}
spec:
  variables: [{id: judge, isRequired: true}, {id: go, default: /}]
  template:
    phases:
      - name: before
        commands: ['echo "before-$OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_JUDGE"']
      - name: look
        pause: {message: Go on?, approvers: {users: [bob@example.com]}, expiresAfter: 86400}
      - name: after
        commands:
          - echo "after-$OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_JUDGE"
          - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.1; done
"""


def paused(site: Site, **values: str) -> str:
    made = site.run(template="asks", **values)
    site.wait_for(made, "paused")
    return made


def approve(site: Site, bob: User, automation: str) -> None:
    bob.cli("approvals", "approve", str(site.show(automation)["pause_id"]))


def ran(site: Site, automation: str) -> tuple[int, int]:
    """Return how often the phases before and after its pause have run."""
    lines = site.judge.read_text().split()
    return lines.count(f"before-{automation}"), lines.count(f"after-{automation}")


def test_paused_jobs_go_on_once_after_a_restore_or_are_reported_where_they_are_not_known(
    site: Site,
    tmp_path: Path,
) -> None:
    site.installation.push(ASKS)
    bob = site.installation.person("bob@example.com", "approver")
    waits, went_on, runs = paused(site), paused(site), paused(site, go=str(site.go))
    old = site.copy(tmp_path / "old")
    site.start()

    approve(site, bob, went_on)
    approve(site, bob, runs)
    wait_until(lambda: ran(site, runs) == (1, 1), 60, "it to go on")
    fence = site.wait_for(went_on, "succeeded")["jobs"][0]["fence"]
    kept_by_worker = site.worker.process.log().count("job waits for people")

    lost = paused(site)  # the copy knows nothing of this one
    wait_until(
        lambda: site.worker.process.log().count("job waits for people") > kept_by_worker,
        60,
        "the worker to hear that it waits",
    )

    site.server.process.kill()
    site.restore(old)
    assert site.start("--accept-restored")["held"]

    wait_until(lambda: site.record("report_unknown_job"), 60, "what is not known to be reported")
    reported = wait_until(lambda: site.record("report_ran"), 60, "what has gone on to be reported")

    gone = {f"automations/{went_on}", f"automations/{runs}"}
    assert {each["resource"] for each in reported} == gone
    [entry] = site.record("report_unknown_job")

    assert site.show(went_on)["state"] == site.show(waits)["state"] == "paused"
    approve(site, bob, went_on)
    approve(site, bob, waits)
    approve(site, bob, runs)
    assert ran(site, waits) == (1, 0), "nothing goes on while the queue is held"
    assert site.installation.admin.json("orgs", "release-queue")["held"] == ""

    gone_on = site.wait_for(waits, "succeeded", "cancelled", "failed", "unknown")
    assert gone_on["state"] == "succeeded", gone_on["explanation"]
    assert gone_on["jobs"][0]["fence"] > 2**32 > fence

    ended = site.wait_for(went_on, "cancelled", "succeeded", "failed", "unknown")
    assert ended["state"] == "cancelled"
    assert "refused to run it" in ended["explanation"]

    site.go.touch()
    site.wait_for(runs, "cancelled", "succeeded", "failed", "unknown")
    assert ran(site, waits) == ran(site, went_on) == ran(site, runs) == (1, 1)
    assert ran(site, lost) == (1, 0)
    assert entry["data"]["job"] not in {job["id"] for job in gone_on["jobs"] + ended["jobs"]}

"""A real server that is stopped for longer than a lease, with a job running."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from opsicle.wire.worker_api import LEASE_SECONDS
from tests.product import Installation
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = pytest.mark.e2e

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: long}
spec:
  variables: [{id: judge, type: string, isRequired: true}, {id: go, type: string, isRequired: true}]
  onWorkerLost: requeue
  template:
    phases:
      - name: act
        commands:
          - echo "$OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_JUDGE"
          - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.1; done
"""


def test_a_server_that_was_stopped_for_longer_than_a_lease_loses_no_job(tmp_path: Path) -> None:
    judge, go = tmp_path / "judge", tmp_path / "go"
    with Installation(tmp_path / "site") as installation, Api(installation.access()) as api:
        installation.push(TEMPLATE)
        installation.worker("w1")
        request = {"template": "long", "values": {"judge": str(judge), "go": str(go)}}
        automation = api.insist("POST", "/api/v1/automations", request)["id"]
        wait_until(judge.exists, 30, "the job to run")

        server = installation.server.process
        server.popen.send_signal(signal.SIGSTOP)
        threading.Event().wait(LEASE_SECONDS + 4)  # the pause itself is what is tested
        server.popen.send_signal(signal.SIGCONT)
        wait_until(lambda: "every lease has a new term" in server.log(), 60, "the server to notice")
        threading.Event().wait(3)  # turns in which a server that did not notice would judge
        go.touch()

        def ended() -> dict[str, object] | None:
            found = api.insist("GET", f"/api/v1/automations/{automation}")
            return found if found["state"] not in {"running", "queued"} else None

        found = wait_until(ended, 60, "the job to end")
        assert found["state"] == "succeeded", found
        assert len(found["jobs"]) == 1
        assert judge.read_text().split() == [automation]

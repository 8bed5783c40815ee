"""Server and worker are killed while a plan runs, and right after a resume; nothing runs twice.

The judge is outside the product: every command appends its automation's id to a file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.test_kills import assert_sound, kill_and_restart, state_of
from tests.product import Installation
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PLANNED = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: planned}
spec:
  variables: [{id: folder, isRequired: true}, {id: go, isRequired: true}]
  keepWorkspace: 3600
  plan:
    - name: look
      commands:
        - echo "plan $OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_FOLDER/judge"
        - echo "it would change 4"
        - until [ -e "$OPSICLE_VAR_GO" ]; do sleep 0.05; done
  template:
    phases:
      - name: act
        commands:
          - echo "act $OPSICLE_AUTOMATION_ID" >> "$OPSICLE_VAR_FOLDER/judge"
          - echo here >> left
          - '[ -e "$OPSICLE_VAR_FOLDER/mended" ]'
          - cp left "$OPSICLE_VAR_FOLDER/left"
"""


def test_a_plan_and_a_resume_survive_kills_of_both_sides_and_nothing_runs_twice(
    installation: Installation, tmp_path: Path
) -> None:
    go, judge = tmp_path / "go", tmp_path / "judge"
    judge.touch()
    installation.push(PLANNED)
    worker = installation.worker("w1")

    def ran() -> Counter[str]:
        return Counter(judge.read_text().splitlines())

    with Api(installation.access()) as api:

        def run() -> str:
            values = {"folder": str(tmp_path), "go": str(go)}
            request = {"template": "planned", "values": values}
            return str(api.retry("POST", "/api/v1/automations", request)["id"])

        def wait_for(automation: str, state: str) -> None:
            wait_until(
                lambda: state_of(api, automation) == state, 60, f"{automation} to be {state}"
            )

        lost = run()
        wait_until(lambda: ran()[f"plan {lost}"], 60, "the plan to run")
        kill_and_restart(worker)
        wait_for(lost, "failed")

        failed = run()
        wait_until(lambda: ran()[f"plan {failed}"], 60, "the plan to run")
        kill_and_restart(installation.server)
        go.touch()
        wait_for(failed, "failed")
        log = installation.admin.cli("logs", failed, "--plan")
        assert log == "it would change 4\n"

        (tmp_path / "mended").touch()
        path = f"/api/v1/automations/{failed}/resume"
        resumed = str(api.retry("POST", path, {}, key="once")["id"])
        installation.server.process.kill()
        worker.process.kill()
        installation.server.start()
        worker.start()
        assert api.retry("POST", path, {}, key="once")["id"] == resumed
        ends = {"succeeded", "failed", "unknown"}
        wait_until(lambda: state_of(api, resumed) in ends, 60, "it to end")
        is_unknown = state_of(api, resumed) == "unknown"  # it was at work, and may be done
        if state_of(api, resumed) == "failed":  # its plan had just begun, and was lost
            assert not ran()[f"act {resumed}"]
            resumed = str(api.retry("POST", path, {}, key="again")["id"])
            wait_for(resumed, "succeeded")

    assert set(ran().values()) == {1}
    assert not ran()[f"act {lost}"]
    if is_unknown:
        assert_sound(installation)
        return
    assert ran()[f"act {resumed}"] == 1
    assert (tmp_path / "left").read_text() == "here\nhere\n", "in the same workspace"
    assert_sound(installation)

"""A template that starts another one on a real server, which is killed right after the end."""

from __future__ import annotations

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

CHILD = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: child}
spec:
  variables: [{id: path, isRequired: true}]
  template: {phases: [{name: act, commands: ['echo "got $OPSICLE_VAR_PATH"']}]}
"""

PARENT = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: parent}
spec:
  template:
    phases: [{name: act, outputs: [path], commands: ['echo path=/srv/a >> "$OPSICLE_OUTPUT"']}]
  onSuccess: [{template: child, values: {path: {output: path}}}]
"""


def test_a_server_that_is_killed_right_after_the_end_starts_what_follows_once(
    installation: Installation,
) -> None:
    installation.push(CHILD)
    installation.push(PARENT)
    installation.worker("w1")
    admin = installation.admin

    for _ in range(3):
        admin.cli("run", "parent")
        installation.server.process.kill()
        installation.server.start()

    def children() -> list[dict[str, str]]:
        return admin.json("automations", "list", "--template", "child", "--state", "succeeded")

    wait_until(lambda: len(children()) >= 3, timeout=90)
    parents = admin.json("automations", "list", "--template", "parent")
    assert {each["started_by"]["automation_id"] for each in children()} == {
        each["id"] for each in parents
    }
    assert len(admin.json("automations", "list", "--template", "child")) == 3
    shown = admin.json("automations", "show", parents[0]["id"])
    assert shown["chained_starts"][0]["automation_state"] == "succeeded"
    assert "got /srv/a" in admin.cli("logs", shown["chained_starts"][0]["automation_id"])

"""A schedule of a real server, which is killed while it starts things."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: tick}
spec:
  template: {phases: [{name: act, commands: ["true"]}]}
"""

SCHEDULE = """
apiVersion: v1
type: Schedule
metadata: {name: ticking}
spec: {template: tick, every: 5s, overlap: true}
"""


def test_a_server_that_is_killed_starts_each_time_at_most_once(
    installation: Installation, tmp_path: Path
) -> None:
    installation.push(TEMPLATE)
    (tmp_path / "ticking.yaml").write_text(SCHEDULE)
    admin = installation.admin
    admin.cli("schedules", "push", str(tmp_path / "ticking.yaml"))
    coming = admin.json("schedules", "next", "ticking", "--count", "3")
    assert len(coming) == 3

    def started() -> list[dict[str, object]]:
        return admin.json("automations", "list", "--template", "tick")

    for count in (1, 2, 3):
        wait_until(lambda count=count: len(started()) >= count, timeout=90)
        installation.server.process.kill()
        installation.server.start()
    admin.cli("schedules", "pause", "ticking")

    record = admin.json("audit", "list", "--verb", "run")
    assert Counter(entry["resource"] for entry in record) == Counter(
        f"automations/{automation['id']}" for automation in started()
    )
    assert all(
        automation["started_by"] == {"kind": "schedule", "name": "ticking"}
        for automation in started()
    )
    first = datetime.fromisoformat(coming[0])
    times = [
        (datetime.fromisoformat(str(one["created_at"])) - first) // timedelta(seconds=5)
        for one in started()
    ]
    assert len(times) == len(set(times)) >= 3
    assert admin.json("schedules", "next", "ticking") == []
    ran = admin.json("schedules", "run", "ticking")
    assert ran["started_by"] == {"kind": "schedule", "name": "ticking"}

"""Templates that run on many machines, on a real server and workers, which are killed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with Installation(tmp_path) as installation:
        yield installation


def test_each_worker_runs_its_part_once_though_the_server_is_killed(
    installation: Installation, tmp_path: Path
) -> None:
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    installation.push(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: patch}\n"
        "spec:\n  runsOn: {each: {where: role=edge, parallel: 2}}\n  template:\n    phases:\n"
        f"      - {{name: act, timeout: 300, commands: ['echo ran >> {proof}', "
        f"'until [ -e {gate} ]; do sleep 0.1; done']}}\n"
    )
    admin = installation.admin
    for name in ("e1", "e2", "e3"):
        token = admin.json("workers", "token", "--label", "role=edge")["token"]
        installation.join(name, token)

    def ran() -> int:
        return len(proof.read_text().splitlines()) if proof.exists() else 0

    def shown() -> Any:
        return admin.json("automations", "show", whole)

    whole = admin.json("run", "patch")["id"]
    wait_until(lambda: ran() == 2, timeout=90)
    installation.server.process.kill()
    installation.server.start()
    gate.touch()
    wait_until(lambda: shown()["state"] == "succeeded", timeout=90)

    assert ran() == 3
    assert [(each["name"], each["state"], each["exit_code"]) for each in shown()["targets"]] == [
        ("e1", "succeeded", 0),
        ("e2", "succeeded", 0),
        ("e3", "succeeded", 0),
    ]
    assert "e2" in admin.cli("automations", "show", whole)

"""Templates that call others, on a real server and a worker, which are killed meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.product import Installation, User
from tests.support import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def template(name: str, *phases: str, variables: str = "[]") -> str:
    lines = "".join(f"      - {phase}\n" for phase in phases)
    return (
        f"apiVersion: v1\ntype: AutomationTemplate\nmetadata: {{name: {name}}}\n"
        f"spec:\n  variables: {variables}\n  template:\n    phases:\n{lines}"
    )


def leaf(proof: Path, gate: Path) -> str:
    """Return a template that notes that it runs, and ends once a file is there."""
    commands = [
        f'"echo $OPSICLE_VAR_WHO >> {proof}"',
        f'"until [ -e {gate} ]; do sleep 0.1; done"',
        '"echo found=$OPSICLE_VAR_WHO-9 >> $OPSICLE_OUTPUT"',
    ]
    return template(
        "leaf",
        f"{{name: act, outputs: [found], timeout: 300, commands: [{', '.join(commands)}]}}",
        variables="[{id: who, isRequired: true}]",
    )


def test_a_tree_of_calls_with_one_slot_outlives_kills_of_server_and_worker_and_runs_once(
    installation: Installation, tmp_path: Path
) -> None:
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    installation.push(leaf(proof, gate))
    passed = "values: {who: {output: host}}"
    installation.push(
        template(
            "middle",
            "{name: say, outputs: [host], "
            "commands: ['echo host=$OPSICLE_VAR_HOST >> $OPSICLE_OUTPUT']}",
            f"{{name: down, outputs: [found], call: {{template: leaf, {passed}}}}}",
            variables="[{id: host, isRequired: true}]",
        )
    )
    installation.push(
        template(
            "top",
            "{name: down, outputs: [found], call: {template: middle, values: {host: db1}}}",
            "{name: look, pause: {message: Look!, approvers: {roles: [admin]}, "
            "allowRequester: true}}",
            "{name: show, commands: ['echo got $OPSICLE_OUTPUT_FOUND', 'touch here']}",
        )
    )
    worker = installation.worker("w1", None, "--slots", "1")
    admin = installation.admin

    top = admin.json("run", "top")["id"]
    wait_until(proof.exists, timeout=90)
    installation.server.process.kill()
    installation.server.start()
    tree = admin.json("automations", "show", top)["phases"][0]["calls"]
    assert [(each["template"], each["automation_state"]) for each in tree] == [("middle", "paused")]
    assert [each["template"] for each in tree[0]["calls"]] == ["leaf"]
    gate.touch()
    # A worker that is killed while a phase runs ends the job as unknown: top must run none.
    [asked] = wait_until(lambda: installation.look_at("approvals")["items"], timeout=90)
    assert shown(admin, tree[0]["automation_id"])["state"] == "succeeded"
    worker.process.kill()
    worker.start()
    admin.cli("approvals", "approve", asked["id"])
    wait_until(lambda: shown(admin, top)["state"] == "succeeded", timeout=120)

    assert proof.read_text() == "db1\n"
    assert "got db1-9" in admin.cli("logs", top)
    assert shown(admin, top)["outputs"] == {"found": "db1-9"}


def test_a_failed_child_fails_its_caller_whose_clean_up_runs_and_a_cancel_goes_down(
    installation: Installation, tmp_path: Path
) -> None:
    proof, gate = tmp_path / "proof", tmp_path / "gate"
    installation.push(leaf(proof, gate))
    installation.push(template("broken", "{name: act, commands: ['exit 3']}"))
    installation.push(
        template(
            "caller",
            "{name: down, call: [{template: broken}, {template: leaf, values: {who: a}}]}",
            f"{{name: tidy, when: always, commands: ['echo tidy >> {proof}']}}",
        )
    )
    installation.worker("w1", None, "--slots", "2")
    admin = installation.admin
    gate.touch()
    failed = admin.json("run", "caller")["id"]
    wait_until(lambda: shown(admin, failed)["state"] == "failed", timeout=90)
    assert "phase down: broken ended failed" in shown(admin, failed)["explanation"]
    assert sorted(proof.read_text().split()) == ["a", "tidy"]

    gate.unlink()
    proof.unlink()
    running = admin.json("run", "caller")["id"]
    wait_until(proof.exists, timeout=90)
    admin.cli("automations", "cancel", running)
    wait_until(lambda: shown(admin, running)["state"] == "cancelled", timeout=90)
    assert proof.read_text().split() == ["a", "tidy"]
    [_, leaf_call] = shown(admin, running)["phases"][0]["calls"]
    assert leaf_call["automation_state"] == "cancelled"


def shown(admin: User, automation_id: str) -> dict[str, Any]:
    return admin.json("automations", "show", automation_id)

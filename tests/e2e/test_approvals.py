"""Asking, deciding and running by the command line alone, with real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.product import Installation
from tests.support import wait_until

pytestmark = pytest.mark.e2e

POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: production}
spec:
  gates: [{name: approvers, approvers: {roles: [approver]}}]
"""
TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: careful}
spec:
  approvalPolicy: {policyRef: production}
  template: {phases: [{name: act, commands: [echo done]}]}
"""


def test_a_followed_run_waits_for_its_approval_and_ends_with_its_outcome(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    assert "is valid" in installation.admin.cli(
        "templates", "validate", str(tmp_path / "policy.yaml")
    )
    assert (
        installation.admin.json("policies", "push", str(tmp_path / "policy.yaml"))["version"] == 1
    )
    installation.push(TEMPLATE)
    installation.worker("w")
    dave = installation.person("dave@example.com", "approver")
    for decide, exit_code, said in (
        ("approve", 0, "succeeded"),
        ("reject", 10, "rejected by dave@example.com: no"),
    ):
        run = installation.admin.start(f"run-{decide}", "run", "careful", "--follow")
        waits = "it waits for approval: approvers: 1 of dave@example.com"
        wait_until(lambda process=run, text=waits: text in process.log(), what=waits)
        [asked] = wait_until(lambda: dave.json("approvals", "list"), what="the request")
        shown = dave.cli("approvals", "show", asked["id"])
        assert "echo done" in shown
        assert "may decide: dave@example.com" in shown
        assert dave.json("approvals", decide, asked["id"], "--reason", "no")["state"] in {
            "approved",
            "rejected",
        }
        assert run.popen.wait(60) == exit_code
        assert said in run.log()
        assert dave.json("approvals", "list") == []


def test_who_follows_hears_at_once_that_nobody_can_approve_it_any_more(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    installation.admin.json("policies", "push", str(tmp_path / "policy.yaml"))
    installation.push(TEMPLATE)
    installation.person("dave@example.com", "approver")
    run = installation.admin.start("run", "run", "careful", "--follow")
    wait_until(lambda: "1 of dave@example.com" in run.log(), what="the request")

    told = installation.admin.attempt("users", "update", "dave@example.com", "--disable")

    assert "nobody can give this approval since: careful" in told.stderr
    wait_until(
        lambda: "nobody can give this approval now" in run.log(),
        what="the reason in what is followed",
    )
    [asked] = installation.admin.json("automations", "list")
    assert "nobody can give this approval now" in installation.admin.cli(
        "automations", "show", asked["id"]
    )
    installation.admin.cli("users", "update", "dave@example.com", "--enable")
    wait_until(
        lambda: run.log().count("1 of dave@example.com") == 2, what="the reason as it was before"
    )
    installation.admin.cli("automations", "cancel", asked["id"])
    run.popen.wait(60)

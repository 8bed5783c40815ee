"""Going on where an automation has failed, by its page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, run_now, wait_for_log, wait_for_state
from tests.product import Installation

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {{name: fails-once}}
spec:
  metadata: {{displayName: Something that fails}}
  keepWorkspace: 600
  template:
    phases:
      - name: copy
        outputs: [path]
        commands: ["echo kept > file", 'echo path=/b/1 >> "$OPSICLE_OUTPUT"']
      - name: restart
        commands: ["cat file", "test -e {}"]
"""

DECISION_REQUESTS = """apiVersion: v1
type: AutomationTemplate
metadata: {{name: fails-when-agreed}}
spec:
  approvalPolicy:
    spec: {{gates: [{{name: own, approvers: {{roles: [admin]}}, allowRequester: true}}]}}
  template:
    phases:
      - {{name: copy, commands: ["echo copied"]}}
      - {{name: restart, commands: ["test -e {}"]}}
"""


def test_a_failed_automation_is_resumed_at_its_failed_phase_in_its_workspace(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    installation.push(TEMPLATE.format(go))
    page = open_page("/templates/fails-once/run", width=360)
    run_now(page)
    wait_for_state(page, "failed")
    failed_at = page.url
    go.touch()

    here = page.get_by_role("button", name="Resume from here…", exact=True)
    expect(here).to_have_count(1)
    page.get_by_role("tab", name="Timeline", exact=True).click()
    expect(here).to_have_count(1)  # that of the phases is out of sight
    assert is_accessible(page)
    page.get_by_role("button", name="restart", exact=True).click()
    expect(page.get_by_role("tab", name="Log", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    here.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Go on at phase")).to_have_value("restart")
    expect(dialog.get_by_label("Workspace")).to_contain_text("as it was left")
    assert has_no_horizontal_scroll(page)
    dialog.get_by_role("button", name="Resume it now").click()

    page.wait_for_url(lambda url: url != failed_at)
    wait_for_state(page, "succeeded")
    wait_for_log(page, "kept")
    expect(here).to_have_count(0)
    expect(page.locator(".phase").first.locator(".state-done_before").first).to_be_attached()
    expect(page.locator(".automation-facts")).to_contain_text("/b/1")
    page.get_by_role("link", name="goes on from an earlier one").click()
    page.wait_for_url(failed_at)
    page.get_by_role("link", name="a later one goes on from it").click()
    page.wait_for_url(lambda url: url != failed_at)
    wait_for_state(page, "succeeded")


def test_who_approves_a_resumption_sees_which_phases_are_not_run_again(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    installation.push(DECISION_REQUESTS.format(tmp_path / "go"))
    page = open_page("/templates/fails-when-agreed/run")
    page.get_by_role("button", name="Ask to run").click()
    page.wait_for_url("**/automations/*")
    installation.admin.cli("approvals", "approve", _asked(installation))
    wait_for_state(page, "failed")
    installation.admin.cli("automations", "resume", page.url.rsplit("/", 1)[1])

    page.goto(f"/approvals/{_asked(installation)}")

    phases = page.locator(".plan-phase")
    expect(phases).to_contain_text(["not run again", "restart"])
    expect(phases.nth(1)).not_to_contain_text("not run again")


def _asked(installation: Installation) -> str:
    """Return the approval that alice waits for."""
    requests = installation.admin.json("approvals", "list", "--whose", "asked")
    return next(str(each["id"]) for each in requests if each["state"] == "pending")

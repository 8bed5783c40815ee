"""Going on where an automation has failed, by its page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

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

    page.get_by_role("button", name="Resume…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Go on at phase")).to_have_value("restart")
    expect(dialog.get_by_label("Workspace")).to_contain_text("as it was left")
    assert has_no_horizontal_scroll(page)
    dialog.get_by_role("button", name="Resume it now").click()

    page.wait_for_url(lambda url: url != failed_at)
    wait_for_state(page, "succeeded")
    wait_for_log(page, "kept")
    expect(page.locator(".phase").first.locator(".state-done_before").first).to_be_attached()
    expect(page.locator(".automation-facts")).to_contain_text("/b/1")
    page.get_by_role("link", name="goes on from an earlier one").click()
    page.wait_for_url(failed_at)

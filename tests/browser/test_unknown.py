"""An automation of which nobody can say how it ended, by its page: released, and resumed."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import wait_for_log, wait_for_state
from tests.product import Installation

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: lost}
spec:
  runsOn: {labels: {site: lost}}
  concurrency: {group: lost}
  template:
    phases: [{name: act, timeout: 600, commands: ["echo begun; sleep 600"]}]
"""
GATE = " {spec: {gates: [{name: lead, approvers: {roles: [admin]}, allowRequester: true}]}}"


def test_a_person_who_has_looked_at_the_target_releases_the_group_and_resumes(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(TEMPLATE)
    worker = installation.worker("lost", None, "--label", "site=lost", "--slots", "2")
    first, second = (installation.admin.json("run", "lost") for _ in range(2))
    page = open_page(f"/automations/{first['id']}")
    wait_for_log(page, "begun")
    worker.process.kill()
    worker.start()
    expect(page.get_by_text("Nobody can say what it did.")).to_be_visible()
    phase = page.locator(".phase", has_text="act")
    expect(phase).to_have_attribute("data-state", "unknown")
    page.get_by_role("tab", name="Timeline").click()
    assert page.locator("[data-since]").count() == 0  # no clock goes on
    page.get_by_role("tab", name="Log").click()
    took = installation.admin.cli("-o", "table", "automations", "show", first["id"])
    assert re.search(r"act +unknown +\d+\.\d\d s", took)

    page.get_by_role("button", name="Release its group…").click()
    page.get_by_role("dialog").get_by_role("button", name="Release the group").click()
    expect(page.get_by_role("button", name="Release its group…")).to_be_hidden()

    page.get_by_role("button", name="Resume…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Resume it now").click()
    expect(dialog).to_contain_text("Nobody can say what phase")
    dialog.get_by_label("it may run twice").check()
    dialog.get_by_role("button", name="Resume it now").click()
    expect(page.get_by_text("behind 1 other of group lost")).to_be_visible()

    installation.admin.cli("automations", "cancel", second["id"])
    wait_for_state(page, "Running")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the automation").click()
    wait_for_state(page, "cancelled")
    page.get_by_label("What concerns you").click()
    unknown = page.locator(f".bell-entry[href$='{first['id']}']")
    expect(unknown).to_contain_text("lost")
    worker.process.kill()

    # Who is dead is not said to fit.
    asked = TEMPLATE.replace(
        "name: lost}\nspec:", "name: lost-asks}\nspec:\n  approvalPolicy:" + GATE
    )
    installation.push(asked)
    approval = installation.admin.json("run", "lost-asks")["approval_id"]
    page.goto(f"/approvals/{approval}")
    expect(
        page.get_by_text(re.compile("^none is connected; these would: lost, which"))
    ).to_be_visible()
    installation.admin.cli("approvals", "withdraw", approval)

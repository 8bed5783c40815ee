"""What the form of a template says before the button, and the links that fill it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import run_now, wait_for_state
from tests.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: deploy}
spec:
  approvalPolicy: {spec: {gates: [{
    name: lead, approvers: {users: [lead@example.com]}, when: [{variable: site, in: [fra]}]}]}}
  variables:
    - {id: site, type: string, pattern: "[a-z]{3}", default: ams}
    - {id: pin, type: secret}
    - {id: data, type: file}
  template:
    phases:
      - name: act
        outputs: [build]
        commands:
          - cat ${OPSICLE_VAR_DATA-/dev/null}
          - echo build=7.2 >> "$OPSICLE_OUTPUT"; echo '## Deployed' >> "$OPSICLE_SUMMARY"
"""
DROP = """(control) => {
  const files = new DataTransfer();
  files.items.add(new File(["from a drop"], "dropped.txt"));
  const event = new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true });
  control.closest(".field").dispatchEvent(event);
}"""


def test_a_link_fills_the_form_which_says_what_would_happen_with_what_is_typed(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.account("lead@example.com", "manager")
    installation.push(TEMPLATE)

    page = open_page("/templates/deploy/run?var.site=NOWHERE&var.pin=4711&var.gone=1&reason=INC-1")

    assert "4711" not in page.url
    notice = page.locator(".box-warn")
    expect(notice).to_contain_text("enter pin yourself")
    expect(notice).to_contain_text("does not ask for: gone")
    expect(page.get_by_label("Reason")).to_have_value("INC-1")
    expect(page.locator(".field.is-wrong")).to_contain_text("does not match the pattern")

    page.get_by_label("Worker").select_option("edge")  # others of its kind may have joined
    page.get_by_label("site").fill("fra")
    preview = page.locator(".run-preview")
    expect(preview).to_contain_text("lead: lead@example.com must agree")
    expect(preview).to_contain_text("It runs on edge.")
    expect(page.get_by_role("button", name="Ask to run")).to_be_visible()
    expect(page.locator(".field.is-wrong")).to_have_count(0)

    page.get_by_label("site").fill("ams")
    expect(preview).to_contain_text("Nobody has to agree.")
    page.get_by_label("data").evaluate(DROP)
    expect(page.get_by_text("dropped.txt, 11 B, is uploaded")).to_be_visible()
    run_now(page)
    wait_for_state(page, "succeeded")
    expect(page.locator(".log-text")).to_contain_text(["from a drop"])
    page.get_by_role("tab", name="Trail").click()
    expect(page.get_by_text("only edge")).to_be_visible()

    page.goto("/templates/deploy/run")
    result = page.get_by_role("region", name="How it went last", exact=True)
    expect(result.get_by_role("img")).to_have_accessible_name("1 of 1 phases done")
    expect(result).to_contain_text("7.2")
    expect(result.get_by_role("heading", name="Deployed", exact=True)).to_be_visible()
    assert is_accessible(page)
    page.get_by_role("link", name="Fill in the values of then").click()
    expect(page.get_by_label("Reason")).to_have_value("INC-1")
    expect(page.get_by_label("Worker")).to_have_value("edge")
    expect(page.get_by_role("region", name="How it went then", exact=True)).to_be_visible()

    installation.push(TEMPLATE.replace("default: ams", "default: lon"))
    page.goto("/automations?template=deploy")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    page.get_by_role("button", name="Run again…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("the same template (version 1)")
    dialog.get_by_label("Version").select_option("version 2, the newest")
    dialog.get_by_role("button", name="See the values").click()
    expect(page).to_have_url(re.compile(r"/run\?from=[0-9a-z]+$"))
    expect(page.get_by_label("site")).to_have_value("ams")

    commands = page.locator(".phases .command")
    expect(commands.first).to_be_visible()
    page.set_viewport_size({"width": 760, "height": 740})  # what will run stands above the button
    summary = page.locator(".phases summary")
    expect(commands.first).to_be_hidden()
    expect(summary).to_have_text("1 phase, 2 commandsact")
    page.set_viewport_size({"width": 1280, "height": 740})
    expect(commands.first).to_be_visible()
    page.set_viewport_size({"width": 360, "height": 740})
    expect(commands.first).to_be_hidden()
    summary.click()
    page.set_viewport_size({"width": 400, "height": 360})
    expect(commands.first).to_be_visible()  # as the person wants it, however the telephone is held
    page.set_viewport_size({"width": 1280, "height": 740})
    page.set_viewport_size({"width": 360, "height": 740})
    expect(commands.first).to_be_visible()

"""The page of a template: its flow, how it went, what has to do with it, its versions."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll
from tests.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: rollout}
spec:
  approvalPolicy: {spec: {gates: [{name: lead, approvers: {roles: [admin]}}]}}
  plan: [{name: dry run, commands: ["echo would"]}]
  template:
    phases:
      - {name: build, commands: ["echo a", "echo b"], secrets: [rollout-key]}
      - {name: undo, when: failure, commands: ["echo undone"]}
"""
SCHEDULE = """apiVersion: v1
type: Schedule
metadata: {name: weekly-rollout}
spec: {template: rollout, cron: "0 4 * * 1"}
"""


def test_the_page_of_a_template_shows_its_flow_its_surroundings_its_runs_and_its_versions(
    open_page: OpenPage, installation: Installation
) -> None:
    folder = installation.folder
    (folder / "first.yaml").write_text(TEMPLATE)
    (folder / "second.yaml").write_text(TEMPLATE.replace("echo b", "echo c"))
    (folder / "weekly.yaml").write_text(SCHEDULE)
    admin = installation.admin
    admin.cli("templates", "push", str(folder / "first.yaml"), "-m", "for OPS-77 <b>")
    admin.cli("templates", "push", str(folder / "second.yaml"))
    admin.cli("schedules", "push", str(folder / "weekly.yaml"))

    page = open_page("/templates/rollout", width=360)

    steps = page.get_by_role("list", name="Flow").get_by_role("listitem")
    expect(steps).to_have_text(
        [
            "dry run1 commandplan",
            re.compile("^lead.* agree"),
            "build2 commands",
            "undo1 commandonly after a failure",
        ]
    )
    assert has_no_horizontal_scroll(page)
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("link", name="weekly-rollout")).to_be_visible()
    secret = panel.get_by_role("listitem").filter(has=page.get_by_role("link", name="rollout-key"))
    expect(secret).to_contain_text("is not there yet")
    expect(panel.get_by_role("listitem").filter(has_text="role admin").first).to_be_visible()

    page.get_by_role("tab", name="Source").click()
    page.get_by_role("region", name="Source").wait_for()
    lines = page.locator(".source-text").all_text_contents()
    assert lines == TEMPLATE.replace("echo b", "echo c").splitlines()

    page.get_by_role("tab", name="Versions").click()
    first = page.get_by_role("table", name="Versions").get_by_role("row", name="version 1")
    expect(first).to_contain_text("for OPS-77 <b>")
    first.get_by_role("link").click()
    expect(page.get_by_text("This is an older version.")).to_be_visible()

    page.goto("/templates/greet?view=history")
    page.get_by_role("tab", name="History", selected=True).wait_for()
    admin.cli("run", "greet", "--var", "who=Eve", "--var", "sure=yes", "--follow")
    page.reload()
    newest = page.get_by_role("table", name="Newest runs").get_by_role("row").nth(1)
    expect(newest).to_contain_text("succeeded")
    page.locator(".history-bar").last.click()
    expect(page.get_by_text("Greet somebody").first).to_be_visible()
    expect(page).to_have_title(re.compile("succeeded: greet"))

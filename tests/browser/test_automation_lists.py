"""The rows of automations: how far each is."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation
from tests.thin_api import Api

STEPWISE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: stepwise}
spec:
  template:
    phases:
      - {name: first, timeout: 600, commands: ["until [ -e %s ]; do sleep 0.1; done"]}
      - {name: second, timeout: 600, commands: ["sleep 600"]}
"""


def test_rows_show_how_far_the_phases_are_while_nothing_else_changes(
    open_page: OpenPage, installation: Installation, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    installation.push(STEPWISE % go_on)
    with Api(installation.access()) as api:
        automation = api.run("stepwise")
        page = open_page("/automations?template=stepwise")
        phases = page.locator("main").get_by_role("img")
        home = open_page("/").get_by_role("link", name="running stepwise").get_by_role("img")
        expect(phases).to_have_accessible_name("0 of 2 phases done, first: running")
        expect(home).to_have_accessible_name("0 of 2 phases done, first: running")

        go_on.touch()

        expect(phases).to_have_accessible_name("1 of 2 phases done, second: running")
        expect(home).to_have_accessible_name("1 of 2 phases done, second: running")
        assert is_accessible(page)
        api.json("POST", f"/api/v1/automations/{automation}/cancel")
        expect(phases).to_have_accessible_name("1 of 2 phases done, second: cancelled")

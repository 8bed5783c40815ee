"""Why an automation waits, where it stands in the queue, and the limits of the org."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.reading import has_no_horizontal_scroll, wait_for_state
from tests.product import Installation
from tests.support import wait_until

ALONE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: alone}
spec:
  variables: [{id: database, type: string, default: orders}]
  runsOn: {labels: {site: ams}, where: "site in (ams, fra), !old"}
  priority: 7
  maxWaiting: 20
  concurrency: {group: db, by: [database]}
  template:
    phases: [{name: act, timeout: 600, commands: ["sleep 600"]}]
"""


def test_a_page_says_for_whom_an_automation_waits_until_it_has_its_turn(
    installation: Installation, open_page: OpenPage
) -> None:
    installation.push(ALONE)
    alice = installation.admin
    first, second = (alice.json("run", "alone") for _ in range(2))

    page = open_page(f"/automations/{second['id']}")
    expect(page.get_by_text("behind 1 other of group db/orders")).to_be_visible()
    page.get_by_role("tab", name="Trail").click()
    for said in ("site in (ams, fra), !old", "At most 1 of db/orders at once", "Priority 7"):
        expect(page.get_by_text(said)).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 800})
    assert has_no_horizontal_scroll(page)

    alice.cli("automations", "cancel", first["id"])
    wait_for_state(page, "Running")
    alice.cli("automations", "cancel", second["id"])
    page.goto("/templates/alone")
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_text("At most 1 of db/<database> at once")).to_be_visible()
    expect(page.get_by_text("At most 20 wait")).to_be_visible()


def test_an_admin_changes_how_many_automations_of_the_org_run_and_wait(
    installation: Installation, open_page: OpenPage
) -> None:
    page = open_page("/workers")
    page.get_by_role("button", name="Change the limits…").click()
    page.get_by_label("How many run at once").fill("0")
    page.get_by_role("button", name="Set the limits").click()
    expect(page.get_by_role("dialog")).to_contain_text("must be between 1 and 10,000")

    page.get_by_label("How many run at once").fill("50")
    page.get_by_label("How many wait").fill("1000")
    page.get_by_role("button", name="Set the limits").click()

    expect(
        page.get_by_text("At most 50 automations of acme run at once, at most 1000 wait.")
    ).to_be_visible()
    shown = installation.admin.json("orgs", "show")
    assert (shown["max_running"], shown["max_waiting"]) == (50, 1000)
    installation.admin.cli("orgs", "update", "--max-running", "0", "--max-waiting", "0")
    wait_until(
        lambda: installation.admin.json("orgs", "show")["max_running"] is None, 60, "no limit"
    )

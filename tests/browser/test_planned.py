"""Starting a template at a time, and what is planned."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import wait_for_state
from tests.product import Installation


def test_a_start_is_planned_with_the_form_shown_and_called_off(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/templates/greet/run")
    page.get_by_label("Who").fill("Ada")
    page.get_by_text("no", exact=True).click()
    page.get_by_label("Reason").fill("when nobody is there")
    page.get_by_label("Start at").fill("2020-01-01T02:00")
    page.get_by_role("button", name="Plan it").click()
    expect(page.get_by_text("has passed")).to_be_visible()
    start = (datetime.now().astimezone() + timedelta(hours=30)).strftime("%Y-%m-%dT%H:%M")
    page.get_by_label("Start at").fill(start)
    page.get_by_role("button", name="Plan it").click()
    page.wait_for_url("**/automations/*")
    wait_for_state(page, "queued")
    expect(page.get_by_text("not before").first).to_be_visible()

    page.goto("/automations")
    page.get_by_role("link", name="Planned", exact=True).click()
    row = page.get_by_role("row", name="when nobody is there")
    expect(row).to_contain_text("tomorrow")
    assert is_accessible(page)
    [planned] = installation.admin.json("automations", "planned")
    assert planned["reason"] == "when nobody is there"
    row.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the automation").click()

    expect(page.get_by_text("Nothing is planned")).to_be_visible()
    assert installation.admin.json("automations", "show", planned["id"])["state"] == "cancelled"
    page.goto(f"/automations/{planned['id']}?view=timeline")
    rows = page.get_by_role("list", name="Timeline").get_by_role("listitem")
    expect(rows).to_have_text([re.compile("^Waited for its time")])


def test_the_command_line_plans_a_start_and_says_what_is_wrong_with_a_time(
    installation: Installation,
) -> None:
    made = installation.admin.json("run", "count", "--at", "2h")

    assert made["state"] == "queued"
    assert made["start_at"] in {
        each["start_at"] for each in installation.admin.json("automations", "planned")
    }
    refused = installation.admin.attempt("run", "count", "--at", "someday")
    assert refused.returncode == 2
    assert "--at" in refused.stderr
    installation.admin.cli("automations", "cancel", made["id"])

"""Schedules in the browser: pushed, shown with their next times, paused, run now."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import choose
from tests.product import Installation

pytestmark = [pytest.mark.e2e, pytest.mark.browser]

SCHEDULE = """apiVersion: v1
type: Schedule
metadata: {name: yearly-hello}
spec:
  template: yearly
  cron: "0 4 1 1 *"
"""

TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: yearly}
spec: {template: {phases: [{name: act, commands: ["echo once a year"]}]}}
"""


def test_a_schedule_is_pushed_shown_paused_and_run_now(
    open_page: OpenPage, installation: Installation
) -> None:
    for other in installation.admin.json("schedules", "list"):  # of modules that came before
        installation.admin.cli("schedules", "delete", other["name"])
    installation.push(TEMPLATE)
    page = open_page("/schedules")
    page.get_by_role("button", name="Push a schedule").click()
    page.get_by_label("Schedule (YAML)").fill(SCHEDULE.replace("0 4", "99 4"))
    page.get_by_role("button", name="Push", exact=True).click()
    expect(page.get_by_text("its minute cannot be")).to_be_visible()
    page.get_by_label("Schedule (YAML)").fill(SCHEDULE)
    page.get_by_role("button", name="Push", exact=True).click()

    week = page.get_by_role("heading", name="The next seven days")
    expect(week).to_be_hidden()
    daily = SCHEDULE.replace("yearly-hello", "daily-hello").replace("0 4 1 1", "59 23 * *")
    page.get_by_role("button", name="Push a schedule").click()
    page.get_by_label("Schedule (YAML)").fill(daily)
    page.get_by_role("button", name="Push", exact=True).click()
    expect(week).to_be_visible()
    expect(page.locator(".week").get_by_text("daily-hello")).to_have_count(7)
    assert is_accessible(page)

    page.get_by_role("checkbox", name="Choose daily-hello", exact=True).check()
    chosen = page.get_by_role("region", name="What is chosen", exact=True)
    more = page.get_by_role("button", name="More for daily-hello", exact=True)
    for menu in more, page.get_by_label("Account of"):
        menu.click()
        page.keyboard.press("Escape")  # closes the menu, and no more than that
        expect(chosen).to_be_visible()
    page.keyboard.press("Escape")
    expect(chosen).to_be_hidden()
    choose(page, "daily-hello", "Delete daily-hello")
    page.get_by_role("button", name="Delete the schedule").click()
    expect(week).to_be_hidden()

    page.get_by_role("button", name="Show yearly-hello").click()
    times = page.get_by_role("dialog").get_by_role("listitem")
    expect(times).to_have_count(5)
    page.goto(page.url)  # as a link that somebody was given
    expect(times).to_have_count(5)
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("/schedules$"))
    choose(page, "yearly-hello", "Pause yearly-hello")
    expect(page.get_by_text("paused", exact=True)).to_be_visible()

    choose(page, "yearly-hello", "Run yearly-hello now")
    page.get_by_role("button", name="Run now", exact=True).click()
    page.get_by_role("row", name="yearly-hello").get_by_role("link").click()
    expect(page.get_by_text("started by schedule yearly-hello")).to_be_visible()

"""What surrounds every page: the rail, the search, and what waits for the person."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation

DECISION_REQUESTS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: asks-first}
spec:
  approvalPolicy: {spec: {gates: [{name: boss, approvers: {users: [%s]}}]}}
  template:
    phases: [{name: say, commands: [echo agreed]}]
"""


FOUND = (
    ("edge", "edge"),
    ("alice@", "alice@example.com"),
    ("audit", "Audit"),
    ("planned", "Planned starts"),
    ("add a wo", "Add a worker"),
    ("greet", "Runs of Greet somebody"),  # also those that are older than what was asked for
    ("06h1wnsztgrrb64zz45j31pfqf", "06h1wnsztgrrb64zz45j31pfqf"),
)
"""What is typed into the search, and what is among what it finds then."""


def test_anything_is_found_and_done_by_keyboard_alone(open_page: OpenPage) -> None:
    page = open_page("/policies")

    page.keyboard.press("Control+k")
    search = page.get_by_role("combobox", name="Find or do")
    expect(search).to_be_focused()
    page.keyboard.type("run greet")
    option = page.get_by_role("option", name=re.compile("^Run Greet somebody"))
    expect(option).to_have_attribute("aria-selected", "true")
    assert is_accessible(page, "dialog")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Run Greet somebody")
    assert page.url.endswith("/templates/greet/run")
    for typed, found in FOUND:
        page.keyboard.press("Control+k")
        page.keyboard.type(typed)
        offered = page.get_by_role("dialog").get_by_role("option", name=found)
        expect(offered.first).to_be_visible()
        page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_search_offers_only_what_the_person_may_do(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/templates", who=installation.account("seeks@example.com", "reporter"))

    page.get_by_role("button", name="Find or do…").click()
    page.keyboard.type("greet")

    expect(page.get_by_role("option", name=re.compile("^Greet somebody"))).to_be_visible()
    expect(page.get_by_role("option", name=re.compile("^Run "))).to_have_count(0)
    page.keyboard.press("Control+a")
    page.keyboard.type("log out")
    expect(page.get_by_role("option", name="Log out")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("push")
    expect(page.get_by_role("option", name="Log out")).to_have_count(0)
    expect(page.get_by_role("option", name="Push a template")).to_have_count(0)


def test_what_waits_for_ones_decision_is_counted_while_the_page_is_open(
    open_page: OpenPage, installation: Installation
) -> None:
    boss = installation.account("counts@example.com", "approver")
    installation.push(DECISION_REQUESTS % boss.email)
    page = open_page("/templates", who=boss)
    link = page.locator(".main-nav").get_by_role("link", name="Approvals")
    expect(link.locator(".count")).to_have_count(0)

    run = installation.admin.json("run", "asks-first")

    expect(link).to_have_accessible_name(re.compile("1 to decide"))
    page.get_by_label("What concerns you: 1 to decide").click()
    page.locator(".bell-list").get_by_role("link", name="asks-first").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("asks-first")
    installation.admin.cli("automations", "cancel", str(run["id"]))
    page.goto("/templates")
    expect(link.locator(".count")).to_have_count(0)


def test_on_a_telephone_the_other_pages_are_behind_more(open_page: OpenPage) -> None:
    page = open_page("/templates", width=360)
    audit = page.locator(".main-nav").get_by_role("link", name="Audit")
    more = page.get_by_role("button", name="More", exact=True)
    expect(audit).to_be_hidden()

    more.click()
    audit.click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    expect(audit).to_be_hidden()
    more.click()
    page.keyboard.press("Escape")
    expect(audit).to_be_hidden()
    expect(more).to_be_focused()
    page.keyboard.press("Control+k")
    option = page.get_by_role("option", name="Switch between light and dark").locator("span")
    expect(option).to_be_visible()
    assert option.evaluate("each => each.scrollWidth <= each.clientWidth")  # nothing is cut off

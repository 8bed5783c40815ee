"""Going through a list by keys, and doing the same with several of its items."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation
from tests.thin_api import Api

STUCK = """apiVersion: v1
type: AutomationTemplate
metadata: {name: stuck}
spec:
  runsOn: {labels: {site: nowhere}}
  template: {phases: [{name: act, commands: ["true"]}]}
"""


def focused_row(page: Page) -> Locator:
    return page.locator("main tbody tr:focus-within")


def test_rows_are_gone_through_chosen_and_cancelled_by_keys_and_each_says_how_it_ended(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.push(STUCK)
    with Api(installation.access()) as api:
        ids = [
            api.json("POST", "/api/v1/automations", {"template": "stuck", "reason": reason})["id"]
            for reason in ("oldest", "middle", "newest")
        ]
        page = open_page("/automations?template=stuck")
        rows = page.locator("main tbody tr")
        expect(rows).to_have_count(3)

        page.keyboard.press("j")
        expect(focused_row(page)).to_contain_text("newest")
        page.keyboard.press("ArrowDown")
        expect(focused_row(page)).to_contain_text("middle")
        page.keyboard.press("x")
        page.keyboard.press("k")
        page.keyboard.press("Space")
        bar = page.get_by_role("region", name="What is chosen", exact=True)
        expect(bar).to_contain_text("2 chosen")
        page.keyboard.press("Escape")
        expect(bar).to_be_hidden()
        expect(focused_row(page)).to_contain_text("newest")
        page.keyboard.press("x")
        bar.get_by_role("button", name="Choose all 3 shown").click()
        assert is_accessible(page)

        bar.get_by_role("button", name="Cancel…").click()
        dialog = page.get_by_role("dialog", name="Cancel 3 automations?", exact=True)
        expect(dialog).to_contain_text("None of them has started")
        api.json("POST", f"/api/v1/automations/{ids[1]}/cancel")  # by somebody else meanwhile
        assert is_accessible(page, "dialog")
        dialog.get_by_role("button", name="Cancel them").click()

        expect(page.locator("body > [role=status]")).to_have_text(
            "2 automations are cancelled or about to be. 1 was not"
        )
        items = dialog.get_by_role("listitem")
        expect(items.filter(has_text="stuck · newest")).to_contain_text("cancelled")
        expect(items.filter(has_text="stuck · middle")).to_contain_text(
            re.compile("is over|already")
        )
        states = {api.json("GET", f"/api/v1/automations/{each}")["state"] for each in ids}
        assert states == {"cancelled"}
        dialog.get_by_role("button", name="Back").click()
        expect(bar).to_contain_text("3 chosen")
        bar.get_by_role("button", name="Cancel…").click()
        nothing = page.get_by_role("dialog", name="None of them can be", exact=True)
        expect(nothing.get_by_role("listitem").first).to_contain_text("is over")
        expect(nothing.get_by_role("button", name="Cancel them")).to_have_count(0)
        nothing.get_by_role("button", name="Back").click()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/automations/*")


def test_the_keys_are_shown_and_can_be_switched_off(open_page: OpenPage) -> None:
    page = open_page("/templates")
    page.locator("main tbody tr").first.wait_for()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys", exact=True)
    assert is_accessible(page, "dialog")
    dialog.get_by_label("Single keys do this, in this browser").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)

    page.keyboard.press("j")
    expect(focused_row(page)).to_have_count(0)
    page.keyboard.press("?")
    expect(dialog).to_have_count(0)

    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Find or do").fill("show the keys")
    page.get_by_role("option", name="Show the keys").click()
    dialog.get_by_label("Single keys do this, in this browser").check()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    page.keyboard.press("j")
    expect(focused_row(page)).to_have_count(1)


def test_favourites_are_marked_and_workers_drained_several_at_once_but_nothing_approved(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/templates")
    page.get_by_role("checkbox", name="Choose greet", exact=True).check()
    page.get_by_role("checkbox", name="Choose count", exact=True).check()
    page.get_by_role("button", name="Mark as favourites").click()
    page.get_by_role("button", name="Favourites", exact=True).click()
    expect(page.locator("main tbody tr")).to_have_count(2)

    page.goto("/workers")
    page.get_by_role("checkbox", name="Choose edge", exact=True).check()
    bar = page.get_by_role("region", name="What is chosen", exact=True)
    bar.get_by_role("button", name="Drain…").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain", exact=True).click()
    expect(page.get_by_text("draining", exact=True)).to_be_visible()
    assert installation.admin.json("workers", "show", "edge")["state"] == "draining"
    page.get_by_role("checkbox", name="Choose edge", exact=True).check()
    bar.get_by_role("button", name="Take work again…").click()
    again = page.get_by_role("dialog").get_by_role("button", name="Take work again", exact=True)
    again.click()
    expect(page.get_by_text("draining", exact=True)).to_have_count(0)

    page.goto("/approvals?whose=all")
    page.locator("main table, main .empty").first.wait_for()
    expect(page.get_by_role("checkbox")).to_have_count(0)

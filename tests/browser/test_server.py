"""The page of those who run the server: its orgs, what they may use, suspending and deleting."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.browser.reading import choose, log_in
from tests.product import Installation


def test_an_operator_bounds_suspends_and_deletes_an_org_and_its_people_see_it(
    open_page: OpenPage, installation: Installation
) -> None:
    olga = installation.account("olga-of-doomed@example.com", "operator")
    installation.admin.cli("orgs", "create", "doomed", "--admin", olga.email)
    page = open_page("/server")
    row = page.get_by_role("row").filter(has_text="doomed")
    expect(page.get_by_text("Free on the disk")).to_be_visible()

    choose(page, "doomed", "Quotas of doomed")
    page.get_by_label("Automations an hour").fill("25")
    page.get_by_role("button", name="Set the quotas").click()
    choose(page, "doomed", "Suspend doomed")
    page.get_by_label("Reason").fill("the invoice is open")
    assert is_accessible(page, "dialog")
    page.get_by_role("button", name="Suspend", exact=True).click()
    expect(row).to_contain_text("suspended")
    seen = open_page("/orgs/doomed/templates", is_known=False)
    log_in(seen, olga.email)
    expect(seen.get_by_label("Org", exact=True)).to_have_value("doomed")
    seen.get_by_role("button", name="Log in").click()
    expect(seen.get_by_text("the invoice is open")).to_be_visible()

    choose(page, "doomed", "Delete doomed")
    page.get_by_label("Type doomed to confirm").fill("dooomed")
    page.get_by_role("button", name="Delete the org").click()
    expect(page.get_by_role("dialog")).to_contain_text("must be the code of the org")
    page.get_by_label("Type doomed to confirm").fill("doomed")
    _picture(page, "delete")
    page.get_by_role("button", name="Delete the org").click()
    expect(row).to_contain_text("deleted on")
    _pictures(page, "server")

    row.get_by_text("doomed").click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile("0 of 25"))
    assert is_accessible(page, "dialog")
    _picture(page, "org")
    page.get_by_role("button", name="Close").click()
    choose(page, "doomed", "Let doomed go on")
    page.get_by_role("button", name="Let the org go on").click()
    expect(row).not_to_contain_text("suspended")


HOSTILE = "<b>Upgrade</b> at 22:00, two minutes"


def test_an_announcement_stands_above_every_page_as_text_until_it_is_dismissed_or_deleted(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.admin.cli("announcements", "create", "Another one", "--org", "acme")
    page = open_page("/server")
    page.get_by_role("button", name="Announce…").click()
    page.get_by_label("Text").fill(HOSTILE)
    page.get_by_label("Kind").select_option("warning")
    page.get_by_label("Ends").fill("2020-01-01T00:00")
    page.get_by_role("button", name="Announce it").click()
    expect(page.get_by_role("dialog")).to_contain_text("must be in the future")
    assert is_accessible(page, "dialog")
    _picture(page, "announce")
    page.get_by_label("Ends").fill("2099-01-01T00:00")
    page.get_by_role("button", name="Announce it").click()
    expect(page.get_by_role("row").filter(has_text=HOSTILE)).to_be_visible()

    page.goto("/templates")
    boxes = page.get_by_role("status").locator(".box")
    told, another = boxes.filter(has_text=HOSTILE), boxes.filter(has_text="Another one")
    expect(told).to_be_visible()
    expect(told.locator("b")).to_have_count(0)
    assert is_accessible(page, ".remarks")
    _pictures(page, "told")

    told.get_by_role("button", name="Dismiss").click()
    expect(another).to_be_visible()
    expect(told).to_have_count(0)
    page.reload()
    expect(another).to_be_visible()
    expect(told).to_have_count(0)
    page.evaluate("localStorage.clear()")
    page.goto("/server")
    expect(told).to_be_visible()

    _pictures(page, "announced")
    for _ in range(2):
        page.get_by_role("button", name="Delete the announcement").first.click()
        page.get_by_role("button", name="Delete it").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_text("Nothing is announced.")).to_be_visible()


def _picture(page: Page, name: str) -> None:
    if folder := os.environ.get("OPSICLE_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def _pictures(page: Page, name: str) -> None:
    for width in (360, 768, 1440):
        for theme in ("light", "dark"):
            if os.environ.get("OPSICLE_SHOTS"):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=theme)
                _picture(page, f"{name}-{width}-{theme}")
    page.set_viewport_size({"width": 1280, "height": 800})


def test_those_who_manage_an_org_see_how_much_of_its_quotas_it_uses_and_others_do_not(
    open_page: OpenPage, installation: Installation
) -> None:
    installation.admin.cli("orgs", "quota", "acme", "--automations-an-hour", "1000000")
    page = open_page("/")

    page.get_by_role("link", name="Usage", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Usage")
    meter = page.get_by_role("meter", name="Automations in the last hour")
    expect(meter).to_have_attribute("aria-valuetext", re.compile(r"^[\d,]+ of 1,000,000$"))
    expect(page.get_by_role("meter")).to_have_count(3)
    days = page.get_by_role("list", name="Automations of each day").get_by_role("listitem")
    expect(days).to_have_count(30)
    assert is_accessible(page)
    installation.admin.cli("orgs", "quota", "acme", "--automations-an-hour", "0")

    oscar = installation.account("oscar-without-usage@example.com", "operator")
    seen = open_page("/usage", who=oscar)
    expect(seen.locator("main")).to_contain_text("may not do this")
    expect(seen.get_by_role("link", name="Usage", exact=True)).to_have_count(0)
    expect(seen.get_by_role("meter")).to_have_count(0)

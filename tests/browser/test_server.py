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
    olga = installation.person("olga-of-doomed@example.com", "operator")
    installation.admin.cli("orgs", "create", "doomed", "--admin", olga.email)
    page = open_page("/server")
    row = page.get_by_role("row").filter(has_text="doomed")
    expect(page.get_by_text("Free on the disk")).to_be_visible()

    choose(page, "doomed", "Quotas of doomed")
    page.get_by_label("Automations an hour").fill("25")
    page.get_by_role("button", name="Set the quotas").click()
    choose(page, "doomed", "Suspend doomed")
    page.get_by_label("Reason").fill("the invoice is open")
    is_accessible(page)
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
    _pictures(page)

    row.get_by_text("doomed").click()
    expect(page.get_by_role("dialog")).to_contain_text(re.compile("0 of 25"))
    is_accessible(page)
    _picture(page, "org")
    page.get_by_role("button", name="Close").click()
    choose(page, "doomed", "Let doomed go on")
    page.get_by_role("button", name="Let the org go on").click()
    expect(row).not_to_contain_text("suspended")


def _picture(page: Page, name: str) -> None:
    if folder := os.environ.get("OPSICLE_SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def _pictures(page: Page) -> None:
    for width in (360, 768, 1440):
        for theme in ("light", "dark"):
            if os.environ.get("OPSICLE_SHOTS"):
                page.set_viewport_size({"width": width, "height": 800})
                page.emulate_media(color_scheme=theme)
                _picture(page, f"server-{width}-{theme}")
    page.set_viewport_size({"width": 1280, "height": 800})

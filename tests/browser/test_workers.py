"""The page of a worker: how it is, and what it runs and has run."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.browser.accessibility import is_accessible
from tests.browser.conftest import OpenPage
from tests.product import Installation
from tests.thin_api import Api


def test_a_worker_shows_what_it_runs_and_is_granted_other_labels(
    open_page: OpenPage, installation: Installation
) -> None:
    with Api(installation.access()) as api:
        automation_id = api.run("count")
        page = open_page("/workers")
        page.get_by_role("link", name="edge", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("edge")
        expect(page.get_by_text("now: it is connected")).to_be_visible()
        row = page.get_by_role("row", name=re.compile("running count")).first
        expect(row).to_be_visible()
        assert is_accessible(page)

        api.json("POST", f"/api/v1/automations/{automation_id}/cancel")
        expect(page.get_by_role("row", name=re.compile("cancelled count")).first).to_be_visible()
    page.get_by_role("button", name="Change its labels…").click()
    labels = page.get_by_role("dialog").get_by_label("Labels", exact=True)
    expect(labels).to_have_value("site=ams")
    labels.fill("site=ams\nrack = 7")
    page.get_by_role("button", name="Grant these").click()
    expect(page.get_by_text("rack=7", exact=True)).to_be_visible()
    assert installation.admin.json("workers", "jobs", "edge")[0]["automation_id"] == automation_id
    installation.admin.cli("workers", "update", "edge", "--label", "site=ams")
    page.get_by_role("row", name=re.compile("cancelled count")).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("count")


def test_a_join_token_for_many_workers_is_made_shown_once_and_revoked(
    open_page: OpenPage, installation: Installation
) -> None:
    page = open_page("/workers")
    page.get_by_role("link", name="Join tokens").click()
    page.get_by_role("button", name="Token for many workers…").click()
    page.get_by_label("How many workers").fill("25")
    page.get_by_label("Labels that each is granted").fill("site=many")
    page.get_by_role("button", name="Make it").click()

    expect(page.get_by_text("it is never shown again")).to_be_visible()
    row = page.get_by_role("row", name="0 of 25")
    expect(row).to_contain_text("site=many")
    assert is_accessible(page)
    known = installation.admin.json("workers", "tokens")
    assert [each["max_uses"] for each in known if each["labels"] == {"site": "many"}] == [25]
    row.get_by_role("button", name="Revoke…").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(row).to_have_count(0)
